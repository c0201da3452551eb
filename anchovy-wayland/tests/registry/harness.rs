//! A client and a scripted compositor for these tests.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream as StdUnixStream;

use anchovy_wayland::{Connection, Limits, Message, ObjectId, SignatureSource};
use bytes_of::bytes_of;
pub(crate) use interop_tests::*;

/// The [`Signatures`](anchovy_wayland::Signatures) of a peer without descriptors.
pub(crate) type Counts = fn(ObjectId, u16) -> usize;

pub(crate) fn id(number: u32) -> ObjectId {
    ObjectId::new(number).expect("not 0")
}

pub(crate) fn no_fds(_: ObjectId, _: u16) -> usize {
    0
}

/// Creates the connection of a client, and its foreign compositor.
pub(crate) async fn client() -> (Connection, Foreign) {
    client_with(Limits::client()).await
}

/// Creates the connection of a client with these limits, and its foreign compositor.
pub(crate) async fn client_with(limits: Limits) -> (Connection, Foreign) {
    let (near, far) = StdUnixStream::pair().expect("a pair");
    far.set_nonblocking(true).expect("a socket");
    let near = Connection::client(near, limits).expect("a connection");
    // So that the runtime knows that the socket is writable.
    drive_io().await;
    (near, Foreign(far))
}

/// Creates a client and a compositor that are connected.
pub(crate) fn pair() -> (Connection, Connection<Counts>) {
    let (near, far) = tokio::net::UnixStream::pair().expect("a pair");
    let far = Connection::new(far, no_fds as Counts, Limits::default()).expect("a compositor");
    (Connection::client(near, Limits::default()).expect("a client"), far)
}

/// Creates a keyboard, whose event 0 has a descriptor, by a request to an object 77.
pub(crate) async fn keyboard(client: &mut Connection, compositor: &mut Foreign) -> ObjectId {
    let get_keyboard = |id| Message::builder(self::id(77), 1).new_id(id);
    let id = client.create("wl_keyboard", get_keyboard).await.expect("it is created");
    assert_eq!(compositor.read().len(), 12);
    id
}

/// `wl_keyboard.keymap`, without its descriptor.
pub(crate) fn keymap_bytes(keyboard: ObjectId) -> Vec<u8> {
    bytes_of(&Message::builder(keyboard, 0).uint(1).uint(4096).build().expect("a short message"))
}

/// Builds an event of an unknown object.
pub(crate) fn other(opcode: u16) -> Message {
    Message::builder(id(77), opcode).uint(5).build().expect("a short message")
}

/// Receives all messages that have arrived.
pub(crate) async fn received<G: SignatureSource + Unpin>(
    connection: &mut Connection<G>,
) -> Vec<Message> {
    drive_io().await;
    let mut messages = Vec::new();
    while let Some(Ok(Some(message))) = now(connection.receive()).await {
        messages.push(message);
    }
    messages
}

/// A peer that uses the socket without the crates of this workspace.
pub(crate) struct Foreign(pub(crate) StdUnixStream);

impl Foreign {
    /// Reads the bytes that have arrived.
    pub(crate) fn read(&mut self) -> Vec<u8> {
        let mut bytes = [0; 8192];
        match self.0.read(&mut bytes) {
            Ok(count) => bytes[..count].to_vec(),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Vec::new(),
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).expect("room");
    }

    pub(crate) fn send(&mut self, message: &Message) {
        self.write(&bytes_of(message));
    }

    pub(crate) fn send_all(&mut self, messages: &[Message]) {
        let bytes: Vec<u8> = messages.iter().flat_map(bytes_of).collect();
        self.write(&bytes);
    }
}

/// An encoder that is independent of the encoder of the crate.
pub(crate) mod bytes_of {
    use anchovy_wayland::Message;

    /// Encodes a message.
    pub(crate) fn bytes_of(message: &Message) -> Vec<u8> {
        let mut bytes = message.object().get().to_ne_bytes().to_vec();
        let second = (message.len() as u32) << 16 | u32::from(message.opcode());
        bytes.extend(second.to_ne_bytes());
        bytes.extend_from_slice(message.arguments());
        bytes
    }
}

/// `wl_registry.global`.
pub(crate) fn global(registry: u32, name: u32, interface: &str, version: u32) -> Message {
    let event = Message::builder(id(registry), 0).uint(name).string(interface).uint(version);
    event.build().expect("a short message")
}

/// `wl_registry.global_remove`.
pub(crate) fn global_remove(registry: u32, name: u32) -> Message {
    Message::builder(id(registry), 1).uint(name).build().expect("a short message")
}

/// `wl_callback.done`.
pub(crate) fn done(callback: u32) -> Message {
    Message::builder(id(callback), 0).uint(0).build().expect("a short message")
}

/// `wl_display.delete_id`.
pub(crate) fn delete_id(number: u32) -> Message {
    Message::builder(ObjectId::DISPLAY, 1).uint(number).build().expect("a short message")
}

/// Returns the parts of a message that are compared.
pub(crate) fn parts(message: &Message) -> (u32, u16, Vec<u8>) {
    (message.object().get(), message.opcode(), message.arguments().to_vec())
}

pub(crate) fn all_parts<'a>(
    messages: impl IntoIterator<Item = &'a Message>,
) -> Vec<(u32, u16, Vec<u8>)> {
    messages.into_iter().map(parts).collect()
}

/// Returns the output of a future that is ready after the runtime has processed all I/O events.
pub(crate) async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    drive_io().await;
    now(future).await
}

/// A request of 4012 bytes.
pub(crate) fn large() -> Message {
    Message::builder(id(77), 2).array(&[0; 4000]).build().expect("a short message")
}

/// Fills the socket and the buffer of a client, so that it takes no more, and returns how many
/// [requests](large) it has taken.
pub(crate) async fn fill_buffers(client: &mut Connection) -> usize {
    let (mut taken, mut refused) = (0, 0);
    // A feed that waits may have sent a part of the buffer, which makes room.
    while refused < 2 {
        match now(client.feed(large())).await {
            Some(fed) => {
                fed.expect("it is taken");
                (taken, refused) = (taken + 1, 0);
            }
            None => refused += 1,
        }
    }
    taken
}
