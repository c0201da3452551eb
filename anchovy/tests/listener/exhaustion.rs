//! A full descriptor table while many clients connect.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anchovy::{ConnectError, ListenError};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::*;

const CLIENTS: usize = 50;

#[test]
fn all_clients_are_served_once_a_single_descriptor_is_free() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = Listener::bind(&path).unwrap();
        let sockets: Vec<OwnedFd> = (0..CLIENTS)
            .map(|_| rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap())
            .collect();

        // Connecting needs no further descriptor in the client.
        let mut table = FullTable::with_room_for(0);
        let address = SocketAddrUnix::new(&path).unwrap();
        let mut clients = Vec::new();
        for socket in sockets {
            rustix::net::connect(&socket, &address).unwrap();
            let mut client = UnixStream::from(socket);
            client.write_all(b"?").unwrap();
            clients.push(client);
        }

        tokio::time::pause();
        let waiting = tokio::time::timeout(Duration::from_secs(1), listener.accept()).await;
        assert!(waiting.is_err());
        tokio::time::resume();

        table.make_room_for(1);
        for _ in 0..CLIENTS {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert_eq!(stream.read_u8().await.unwrap(), b'?');
            stream.write_u8(b'!').await.unwrap();
        }
        for client in &mut clients {
            client.read_exact(&mut [0]).unwrap();
        }
    });
}

#[test]
fn connecting_with_a_full_table_fails_and_succeeds_once_there_is_room() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = Listener::bind(&path).unwrap();
        let builder = Stream::builder();
        let mut table = FullTable::with_room_for(0);
        for _ in 0..3 {
            let error = builder.connect(&path).await.unwrap_err();
            assert!(error.to_string().contains("socket"), "{error}");
            let ConnectError::Io { error, .. } = error else { panic!("{error:?}") };
            assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
        }
        // One for each end.
        table.make_room_for(2);
        let mut client = builder.connect(&path).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        client.write_all(b"?").await.unwrap();
        assert_eq!(server.read_u8().await.unwrap(), b'?');
    });
}

#[test]
fn a_listener_is_adopted_and_closed_with_a_full_table() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let table = FullTable::with_room_for(0);
        let listener = Listener::from_std(socket).unwrap();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(&*path));
        listener.close().unwrap();
        drop(table);
    });
}

#[test]
fn binding_on_a_full_disk_fails_and_succeeds_once_there_is_room() {
    on_a_full_disk(|mut disk| async move {
        let path = disk.directory.join("socket");
        let before = names(&disk.directory);
        for builder in [builder(), builder().replace_stale(true), builder().mode(0o600)] {
            let error = builder.bind(&path).unwrap_err();
            assert!(error.to_string().contains("socket"), "{error}");
            let ListenError::Io { error, .. } = error else { panic!("{error:?}") };
            assert_eq!(error.raw_os_error(), Some(libc::ENOSPC));
            assert_eq!(names(&disk.directory), before);
        }
        disk.make_room();
        let listener = Listener::bind(&path).unwrap();
        let _client = client(&path);
        listener.accept().await.unwrap();
        listener.close().unwrap();
        assert_eq!(names(&disk.directory).len(), before.len() - 1);
    });
}

#[test]
fn a_stale_socket_is_replaced_on_a_full_disk() {
    on_a_full_disk(|mut disk| async move {
        let path = disk.directory.join("socket");
        disk.make_room();
        leave_stale(&path);
        let listener = builder().replace_stale(true).bind(&path).unwrap();
        let _client = client(&path);
        listener.accept().await.unwrap();
    });
}
