//! The system calls of listeners, and processes that see what a listener does.

#[allow(dead_code, reason = "the tests of listeners use the rest of it")]
#[path = "../listener/harness.rs"]
mod harness;

use std::io::Read;
use std::os::fd::AsFd;
use std::process::{Command, Stdio};

use anchovy::Budget;
pub(crate) use harness::*;

#[test]
fn passing_is_disabled_before_the_socket_listens() {
    let name = "listener::passing_is_disabled_before_the_socket_listens";
    let calls = traced(name, &["-e", "trace=getppid,bind,setsockopt,listen"], async {
        let directory = Directory::new();
        mark();
        let listener = builder().fd_passing(false).bind(directory.join("socket")).unwrap();
        mark();
        drop(listener);
    });
    let Some(calls) = calls else { return };
    let calls: Vec<_> = calls.iter().map(|call| call.split('(').next().unwrap()).collect();
    assert_eq!(calls, ["bind", "setsockopt", "listen"]);
}

#[test]
fn the_mode_is_set_before_bind_and_completed_before_listen() {
    let name = "listener::the_mode_is_set_before_bind_and_completed_before_listen";
    let calls = traced(name, &["-e", "trace=getppid,fchmod,bind,chmod,listen"], async {
        let directory = Directory::new();
        let _umask = Umask::new(0o077);
        mark();
        let listener = builder().mode(0o666).bind(directory.join("socket")).unwrap();
        mark();
        drop(listener);
    });
    let Some(calls) = calls else { return };
    let calls: Vec<_> = calls.iter().map(|call| call.split('(').next().unwrap()).collect();
    assert_eq!(calls, ["fchmod", "bind", "chmod", "listen"]);
}

/// Checks a path repeatedly, writes a byte for each new socket, and finally writes all permission
/// bits that it has seen.
const WATCHER: &str = "\
import os, select, sys
path, seen, bits = sys.argv[1], None, 0
while not select.select([0], [], [], 0)[0]:
    for _ in range(200):
        try: found = os.lstat(path)
        except FileNotFoundError: continue
        bits |= found.st_mode & 0o7777
        if found.st_ctime_ns != seen:
            seen = found.st_ctime_ns
            os.write(1, b'.')
os.write(1, b'%o' % bits)
";

#[test]
fn another_process_never_sees_a_wider_mode() {
    const SIGHTINGS: usize = 200;
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let _umask = Umask::new(0);
        let mut command = Command::new("python3");
        command.args(["-c", WATCHER]).arg(&path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut watcher = Peer::start(&mut command);
        let mut output = watcher.take_stdout().unwrap();
        rustix::io::ioctl_fionbio(&output, true).unwrap();

        let mut sightings = 0;
        while sightings < SIGHTINGS {
            drop(builder().mode(0o600).bind(&path).unwrap());
            sightings += output.read(&mut [0; 64]).unwrap_or(0);
        }
        drop(watcher.take_stdin());
        rustix::io::ioctl_fionbio(&output, false).unwrap();
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest.trim_start_matches('.'), "600");
        assert!(watcher.wait().success());
    });
}

#[test]
fn removal_and_bind_hold_a_lock_that_leaves_no_file() {
    let name = "listener::removal_and_bind_hold_a_lock_that_leaves_no_file";
    let calls = traced(
        name,
        &["-e", "trace=getppid,flock,rename,renameat,renameat2,unlink,bind,listen,close"],
        async {
            let directory = Directory::new();
            let path = directory.join("socket");
            leave_stale(&path);
            mark();
            let listener = builder().replace_stale(true).bind(&path).unwrap();
            mark();
            drop(listener);
        },
    );
    let Some(calls) = calls else { return };
    let calls: Vec<_> = calls.iter().map(|call| call.split('(').next().unwrap()).collect();
    // The first two calls of `close` close the sockets of the checks, and the last one releases the lock.
    let expected =
        ["bind", "close", "flock", "close", "renameat2", "unlink", "bind", "close", "listen"];
    assert_eq!(calls, expected);
}

#[test]
fn a_client_with_a_full_account_is_not_registered_with_tokio() {
    let name = "listener::a_client_with_a_full_account_is_not_registered_with_tokio";
    let calls = traced(name, &["-e", "trace=getppid,accept4,epoll_ctl,close"], async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let budget = Budget::builder().held_fds(0).build();
        let listener = builder().budget(budget).bind(&path).unwrap();
        let _client = client(&path);
        drive_io().await;
        mark();
        assert!(now(listener.accept()).await.is_none());
        mark();
        assert_eq!(listener.refused(), 1);
    });
    let Some(calls) = calls else { return };
    let calls: Vec<_> = calls.iter().map(|call| call.split('(').next().unwrap()).collect();
    // The second call finds no further client.
    assert_eq!(calls, ["accept4", "close", "accept4"]);
}

#[test]
fn the_path_is_removed_before_the_socket_is_closed() {
    let name = "listener::the_path_is_removed_before_the_socket_is_closed";
    let calls = traced(name, &["-e", "trace=getppid,unlink,close"], async {
        let directory = Directory::new();
        let listeners = [(); 2].map(|()| {
            static NEXT: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(b'a');
            let name = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Listener::bind(directory.join(char::from(name).to_string())).unwrap()
        });
        let [dropped, closed] = listeners;
        mark();
        drop(dropped);
        closed.close().unwrap();
        mark();
    });
    let Some(calls) = calls else { return };
    let calls: Vec<_> = calls.iter().map(|call| call.split('(').next().unwrap()).collect();
    assert_eq!(calls, ["unlink", "close", "unlink", "close"]);
}

#[test]
fn inq_is_used_unless_the_builder_disables_it() {
    if !kernel_is_at_least(6, 17) {
        eprintln!("skipped: SO_INQ needs Linux 6.17");
        return;
    }
    run(async {
        let directory = Directory::new();
        for inq in [true, false] {
            let path = directory.join("socket");
            let listener = builder().inq(inq).bind(&path).unwrap();
            let client = client(&path);
            // The option is enabled with the first descriptors.
            foreign_send(&client, b"f", &[&[memfd().as_fd()]]).unwrap();
            foreign_send(&client, b"bytes", &[]).unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            assert_eq!(stream.recv(&mut [0]).await.unwrap().fds, 1);
            // The option adds a control message to every receive, and this buffer has no room for
            // it.
            let received = python(
                stream.as_fd().try_clone_to_owned().unwrap(),
                "print(bool(s.recvmsg(9)[2] & socket.MSG_CTRUNC))",
            );
            assert_eq!(received.trim(), if inq { "True" } else { "False" });
        }
    });
}
