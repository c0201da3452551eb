//! `fd_passing(false)`: descriptors are refused from the first byte of each connection.

use std::io::Write;
use std::os::unix::net::UnixListener;

use anchovy::FdError;
use tokio::io::AsyncWriteExt;

use crate::harness::*;

fn fd_error(error: std::io::Error) -> FdError {
    FdError::from_io_error(&error)
        .unwrap_or_else(|| panic!("an error about descriptors, not {error:?}"))
}

fn kernel_refuses() -> bool {
    let known = kernel_is_at_least(6, 16);
    if !known {
        eprintln!("skipped: SO_PASSRIGHTS needs Linux 6.16");
    }
    known
}

#[test]
fn descriptors_are_refused_before_and_after_accept() {
    if !kernel_refuses() {
        return;
    }
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = builder().fd_passing(false).bind(&path).unwrap();
        let mut client = Stream::connect(&path).await.unwrap();
        let refused = FdError::RefusedByPeer { count: 1 };
        let before = client.send_with_fds(b"here", &memfds(1)).await;
        assert_eq!(fd_error(before.unwrap_err()), refused);

        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(!stream.fd_passing().unwrap());
        assert_eq!(stream.read_fd_limit(), 0);
        let after = client.send_with_fds(b"here", &memfds(1)).await;
        assert_eq!(fd_error(after.unwrap_err()), refused);
        client.write_all(b"bytes").await.unwrap();
        assert_eq!(stream.recv(&mut [0; 8]).await.unwrap().bytes, 5);

        // The stream can admit them later.
        stream.set_read_fd_limit(1).unwrap();
        stream.set_fd_passing(true).unwrap();
        client.send_with_fds(b"here", &memfds(1)).await.unwrap();
        assert_eq!(stream.recv(&mut [0; 8]).await.unwrap().fds, 1);
    });
}

#[test]
fn a_client_that_connects_after_the_listener_accepts_descriptors_passes_them() {
    if !kernel_refuses() {
        return;
    }
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = builder().fd_passing(false).read_fd_limit(1).bind(&path).unwrap();
        anchovy::set_fd_passing(&listener, true).unwrap();
        let mut client = Stream::connect(&path).await.unwrap();
        client.send_with_fds(b"here", &memfds(1)).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        assert_eq!(stream.recv(&mut [0; 8]).await.unwrap().fds, 1);
    });
}

#[test]
fn a_client_waiting_at_an_adopted_socket_passes_no_descriptor() {
    if !kernel_refuses() {
        return;
    }
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let bound = UnixListener::bind(&path).unwrap();
        let mut client = Stream::connect(&path).await.unwrap();
        let (reader, writer) = pipe();
        client.send_with_fds(b"early", &[writer]).await.unwrap();
        assert!(!is_abandoned(&reader), "it is on its way");

        let listener = builder().fd_passing(false).build(bound).unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        // The connection did not inherit the option from the socket, so the listener has set it.
        assert!(!stream.fd_passing().unwrap());
        let after = client.send_with_fds(b"late", &memfds(1)).await;
        assert_eq!(fd_error(after.unwrap_err()), FdError::RefusedByPeer { count: 1 });

        // Descriptors that were already sent cannot be refused. They are closed, and the read side
        // fails.
        let error = fd_error(stream.recv(&mut [0; 8]).await.unwrap_err());
        assert!(matches!(error, FdError::TooManyReceived { count: 1, limit: 0, .. }), "{error:?}");
        assert!(stream.read_queue().is_empty());
        assert!(is_abandoned(&reader));
    });
}

#[test]
fn an_explicit_limit_admits_descriptors_sent_before_adoption() {
    if !kernel_refuses() {
        return;
    }
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let bound = UnixListener::bind(&path).unwrap();
        let mut client = Stream::connect(&path).await.unwrap();
        client.send_with_fds(b"early", &memfds(2)).await.unwrap();
        let listener = builder().fd_passing(false).read_fd_limit(2).build(bound).unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(!stream.fd_passing().unwrap());
        assert_eq!(stream.recv(&mut [0; 8]).await.unwrap().fds, 2);
    });
}

#[test]
fn passing_can_be_enabled_for_an_adopted_socket() {
    if !kernel_refuses() {
        return;
    }
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let bound = UnixListener::bind(&path).unwrap();
        anchovy::set_fd_passing(&bound, false).unwrap();
        let mut waiting = client(&path);
        let listener = builder().fd_passing(true).build(bound).unwrap();
        waiting.write_all(b"bytes").unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        assert!(stream.fd_passing().unwrap());
    });
}

#[test]
fn without_so_passrights_descriptors_fail_the_read_side() {
    on_an_older_kernel(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = builder().fd_passing(false).bind(&path).unwrap();
        let mut client = Stream::connect(&path).await.unwrap();
        let (reader, writer) = pipe();
        client.send_with_fds(b"here", &[writer]).await.unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let error = fd_error(stream.recv(&mut [0; 8]).await.unwrap_err());
        assert!(matches!(error, FdError::TooManyReceived { count: 1, limit: 0, .. }), "{error:?}");
        assert!(is_abandoned(&reader));
    });
}
