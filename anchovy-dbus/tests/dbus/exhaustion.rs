//! Full descriptor tables and full disks, at each operation in turn. After each error, the same operation
//! succeeds as soon as there is room.
//!
//! `shapes` has the full table while messages are received.

use std::time::Duration;

use anchovy::Truncation;
use anchovy_dbus::{
    Address, Addresses, Client, ConnectErrorKind, Connection, ListenErrorKind, Listener, OpenError,
};
use rustix::io::Errno;

use crate::harness::*;

/// Descriptors of both ends of a connection: two sockets, and the pidfd of the client.
const BOTH_ENDS: usize = 3;

fn address_in(directory: &Directory) -> Address {
    Address::path(directory.join("socket")).unwrap()
}

/// Connects a client to a listener.
async fn connected(listener: &Listener, address: &Address) -> (Connection, Connection) {
    let serve = async { listener.accept().await.unwrap().handshake().await.unwrap() };
    let client = Client::new();
    let connect = async { client.connect(address.clone()).await.unwrap() };
    tokio::join!(connect, serve)
}

/// Sends a message with descriptors in both directions.
async fn serves(client: &mut Connection, server: &mut Connection) {
    sends(client, server).await;
    sends(server, client).await;
}

async fn sends(near: &mut Connection, far: &mut Connection) {
    let fds = memfds(2);
    let expected = identities(&fds);
    near.send(signal("A", fds)).await.unwrap();
    let received = far.receive().await.unwrap().unwrap();
    assert_eq!(identities(received.fds()), expected);
}

#[test]
fn connecting_with_a_full_table_fails_and_succeeds_once_there_is_room() {
    run(async {
        let directory = Directory::new();
        let address = address_in(&directory);
        let listener = server().bind(&address.clone().into()).unwrap();
        let mut table = FullTable::with_room_for(0);
        for _ in 0..3 {
            let error = Client::new().connect(address.clone()).await.unwrap_err();
            assert!(chain(&error).contains("Too many open files"), "{error}");
            let OpenError::Connect(error) = error else { panic!("{error:?}") };
            let ConnectErrorKind::Socket(anchovy::ConnectError::Io { error, .. }) =
                &error.attempts()[0].kind
            else {
                panic!("{error:?}")
            };
            assert_eq!(Errno::from_io_error(error), Some(Errno::MFILE));
        }
        table.make_room_for(BOTH_ENDS);
        let (mut client, mut server) = connected(&listener, &address).await;
        drop(table);
        serves(&mut client, &mut server).await;
    });
}

#[test]
fn accepting_with_a_full_table_waits_and_succeeds_once_there_is_room() {
    run(async {
        let directory = Directory::new();
        let address = address_in(&directory);
        let listener = server().bind(&address.clone().into()).unwrap();
        let client = std::os::unix::net::UnixStream::connect(directory.join("socket")).unwrap();
        let mut table = FullTable::with_room_for(0);
        tokio::time::pause();
        let waiting = tokio::time::timeout(Duration::from_secs(60), listener.accept()).await;
        assert!(waiting.is_err(), "{waiting:?}");
        tokio::time::resume();

        table.make_room_for(BOTH_ENDS);
        let serve = async { listener.accept().await.unwrap().handshake().await.unwrap() };
        let client_side = Client::new();
        let (client, server) = tokio::join!(client_side.handshake(client), serve);
        drop(table);
        serves(&mut client.unwrap(), &mut { server }).await;
        assert_eq!(listener.refused(), 0);
    });
}

#[test]
fn a_handshake_with_a_full_table_has_no_pidfd_and_serves_without_it() {
    run(async {
        let directory = Directory::new();
        let address = address_in(&directory);
        let listener = server().bind(&address.clone().into()).unwrap();
        // The sockets, and no pidfd.
        let table = FullTable::with_room_for(2);
        let (mut client, mut server) = connected(&listener, &address).await;
        drop(table);
        assert!(server.peer_cred().pidfd().is_none());
        assert_eq!(server.peer_cred().uid(), rustix::process::geteuid().as_raw());
        serves(&mut client, &mut server).await;
        let (_client, server) = connected(&listener, &address).await;
        assert_eq!(server.peer_cred().pidfd().is_some(), kernel_is_at_least(6, 5));
    });
}

#[test]
fn a_server_whose_table_is_full_receives_descriptors_once_there_is_room() {
    run(async {
        let (mut client, mut server) = pair().await;
        client.send(signal("A", memfds(2))).await.unwrap();
        let table = FullTable::with_room_for(0);
        let marked = server.receive().await.unwrap().unwrap();
        assert_eq!(marked.truncation(), Some(Truncation::ProcessTableFull));
        drop(table);
        serves(&mut client, &mut server).await;
    });
}

#[test]
fn binding_with_a_full_table_fails_and_succeeds_once_there_is_room() {
    run(async {
        let directory = Directory::new();
        let address = address_in(&directory);
        let table = FullTable::with_room_for(0);
        assert_eq!(bind_error(&address), Some(Errno::MFILE));
        drop(table);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        let listener = server().bind(&address.clone().into()).unwrap();
        let (mut client, mut server) = connected(&listener, &address).await;
        serves(&mut client, &mut server).await;
    });
}

#[test]
fn binding_on_a_full_disk_leaves_no_file_and_succeeds_once_there_is_room() {
    on_a_full_disk(|mut disk| async move {
        let names = |directory: &Directory| {
            let entries = std::fs::read_dir(directory.path()).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let before = names(&disk.directory);
        let address = address_in(&disk.directory);
        assert_eq!(bind_error(&address), Some(Errno::NOSPC));
        assert_eq!(names(&disk.directory), before);

        disk.make_room();
        let listener = server().bind(&address.clone().into()).unwrap();
        let (mut client, mut server) = connected(&listener, &address).await;
        serves(&mut client, &mut server).await;
    });
}

/// Binds, which fails. Returns the error of the system call.
fn bind_error(address: &Address) -> Option<Errno> {
    let addresses = Addresses::from(address.clone());
    let error = server().bind(&addresses).unwrap_err();
    assert!(error.to_string().contains("/socket"), "{error}");
    match &error.attempts()[0].kind {
        ListenErrorKind::Socket(anchovy::ListenError::Io { error, .. }) => {
            Errno::from_io_error(error)
        }
        other => panic!("{other:?}"),
    }
}
