//! System calls, counted and interrupted with strace.

use std::collections::BTreeMap;

use anchovy::{AnchovyListener, Copier, DBUS_SCM_RIGHTS};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::*;

const ROUNDS: usize = 200;

#[test]
fn a_read_and_a_write_without_descriptors_are_one_system_call_each() {
    let name = "syscalls::a_read_and_a_write_without_descriptors_are_one_system_call_each";
    let trace = traced(name, &[], async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let mut buf = [0; 64];
        drive_io().await;
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
    // The other calls are made by tokio.
    assert!(
        counts.keys().all(|call| ["sendto", "recvmsg", "epoll_wait"].contains(&&call[..])),
        "{counts:?}"
    );
}

#[test]
fn a_short_read_without_inq_is_one_system_call() {
    let name = "syscalls::a_short_read_without_inq_is_one_system_call";
    let trace = traced(name, &[], async {
        let (mut near, mut far) = Dbus::builder().inq(false).pair().unwrap();
        let mut buf = [0; 64];
        drive_io().await;
        mark();
        for _ in 0..ROUNDS {
            near.write_all(b"AAAA").await.unwrap();
            assert_eq!(far.read(&mut buf).await.unwrap(), 4);
        }
        mark();
    });
    let Some(trace) = trace else { return };
    let counts = count(&trace);
    assert_eq!(counts.get("recvmsg"), Some(&ROUNDS), "{counts:?}");
    // The other calls are made by tokio.
    assert!(
        counts.keys().all(|call| ["sendto", "recvmsg", "epoll_wait"].contains(&&call[..])),
        "{counts:?}"
    );
}

#[test]
fn a_read_is_recv_once_a_stream_without_fd_passing_was_empty() {
    if !kernel_is_at_least(6, 16) {
        eprintln!("skipped: SO_PASSRIGHTS needs Linux 6.16");
        return;
    }
    let name = "syscalls::a_read_is_recv_once_a_stream_without_fd_passing_was_empty";
    let trace = traced(name, &[], async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        far.set_fd_passing(false).unwrap();
        let mut buf = [0; 64];
        drive_io().await;
        mark();
        for _ in 0..=ROUNDS {
            near.write_all(b"AAAA").await.unwrap();
            assert_eq!(far.read(&mut buf).await.unwrap(), 4);
        }
        mark();
    });
    let Some(trace) = trace else { return };
    let counts = count(&trace);
    assert_eq!(counts.get("recvmsg"), Some(&1), "{counts:?}");
    assert_eq!(counts.get("recvfrom"), Some(&ROUNDS), "{counts:?}");
    assert_eq!(counts.get("recvfrom EAGAIN"), None, "{counts:?}");
}

#[test]
fn every_read_is_recv_if_the_listener_has_never_accepted_descriptors() {
    if !kernel_is_at_least(6, 16) {
        eprintln!("skipped: SO_PASSRIGHTS needs Linux 6.16");
        return;
    }
    let name = "syscalls::every_read_is_recv_if_the_listener_has_never_accepted_descriptors";
    let trace = traced(name, &[], async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = AnchovyListener::<DBUS_SCM_RIGHTS>::builder().fd_passing(false);
        let listener = listener.bind(&path).unwrap();
        let mut near = Dbus::connect(&path).await.unwrap();
        let (mut far, _) = listener.accept().await.unwrap();
        let mut buf = [0; 64];
        drive_io().await;
        mark();
        for _ in 0..ROUNDS {
            near.write_all(b"AAAA").await.unwrap();
            assert_eq!(far.read(&mut buf).await.unwrap(), 4);
        }
        mark();
    });
    let Some(trace) = trace else { return };
    let counts = count(&trace);
    assert_eq!(counts.get("recvmsg"), None, "{counts:?}");
    assert_eq!(counts.get("recvfrom"), Some(&ROUNDS), "{counts:?}");
}

