//! Pairs of connections, and messages that are encoded without the encoder of the crate.

use std::os::fd::OwnedFd;

use anchovy_wayland::{Connection, Limits, Message, ObjectId};
pub(crate) use interop_tests::*;

/// A [`Signatures`] implementation that is a function.
pub(crate) type Counts = fn(ObjectId, u16) -> usize;

/// The object whose messages have as many descriptors as the number of their opcode.
pub(crate) const HOLDER: u32 = 5;

/// An object whose messages have no descriptors.
pub(crate) const PLAIN: u32 = 9;

pub(crate) fn counts(object: ObjectId, opcode: u16) -> usize {
    if object.get() == HOLDER { usize::from(opcode) } else { 0 }
}

pub(crate) fn id(number: u32) -> ObjectId {
    ObjectId::new(number).expect("not 0")
}

/// Creates a connection over this socket with [`counts`].
pub(crate) fn connection(
    socket: impl anchovy::IntoUnixStream,
    limits: Limits,
) -> Connection<Counts> {
    Connection::new(socket, counts as Counts, limits).expect("a connection")
}

/// Creates two connected connections.
pub(crate) fn pair() -> (Connection<Counts>, Connection<Counts>) {
    pair_with(Limits::default())
}

/// Creates two connected connections with these limits.
pub(crate) fn pair_with(limits: Limits) -> (Connection<Counts>, Connection<Counts>) {
    let (near, far) = tokio::net::UnixStream::pair().expect("a pair");
    (connection(near, limits.clone()), connection(far, limits))
}

/// Builds a message with these descriptors and this number as its first argument.
pub(crate) fn holder(number: u32, fds: Vec<OwnedFd>) -> Message {
    let message = Message::builder(id(HOLDER), fds.len() as u16).uint(number);
    fds.into_iter().fold(message, |message, fd| message.fd(fd)).build().expect("a short message")
}

/// Builds a message without descriptors, with this number and `bytes` more bytes of arguments.
pub(crate) fn plain(number: u32, bytes: usize) -> Message {
    let message = Message::builder(id(PLAIN), 0).uint(number);
    (0..bytes / 4).fold(message, |message, _| message.uint(7)).build().expect("a short message")
}

/// Encodes a message from these words, without the encoder of the crate.
pub(crate) fn bytes(object: u32, opcode: u16, arguments: &[u32]) -> Vec<u8> {
    let length = 8 + 4 * arguments.len() as u32;
    let mut bytes = header(object, opcode, length).to_vec();
    bytes.extend(arguments.iter().flat_map(|word| word.to_ne_bytes()));
    bytes
}

/// Encodes a header with this length, which may be wrong.
pub(crate) fn header(object: u32, opcode: u16, length: u32) -> [u8; 8] {
    let mut header = [0; 8];
    header[..4].copy_from_slice(&object.to_ne_bytes());
    header[4..].copy_from_slice(&(length << 16 | u32::from(opcode)).to_ne_bytes());
    header
}

/// Encodes a message that has this number of descriptors, and this number as its argument.
pub(crate) fn holder_bytes(number: u32, fds: u16) -> Vec<u8> {
    bytes(HOLDER, fds, &[number])
}

/// All bytes and the identities of all descriptors of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawMessage {
    pub(crate) bytes: Vec<u8>,
    pub(crate) fds: Vec<Identity>,
}

pub(crate) fn raw(message: &Message) -> RawMessage {
    // A child process must not inherit a received descriptor.
    for fd in message.fds() {
        let flags = rustix::io::fcntl_getfd(fd).expect("an open descriptor");
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC), "close-on-exec");
    }
    let length = message.len() as u32;
    let mut bytes = header(message.object().get(), message.opcode(), length).to_vec();
    bytes.extend_from_slice(message.arguments());
    RawMessage { bytes, fds: identities(message.fds()) }
}

/// Converts bytes and descriptors into the message that they are expected to be.
pub(crate) fn raw_message(bytes: &[u8], fds: &[Identity]) -> RawMessage {
    RawMessage { bytes: bytes.to_vec(), fds: fds.to_vec() }
}

/// Receives the next message.
pub(crate) async fn take<G: anchovy_wayland::Signatures + Unpin>(
    connection: &mut Connection<G>,
) -> RawMessage {
    raw(&connection.receive().await.expect("no error").expect("a message"))
}

/// Returns the output of a future that is ready after the runtime has processed all I/O events.
pub(crate) async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    drive_io().await;
    now(future).await
}

/// Checks that a pair of connections sends and receives descriptors.
pub(crate) async fn goes_on((one, other): &mut (Connection<Counts>, Connection<Counts>)) {
    exchange(one, other).await;
    exchange(other, one).await;
}

async fn exchange(from: &mut Connection<Counts>, to: &mut Connection<Counts>) {
    let message = holder(77, memfds(2));
    let expected = raw(&message);
    from.send(message).await.expect("it takes a message");
    assert_eq!(take(to).await, expected);
}

/// Returns the text of an error and those of its causes.
pub(crate) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
