//! A listener that another process has bound, such as one of socket activation.

use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};

use anchovy::AnchovyListener;
use anchovy_dbus::{Address, Client, HandshakeError};

use crate::harness::*;

const HANDSHAKE: &[u8] = b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";

#[test]
fn a_given_listener_is_at_its_address_with_the_guid_of_the_server() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("bus");
        let socket = AnchovyListener::bind(&path).unwrap();
        let address = Address::path(&path).unwrap();
        let listener = server().with_listener(socket, address.clone());
        assert_eq!(*listener.address(), address.with_guid(guid()));

        let address = listener.address();
        let client = Client::new();
        let (client, incoming) = tokio::join!(client.connect(address), async {
            listener.accept().await.unwrap().handshake().await
        });
        assert!(client.unwrap().unix_fds() && incoming.unwrap().unix_fds());
        drop(listener);
        assert!(!path.exists());
    });
}

#[test]
fn descriptors_sent_before_the_listener_was_given_fail_the_handshake() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("bus");
        let socket = StdUnixListener::bind(&path).unwrap();
        let early = StdUnixStream::connect(&path).unwrap();
        let fds = memfds(1);
        let set = [fds[0].as_fd()];
        assert_eq!(foreign_send(&early, HANDSHAKE, &[&set]), Ok(HANDSHAKE.len()));

        let socket = AnchovyListener::from_std(socket).unwrap();
        let listener = server().with_listener(socket, Address::path(&path).unwrap());
        let refused = listener.accept().await.unwrap().handshake().await;
        assert!(matches!(refused, Err(HandshakeError::Descriptors { count: 1 })), "{refused:?}");

        // One that connects later is refused by its kernel, where that is possible.
        let late = StdUnixStream::connect(&path).unwrap();
        let sent = foreign_send(&late, HANDSHAKE, &[&set]);
        assert_eq!(sent.is_err(), kernel_is_at_least(6, 16), "{sent:?}");
    });
}
