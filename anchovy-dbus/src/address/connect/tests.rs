//! Addresses that can be connected to, and addresses that cannot.

use std::error::Error;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use anchovy::PathError;
use interop_tests::Directory;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket};

use super::*;
use crate::guid::Guid;

/// The longest path, and the longest abstract name, in bytes.
const LONGEST: usize = 107;

fn only(address: Address) -> Addresses {
    address.into()
}

async fn kind_of(address: Address) -> (ConnectErrorKind, String) {
    let mut error = only(address.clone()).connect().await.unwrap_err();
    let said = error.to_string();
    let attempt = error.attempts.pop().unwrap();
    assert_eq!(attempt.address, address);
    (attempt.kind, said)
}

#[tokio::test]
async fn a_path_is_connected_to() {
    let directory = Directory::new();
    let listener = UnixListener::bind(directory.join("a b")).unwrap();
    let address = Address::path(directory.join("a b")).unwrap();

    let mut connected = only(address.clone()).connect().await.unwrap();
    assert_eq!(connected.address, address);
    let (accepted, _) = listener.accept().unwrap();
    drop(accepted);
    connected.stream.readable().await.unwrap();
    assert_eq!(connected.stream.try_read(&mut [0]).unwrap(), 0);
}

#[tokio::test]
async fn an_abstract_name_is_connected_to_and_nul_bytes_are_part_of_it() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    let name = format!("anchovy-dbus-{}-\0-connect", std::process::id());
    let at = SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&at).unwrap();

    let whole = Address::abstract_name(name.as_bytes()).unwrap();
    assert!(only(whole).connect().await.is_ok());
    let shorter = Address::abstract_name(&name.as_bytes()[..name.len() - 1]).unwrap();
    assert!(only(shorter).connect().await.is_err());
}

#[tokio::test]
async fn the_first_address_that_works_is_taken() {
    let directory = Directory::new();
    let _first = UnixListener::bind(directory.join("first")).unwrap();
    let _second = UnixListener::bind(directory.join("second")).unwrap();
    let path = |name| Address::path(directory.join(name)).unwrap();

    let list = only(path("none"))
        .or("tcp:host=localhost".parse().unwrap())
        .or(Address::runtime())
        .or(path("first"))
        .or(path("second"));
    assert_eq!(list.connect().await.unwrap().address, path("first"));
}

#[tokio::test]
async fn the_address_that_worked_keeps_its_guid() {
    let directory = Directory::new();
    let _listener = UnixListener::bind(directory.join("bus")).unwrap();
    let guid = Guid::from_bytes([7; 16]);
    let address = Address::path(directory.join("bus")).unwrap().with_guid(guid);
    assert_eq!(only(address).connect().await.unwrap().address.guid(), Some(guid));
}

#[tokio::test]
async fn every_address_that_failed_is_in_the_error_with_its_reason() {
    let directory = Directory::new();
    drop(UnixListener::bind(directory.join("stale")).unwrap());
    let path = |name| Address::path(directory.join(name)).unwrap();
    let list = only(path("none")).or(Address::runtime()).or(path("stale"));

    let error = list.connect().await.unwrap_err();
    let tried: Vec<_> = error.attempts().iter().map(|attempt| &attempt.address).collect();
    assert_eq!(tried, list.iter().collect::<Vec<_>>());
    let said = error.to_string();
    for part in ["check that the server is running", "unix:runtime=yes", "no process listens on"] {
        assert!(said.contains(part), "{said}");
    }
    assert!(said.contains(directory.join("none").to_str().unwrap()), "{said}");

    let cause = error.attempts().last().unwrap().kind.source().unwrap();
    let cause = cause.downcast_ref::<io::Error>().unwrap();
    assert_eq!(cause.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn what_is_no_unix_socket_is_named_as_such() {
    for text in ["tcp:host=localhost,port=1", "autolaunch:", "unixexec:path=true", "systemd:"] {
        let (kind, said) = kind_of(text.parse().unwrap()).await;
        assert!(matches!(kind, ConnectErrorKind::NotAUnixSocket), "{kind:?}");
        assert!(said.contains(text) && said.contains("use a Unix socket"), "{said}");
    }
    let error = only("tcp:".parse().unwrap()).connect().await.unwrap_err();
    assert_eq!(io::Error::from(error).kind(), io::ErrorKind::Unsupported);
}

#[tokio::test]
async fn what_is_for_listening_only_is_named_as_such() {
    let directory = Address::dir("/tmp").unwrap();
    for address in [directory, Address::tmpdir("/tmp").unwrap(), Address::runtime()] {
        let (kind, _) = kind_of(address).await;
        assert!(matches!(kind, ConnectErrorKind::ListenOnly), "{kind:?}");
    }
}

#[tokio::test]
async fn the_error_of_a_long_name_has_its_length_and_the_limit() {
    let long = "a".repeat(LONGEST + 1);
    for address in [Address::path(&long).unwrap(), Address::abstract_name(long).unwrap()] {
        let (kind, said) = kind_of(address).await;
        let ConnectErrorKind::Socket(anchovy::ConnectError::Path(PathError::TooLong {
            length,
            limit,
            ..
        })) = kind
        else {
            panic!("{kind:?}")
        };
        assert_eq!((length, limit), (LONGEST + 1, LONGEST));
        assert!(said.contains("108") && said.contains("107"), "{said}");
    }
}

/// A server with room for exactly one connection that it has not accepted.
fn narrow(directory: &Directory) -> (OwnedFd, Address) {
    let path = directory.join("bus");
    let listener = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    bind(&listener, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    listen(&listener, 0).unwrap();
    (listener, Address::path(path).unwrap())
}

#[tokio::test]
async fn a_full_queue_of_connections_is_waited_for() {
    let directory = Directory::new();
    let (listener, address) = narrow(&directory);
    let addresses = only(address);
    let _first = addresses.connect().await.unwrap();

    let mut second = pin!(addresses.connect());
    assert!(is_pending(second.as_mut()));
    let _accepted = rustix::net::accept(&listener).unwrap();
    assert!(second.await.is_ok());
}

#[tokio::test]
async fn a_connect_that_is_dropped_leaves_nothing_in_the_queue() {
    let directory = Directory::new();
    let (listener, address) = narrow(&directory);
    let addresses = only(address);
    let first = addresses.connect().await.unwrap();
    assert!(is_pending(pin!(addresses.connect())));

    let _accepted = rustix::net::accept(&listener).unwrap();
    rustix::io::ioctl_fionbio(&listener, true).unwrap();
    assert_eq!(rustix::net::accept(&listener).unwrap_err(), rustix::io::Errno::AGAIN);
    drop(first);
}

fn is_pending<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> bool {
    matches!(future.poll(&mut Context::from_waker(Waker::noop())), Poll::Pending)
}
