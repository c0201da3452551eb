//! What the tests share: two ends that have been through a handshake, and a foreign one that has
//! been composed manually.

use std::error::Error;
use std::io::{Read, Write};
use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;

use anchovy_dbus::{Budget, Client, Connection, Guid, Message, Server};
pub(crate) use interop_tests::*;

pub(crate) fn guid() -> Guid {
    Guid::parse(b"0123456789abcdef0123456789abcdef").expect("32 digits")
}

/// A server that lets its own user in, with nothing else said.
pub(crate) fn server() -> Server {
    Server::new(guid())
}

/// A budget of which a single account may hold so many descriptors: half.
pub(crate) fn budget_for_one(fds: usize) -> Budget {
    Budget::builder().held_fds(2 * fds).build()
}

/// Two connections that face each other, the client first.
pub(crate) async fn pair() -> (Connection, Connection) {
    pair_of(&Client::new(), &server()).await
}

/// The same, of these two.
pub(crate) async fn pair_of(client: &Client, server: &Server) -> (Connection, Connection) {
    let (near, far) = tokio::net::UnixStream::pair().expect("a pair");
    let (client, server) = tokio::join!(client.handshake(near), server.handshake(far));
    (client.expect("a client"), server.expect("a server"))
}

/// A server's connection, and a foreign client that has said all that a handshake takes.
pub(crate) async fn with_foreign_client(server: &Server) -> (Connection, StdUnixStream) {
    let (near, mut far) = StdUnixStream::pair().expect("a pair");
    far.write_all(b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n").expect("room");
    let connection = server.handshake(near).await.expect("a good handshake");
    let answers = format!("DATA\r\nOK {}\r\nAGREE_UNIX_FD\r\n", guid());
    let mut read = vec![0; answers.len()];
    far.read_exact(&mut read).expect("the answers");
    assert_eq!(String::from_utf8_lossy(&read), answers);
    (connection, far)
}

/// A client's connection, and a foreign server that has agreed to everything.
pub(crate) async fn with_foreign_server(client: &Client) -> (Connection, StdUnixStream) {
    let (near, mut far) = StdUnixStream::pair().expect("a pair");
    let answers = format!("DATA\r\nOK {}\r\nAGREE_UNIX_FD\r\n", guid());
    far.write_all(answers.as_bytes()).expect("room");
    let connection = client.handshake(near).await.expect("a good handshake");
    let mut lines = [0; 48];
    far.read_exact(&mut lines).expect("the whole handshake");
    assert_eq!(&lines, b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n");
    (connection, far)
}

/// The text of an error and those of its sources, joined by colons.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut source = error.source();
    while let Some(cause) = source {
        texts.push(cause.to_string());
        source = cause.source();
    }
    texts.join(": ")
}

/// A signal with this member and these descriptors.
pub(crate) fn signal(member: &str, fds: Vec<OwnedFd>) -> Message {
    Message::signal("/", "org.example.Test", member).fds(fds).build().expect("a good signal")
}

/// The bytes of a signal that declares so many descriptors.
pub(crate) fn signal_bytes(member: &str, declared: usize) -> Vec<u8> {
    let mut signal = signal(member, memfds(declared));
    signal.set_serial(NonZeroU32::MIN);
    signal.to_bytes().expect("it has a serial").to_vec()
}

/// Lets a client in, and waits for its `BEGIN`.
pub(crate) async fn begin(server: anchovy_dbus::server::Unauthenticated) -> Connection {
    let request = server.request().await.expect("a good login");
    match request.accept().begin().await.expect("a good handshake") {
        anchovy_dbus::server::Progress::Begun(connection) => connection,
        anchovy_dbus::server::Progress::Cancelled(_) => panic!("it cancels"),
    }
}

/// The name of the bus, and of its interface.
pub(crate) const BUS: &str = "org.freedesktop.DBus";

/// A call of a method of the bus itself, without arguments.
pub(crate) fn bus_call(member: &str) -> Message {
    let call = Message::method_call("/org/freedesktop/DBus", member);
    call.interface(BUS).destination(BUS).build().expect("a good call")
}
