//! The system calls, counted and interrupted from outside.
//!
//! A test of this file runs twice: as itself, it starts this very test under strace and reads what
//! that saw; there, it does the work.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::Command;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::*;

/// Names the test that is to do its work, in the environment of the process under strace.
const SUBJECT: &str = "ANCHOVY_STRACE_SUBJECT";

/// What brackets the work in the trace; nothing else asks for this.
pub(crate) fn mark() {
    let _ = rustix::process::getppid();
}

/// Runs `work` between marks under strace with these options, and returns the lines in between;
/// in the traced process, does the work and returns nothing.
pub(crate) fn traced(
    test: &str,
    options: &[&str],
    work: impl Future<Output = ()>,
) -> Option<Vec<String>> {
    if std::env::var_os(SUBJECT).is_some() {
        run(work);
        return None;
    }
    let mut between = Vec::new();
    guarded(|| between = trace(test, options));
    Some(between)
}

fn trace(test: &str, options: &[&str]) -> Vec<String> {
    let log = memfd();
    let path = format!("/proc/{}/fd/{}", std::process::id(), std::os::fd::AsRawFd::as_raw_fd(&log));
    let calls = "trace=getppid,epoll_wait,read,recvfrom,recvmsg,write,sendto,sendmsg,close";
    let outcome = Command::new("strace")
        .args(["-f", "-qq", "-s", "0", "-o", &path, "-e", calls])
        .args(options)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--test-threads", "1"])
        .env(SUBJECT, test)
        .output()
        .expect("strace is installed");
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stdout));

    let log = std::fs::read_to_string(&path).unwrap();
    // Each line begins with the number of a thread.
    let lines = log.lines().map(|line| line.split_once(' ').unwrap().1.trim());
    let between: Vec<String> = lines
        .skip_while(|line| !line.starts_with("getppid"))
        .skip(1)
        .take_while(|line| !line.starts_with("getppid"))
        .map(str::to_owned)
        .collect();
    assert!(!between.is_empty(), "no marks in the trace:\n{log}");
    between
}

/// How often each call was made; those that found nothing count on their own.
pub(crate) fn count(lines: &[String]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in lines {
        let mut call = line.split('(').next().unwrap().to_owned();
        if let Some((_, error)) = line.split_once("= -1 ") {
            write!(call, " {}", error.split(' ').next().unwrap()).unwrap();
        }
        *counts.entry(call).or_insert(0) += 1;
    }
    counts
}

const ROUNDS: usize = 200;

#[test]
fn a_read_and_a_write_without_descriptors_are_one_system_call_each() {
    let name = "syscalls::a_read_and_a_write_without_descriptors_are_one_system_call_each";
    let trace = traced(name, &[], async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let mut buf = [0; 64];
        settle().await;
        mark();
        for _ in 0..ROUNDS {
            near.write_all(b"AAAA").await.unwrap();
            assert_eq!(far.read(&mut buf).await.unwrap(), 4);
        }
        mark();
    });
    let Some(trace) = trace else { return };
    let counts = count(&trace);
    assert_eq!(counts.get("sendto"), Some(&ROUNDS), "{counts:?}");
    assert_eq!(counts.get("recvmsg"), Some(&ROUNDS), "{counts:?}");
    // The rest is tokio's waiting.
    assert!(
        counts.keys().all(|call| ["sendto", "recvmsg", "epoll_wait"].contains(&&call[..])),
        "{counts:?}"
    );
}

#[test]
fn a_read_and_a_write_with_descriptors_are_one_system_call_each() {
    let name = "syscalls::a_read_and_a_write_with_descriptors_are_one_system_call_each";
    let trace = traced(name, &[], async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let (fds, mut buf) = (memfds(3), [0; 64]);
        settle().await;
        mark();
        for _ in 0..ROUNDS {
            near.send_with_fds(b"AAAA", &fds).await.unwrap();
            assert_eq!(far.recv_with_fds(&mut buf).await.unwrap().fds, 3);
            far.read_queue_mut().clear();
        }
        mark();
    });
    let Some(trace) = trace else { return };
    let counts = count(&trace);
    assert_eq!(counts.get("sendmsg"), Some(&ROUNDS), "{counts:?}");
    assert_eq!(counts.get("recvmsg"), Some(&ROUNDS), "{counts:?}");
    // What is received is closed; nothing that is sent is duplicated.
    assert_eq!(counts.get("close"), Some(&(3 * ROUNDS)), "{counts:?}");
    if kernel_is_at_least(6, 17) {
        assert_eq!(counts.get("recvmsg EAGAIN"), None, "{counts:?}");
    }
}

#[test]
fn what_is_refused_reaches_no_system_call() {
    let name = "syscalls::what_is_refused_reaches_no_system_call";
    let trace = traced(name, &[], async {
        let (mut near, _far) = Wayland::pair().unwrap();
        near.write_queue_mut().extend(memfds(29));
        let fds = memfds(29);
        settle().await;
        mark();
        near.write(b"AAAA").await.unwrap_err();
        near.try_write(b"AAAA").unwrap_err();
        near.send_with_fds(b"AAAA", &fds).await.unwrap_err();
        near.shutdown().await.unwrap_err();
        let kept = std::mem::take(near.write_queue_mut());
        near.send_with_fds(b"AAAA", &fds).await.unwrap_err();
        near.send_with_fds(b"", &fds).await.unwrap_err();
        near.read_queue_mut().extend(kept);
        near.set_read_queue_limit(28).unwrap();
        near.read(&mut [0; 8]).await.unwrap_err();
        near.try_read(&mut [0; 8]).unwrap_err();
        rustix::io::write(rustix::stdio::stderr(), b"end of what is refused\n").unwrap();
        mark();
    });
    let Some(trace) = trace else { return };
    let counts = count(&trace);
    assert_eq!(counts, BTreeMap::from([("write".to_owned(), 1)]));
}

#[test]
fn interrupted_calls_are_made_again() {
    // Every third receive and send is interrupted before it does anything.
    let name = "syscalls::interrupted_calls_are_made_again";
    let inject = "inject=sendto,sendmsg,recvmsg:error=EINTR:when=1+3";
    let trace = traced(name, &["-e", inject], async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let (fds, mut buf) = (memfds(2), [0; 64]);
        mark();
        for _ in 0..ROUNDS {
            // Not `write_all`, which makes interrupted calls again by itself.
            assert_eq!(near.write(b"AAAA").await.unwrap(), 4);
            assert_eq!(far.recv_with_fds(&mut buf).await.unwrap().bytes, 4);
            let slices = [std::io::IoSlice::new(b"AA"); 2];
            assert_eq!(near.write_vectored(&slices).await.unwrap(), 4);
            assert_eq!(far.recv_with_fds(&mut buf).await.unwrap().bytes, 4);
            assert_eq!(near.send_with_fds(b"BBBB", &fds).await.unwrap(), 4);
            assert_eq!(far.recv_with_fds(&mut buf).await.unwrap().fds, 2);
            assert_eq!(identities(far.read_queue_mut().drain(..)), identities(&fds));
        }
        mark();
    });
    let Some(trace) = trace else { return };
    let counts = count(&trace);
    for call in ["sendto EINTR", "sendmsg EINTR", "recvmsg EINTR"] {
        assert!(counts.get(call).is_some_and(|count| *count > ROUNDS / 4), "{counts:?}");
    }
}
