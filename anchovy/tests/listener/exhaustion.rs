//! A full descriptor table while many clients connect.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::*;

const CLIENTS: usize = 50;

#[test]
fn all_clients_are_served_once_a_single_descriptor_is_free() {
    let name = "exhaustion::all_clients_are_served_once_a_single_descriptor_is_free";
    let calls = traced(name, &["-e", "trace=getppid,accept4"], async {
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

        mark();
        let waiting = tokio::time::timeout(Duration::from_secs(1), listener.accept()).await;
        mark();
        assert!(waiting.is_err());

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
    let Some(calls) = calls else { return };
    let calls = count(&calls)["accept4 EMFILE"];
    assert!((2..50).contains(&calls), "{calls} calls in a second");
}
