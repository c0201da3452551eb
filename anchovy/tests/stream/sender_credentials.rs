//! The process that sent the bytes of each receive.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::process::Command;

use rustix::net::sockopt::{set_socket_passcred, socket_passcred};
use tokio::io::AsyncWriteExt;

use crate::harness::*;

/// A stream that reports senders, and a foreign socket at its other end.
fn pair() -> (Dbus, StdUnixStream) {
    let (near, far) = StdUnixStream::pair().unwrap();
    (Dbus::builder().sender_credentials(true).build(near).unwrap(), far)
}

/// Has another process write to the socket, and waits until it has.
fn write_from_child(socket: &StdUnixStream, text: &str) -> u32 {
    let stdout: OwnedFd = socket.try_clone().unwrap().into();
    let mut command = Command::new("/bin/sh");
    let mut child = command.args(["-c", &format!("printf {text}")]).stdout(stdout).spawn().unwrap();
    assert!(child.wait().unwrap().success());
    child.id()
}

#[test]
fn a_receive_names_the_process_that_sent_its_bytes() {
    run(async {
        let (mut stream, far) = pair();
        let child = write_from_child(&far, "child");
        foreign_send(&far, b"parent", &[]).unwrap();

        // Two processes, two receives, although there is room for both.
        let mut buf = [0; 64];
        let first = stream.recv(&mut buf).await.unwrap();
        assert_eq!(&buf[..first.bytes], b"child");
        let second = stream.recv(&mut buf).await.unwrap();
        assert_eq!(&buf[..second.bytes], b"parent");

        let (first, second) = (first.sender.unwrap(), second.sender.unwrap());
        assert_eq!((first.pid, second.pid), (Some(child), Some(std::process::id())));
        let cred = stream.peer_cred().unwrap();
        assert_eq!((first.uid, first.gid), (cred.uid(), cred.gid()));
    });
}

#[test]
fn senders_are_named_beside_descriptors_and_with_an_exact_limit() {
    run(async {
        let (mut stream, far) = pair();
        stream.set_read_fd_limit(1).unwrap();
        foreign_send(&far, b"one", &[&[memfd().as_fd()]]).unwrap();
        let mut fds = Vec::new();
        let received = stream.recv_with_fds(&mut [0; 64], &mut fds).await.unwrap();
        assert_eq!((received.bytes, received.fds, fds.len()), (3, 1, 1));
        assert_eq!(received.sender.unwrap().pid, Some(std::process::id()));
    });
}

#[test]
fn bytes_sent_before_the_option_was_set_have_no_sender() {
    run(async {
        let (near, far) = StdUnixStream::pair().unwrap();
        foreign_send(&far, b"before", &[]).unwrap();
        let mut stream = Dbus::builder().sender_credentials(true).build(near).unwrap();
        foreign_send(&far, b"after", &[]).unwrap();
        let mut buf = [0; 64];
        let before = stream.recv(&mut buf).await.unwrap();
        assert_eq!((&buf[..before.bytes], before.sender), (&b"before"[..], None));
        let after = stream.recv(&mut buf).await.unwrap();
        assert_eq!(&buf[..after.bytes], b"after");
        assert_eq!(after.sender.unwrap().pid, Some(std::process::id()));
    });
}

#[test]
fn nothing_is_reported_unless_it_is_asked_for() {
    run(async {
        let (mut stream, mut peer) = Dbus::pair().unwrap();
        peer.write_all(b"bytes").await.unwrap();
        assert_eq!(stream.recv(&mut [0; 64]).await.unwrap().sender, None);
    });
}

#[test]
fn the_option_can_be_switched_off_again() {
    run(async {
        let (near, far) = StdUnixStream::pair().unwrap();
        set_socket_passcred(&near, true).unwrap();
        let mut stream = Dbus::builder().sender_credentials(false).build(near).unwrap();
        foreign_send(&far, b"bytes", &[]).unwrap();
        assert_eq!(stream.recv(&mut [0; 64]).await.unwrap().sender, None);
    });
}

#[test]
fn a_change_of_sender_keeps_the_readiness_without_inq() {
    run(async {
        let (near, far) = StdUnixStream::pair().unwrap();
        let builder = Dbus::builder().sender_credentials(true).inq(false);
        let mut stream = builder.build(near).unwrap();
        for round in 0..10 {
            write_from_child(&far, "child");
            foreign_send(&far, b"parent", &[]).unwrap();
            let mut buf = [0; 64];
            // A receive that ends early at a change of sender is no sign of an empty socket.
            assert_eq!(stream.recv(&mut buf).await.unwrap().bytes, 5, "{round}");
            assert_eq!(stream.recv(&mut buf).await.unwrap().bytes, 6, "{round}");
        }
    });
}

#[test]
fn a_stream_that_refuses_descriptors_names_senders_once_that_is_requested() {
    run(async {
        let (near, far) = StdUnixStream::pair().unwrap();
        let mut near = Dbus::new(near).unwrap();
        if near.set_fd_passing(false).is_err() {
            return;
        }
        foreign_send(&far, b"plain", &[]).unwrap();
        assert_eq!(near.recv(&mut [0; 64]).await.unwrap().sender, None);

        let mut near = Dbus::builder().sender_credentials(true).build(near).unwrap();
        foreign_send(&far, b"named", &[]).unwrap();
        let sender = near.recv(&mut [0; 64]).await.unwrap().sender.expect("it was requested");
        assert_eq!(sender.pid, Some(std::process::id()));
    });
}

#[test]
fn accepted_streams_name_senders_from_their_first_byte() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = anchovy::UnixListener::builder().sender_credentials(true).bind(&path);
        let listener = listener.unwrap();
        let client = StdUnixStream::connect(&path).unwrap();
        let child = write_from_child(&client, "early");
        let (mut stream, _) = listener.accept().await.unwrap();
        let received = stream.recv(&mut [0; 64]).await.unwrap();
        assert_eq!(received.sender.unwrap().pid, Some(child));

        // Between accept(2) and the option of the stream, the inherited one applies.
        let _client = StdUnixStream::connect(&path).unwrap();
        let accepted = rustix::net::accept(&listener).unwrap();
        assert!(socket_passcred(&accepted).unwrap());
    });
}
