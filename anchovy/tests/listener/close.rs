//! Closing a listener, and converting it into a listener of std.

use std::fs;
use std::io;
use std::os::unix::net::UnixStream;

use anchovy::ConnectError;

use crate::harness::*;

#[test]
fn close_removes_the_file_and_keeps_accepted_streams_open() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        for unlink in [true, false] {
            let listener = builder().unlink_on_drop(unlink).bind(&path).unwrap();
            let mut client = Stream::connect(&path).await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            let waiting = UnixStream::connect(&path).unwrap();
            listener.close().unwrap();
            assert!(names(&directory).is_empty());

            client.send_with_fds(b"on", &memfds(1)).await.unwrap();
            assert_eq!(stream.recv(&mut [0; 8]).await.unwrap().fds, 1);
            assert!(rustix::io::read(&waiting, &mut [0]).is_err(), "nobody will accept it");
            let error = Stream::connect(&path).await.unwrap_err();
            assert!(matches!(error, ConnectError::NotFound { .. }), "{error:?}");
        }
    });
}

#[test]
fn close_leaves_the_file_of_a_successor() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = Listener::bind(&path).unwrap();
        let _successor = std::os::unix::net::UnixListener::bind(directory.join("new")).unwrap();
        fs::rename(directory.join("new"), &path).unwrap();
        listener.close().unwrap();
        assert_eq!(names(&directory), ["socket"]);
    });
}

#[test]
fn close_reports_a_file_that_cannot_be_removed() {
    without_privileges(async {
        use std::os::unix::fs::PermissionsExt;

        let directory = Directory::new();
        let mode = |mode| {
            fs::set_permissions(directory.path(), fs::Permissions::from_mode(mode)).unwrap();
        };
        let listener = Listener::bind(directory.join("socket")).unwrap();
        mode(0o500);
        let error = listener.close().unwrap_err();
        mode(0o700);
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(names(&directory), ["socket"]);
        let error = Stream::connect(directory.join("socket")).await.unwrap_err();
        assert!(matches!(error, ConnectError::Refused { .. }), "the socket is closed: {error:?}");
    });
}

#[test]
fn into_std_returns_a_listening_socket_and_keeps_its_file() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = Listener::bind(&path).unwrap();
        let _waiting = client(&path);
        let socket = listener.into_std().unwrap();
        assert_eq!(names(&directory), ["socket"]);
        socket.accept().unwrap();
        assert_eq!(socket.accept().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    });
}