#[test]
fn a_read_and_a_write_with_descriptors_are_one_system_call_each() {
    let name = "syscalls::a_read_and_a_write_with_descriptors_are_one_system_call_each";
    let trace = traced(name, &[], async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let (fds, mut buf) = (memfds(3), [0; 64]);
        drive_io().await;
        mark();
        for _ in 0..ROUNDS {
            near.send_with_fds(b"AAAA", &fds).await.unwrap();
            assert_eq!(far.recv(&mut buf).await.unwrap().fds, 3);
            far.read_queue_mut().clear();
        }
        mark();
    });
    let Some(trace) = trace else { return };
    let counts = count(&trace);
    assert_eq!(counts.get("sendmsg"), Some(&ROUNDS), "{counts:?}");
    assert_eq!(counts.get("recvmsg"), Some(&ROUNDS), "{counts:?}");
    // Received descriptors are closed, and sent ones are not duplicated.
    assert_eq!(counts.get("close"), Some(&(3 * ROUNDS)), "{counts:?}");
    if kernel_is_at_least(6, 17) {
        assert_eq!(counts.get("recvmsg EAGAIN"), None, "{counts:?}");
    }
}

#[test]
fn a_refused_operation_makes_no_system_call() {
    let name = "syscalls::a_refused_operation_makes_no_system_call";
    let trace = traced(name, &[], async {
        let (mut near, _far) = Wayland::pair().unwrap();
        near.write_queue_mut().extend(memfds(29));
        let fds = memfds(29);
        drive_io().await;
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
fn interrupted_system_calls_are_repeated() {
    // Every third receive and send is interrupted before it does anything.
    let name = "syscalls::interrupted_system_calls_are_repeated";
    let inject = "inject=sendto,sendmsg,recvmsg:error=EINTR:when=1+3";
    let trace = traced(name, &["-e", inject], async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let (fds, mut buf) = (memfds(2), [0; 64]);
        mark();
        for _ in 0..ROUNDS {
            // `write_all` would repeat interrupted calls itself.
            assert_eq!(near.write(b"AAAA").await.unwrap(), 4);
            assert_eq!(far.recv(&mut buf).await.unwrap().bytes, 4);
            let slices = [std::io::IoSlice::new(b"AA"); 2];
            assert_eq!(near.write_vectored(&slices).await.unwrap(), 4);
            assert_eq!(far.recv(&mut buf).await.unwrap().bytes, 4);
            assert_eq!(near.send_with_fds(b"BBBB", &fds).await.unwrap(), 4);
            assert_eq!(far.recv(&mut buf).await.unwrap().fds, 2);
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

#[test]
fn a_copied_message_is_one_system_call_for_each_side() {
    const ROUNDS: usize = 50;
    let test = "syscalls::a_copied_message_is_one_system_call_for_each_side";
    let trace = traced(test, &[], async {
        let ((mut client, mut front), (mut back, mut server)) =
            (Dbus::pair().unwrap(), Dbus::pair().unwrap());
        let mut copier = Copier::new();
        let mut fds = memfds(1);
        let mut round = async |copier: &mut Copier| {
            let mut buf = [0; 64];
            client.send_with_fds(b"request", &fds).await.unwrap();
            tokio::select! {
                biased;
                copied = copier.copy(&mut front, &mut back) => panic!("it ended: {copied:?}"),
                received = server.recv_with_fds(&mut buf, &mut fds) => received.unwrap(),
            };
            fds.swap_remove(0);
        };
        round(&mut copier).await;
        mark();
        for _ in 0..ROUNDS {
            round(&mut copier).await;
        }
        mark();
    });
    let Some(trace) = trace else { return };
    let counts = count(&trace);
    assert_eq!(counts.get("sendmsg"), Some(&(2 * ROUNDS)), "{counts:?}");
    assert_eq!(counts.get("recvmsg"), Some(&(2 * ROUNDS)), "{counts:?}");
}
