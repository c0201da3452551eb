//! Accepting clients: their credentials, and waiting while there is no room for them.

use std::os::unix::net::UnixStream;

use anchovy_wayland::Listener;
use interop_tests::{Directory, FullTable, drive_io, now, run};

#[test]
fn an_accepted_client_has_its_credentials() {
    run(async {
        let directory = Directory::new();
        let listener = Listener::bind(directory.join("x")).unwrap();
        let _client = UnixStream::connect(directory.join("x")).unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let credentials = stream.peer_cred().unwrap();
        assert_eq!(credentials.uid(), rustix::process::geteuid().as_raw());
        assert_eq!(credentials.gid(), rustix::process::getegid().as_raw());
        assert_eq!(credentials.pid(), Some(std::process::id() as i32));
    });
}

#[test]
fn a_client_that_waited_for_room_is_served() {
    run(async {
        let directory = Directory::new();
        let listener = Listener::bind(directory.join("x")).unwrap();
        let _client = UnixStream::connect(directory.join("x")).unwrap();
        drive_io().await;
        let mut table = FullTable::with_room_for(0);
        let mut accept = Box::pin(listener.accept());
        assert!(now(accept.as_mut()).await.is_none());
        table.make_room_for(1);
        assert!(accept.await.is_ok());
    });
}

#[test]
fn a_dropped_accept_loses_no_client() {
    run(async {
        let directory = Directory::new();
        let listener = Listener::bind(directory.join("x")).unwrap();
        assert!(now(listener.accept()).await.is_none());
        let _client = UnixStream::connect(directory.join("x")).unwrap();
        drive_io().await;
        let table = FullTable::with_room_for(0);
        assert!(now(listener.accept()).await.is_none(), "it waits for room");
        drop(table);
        assert!(listener.accept().await.is_ok());
        assert!(now(listener.accept()).await.is_none(), "and there was one");
    });
}
