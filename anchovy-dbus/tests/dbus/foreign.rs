//! A foreign peer after the handshake, and bytes that it composes.

use anchovy_dbus::{Client, Connection, Limits, MAX_ARRAY_BYTES, Message, ReceiveError, Server};

use crate::harness::*;

/// Which end is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}

pub(crate) const ROLES: [Role; 2] = [Role::Client, Role::Server];

impl Role {
    /// Returns a connection of ours with default limits, and the foreign peer at its other end.
    pub(crate) async fn connected(self) -> (Connection, Foreign) {
        self.meet_with(&Client::new(), &server()).await
    }

    pub(crate) async fn meet_with(self, client: &Client, server: &Server) -> (Connection, Foreign) {
        let (connection, socket) = match self {
            Role::Client => with_foreign_server(client).await,
            Role::Server => with_foreign_client(server).await,
        };
        (connection, Foreign::new(socket))
    }
}

/// The bytes of a signal that declares so many descriptors, whether or not there are any, with a
/// body of so many bytes.
pub(crate) fn message(member: &str, declared: u32, body: usize) -> Vec<u8> {
    let body = vec![b'.'; body];
    let mut builder = Message::signal("/", "org.example.Test", member)
        .serial(std::num::NonZeroU32::new(7).expect("7"));
    if declared > 0 {
        builder = builder.fds(memfds(1));
    }
    if !body.is_empty() {
        builder = builder.body("ay", body);
    }
    let message = builder.build().expect("a good signal");
    let mut bytes = message.to_bytes().expect("it has a serial").to_vec();
    if declared > 0 {
        let at = unix_fds_at(&bytes);
        bytes[at..at + 4].copy_from_slice(&declared.to_ne_bytes());
    }
    bytes
}

/// Where the value of the field `UNIX_FDS` is.
pub(crate) fn unix_fds_at(bytes: &[u8]) -> usize {
    let start = bytes.windows(4).position(|four| four == [9, 1, b'u', 0]);
    start.expect("a field UNIX_FDS") + 4
}

/// The next message; its member and what its descriptors are.
pub(crate) async fn take(connection: &mut Connection) -> (String, Vec<Identity>) {
    let message = connection.receive().await.expect("no error").expect("a message");
    told(&message)
}

pub(crate) fn told(message: &Message) -> (String, Vec<Identity>) {
    // What is handed over is not inherited by a child of ours.
    for fd in message.fds() {
        let flags = rustix::io::fcntl_getfd(fd).expect("an open descriptor");
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC), "close-on-exec");
    }
    (message.header().member().unwrap_or_default().to_owned(), identities(message.fds()))
}

/// Receives until it fails; says the received data before.
pub(crate) async fn until_error(connection: &mut Connection) -> (Vec<String>, ReceiveError) {
    let mut before = Vec::new();
    loop {
        match connection.receive().await {
            Ok(Some(message)) => before.push(told(&message).0),
            Ok(None) => panic!("the stream ended, without an error, after {before:?}"),
            Err(error) => return (before, error),
        }
    }
}

/// Sees that a pair of connections carries descriptors.
pub(crate) async fn goes_on((client, server): &mut (Connection, Connection)) {
    // The client's first: a server sends none before its client has sent something.
    exchange(client, server).await;
    exchange(server, client).await;
}

async fn exchange(from: &mut Connection, to: &mut Connection) {
    let fds = memfds(2);
    let expected = ("Still".to_owned(), identities(&fds));
    from.send(signal("Still", fds)).await.expect("it takes a message");
    assert_eq!(take(to).await, expected);
}

/// On both roles: what `stray` does ends the connection with exactly this error, whose text names
/// the rule; all is closed that had arrived, nothing more is received, and nobody else notices.
pub(crate) async fn ends(expected: &str, rule: &str, stray: impl Fn(&Foreign)) {
    for role in ROLES {
        // As long as the specification allows.
        let limits = |limits| Limits { max_fields_bytes: MAX_ARRAY_BYTES, ..limits };
        let client = Client::new().limits(limits(Limits::client()));
        let server = server().limits(limits(Limits::server()));
        let (connection, foreign) = role.meet_with(&client, &server).await;
        ends_on(connection, foreign, &[], expected, rule, &stray).await;
    }
}

/// The same on this connection, which hands over these messages first.
pub(crate) async fn ends_on(
    mut connection: Connection,
    foreign: Foreign,
    before: &[&str],
    expected: &str,
    rule: &str,
    stray: impl Fn(&Foreign),
) {
    let mut witness = pair().await;
    goes_on(&mut witness).await;
    stray(&foreign);
    let (came, error) = until_error(&mut connection).await;
    assert_eq!(came, before);
    assert_eq!(format!("{error:?}"), expected);
    let text = chain(&error);
    assert!(text.contains(rule), "{text:?} names the rule {rule:?}");
    assert_eq!(foreign.open(), 0, "all that had arrived is closed");
    for _ in 0..2 {
        assert!(connection.receive().await.expect("one error is enough").is_none());
    }
    goes_on(&mut witness).await;
}

/// What a future returns without waiting, once tokio knows of all that has arrived.
pub(crate) async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    drive_io().await;
    now(future).await
}
