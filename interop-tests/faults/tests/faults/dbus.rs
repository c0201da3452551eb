//! Connections of D-Bus: the handshake, and messages.

use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use anchovy_dbus::{
    ByteOrder, Client, Connection, Guid, Message, OwnedReadHalf, OwnedWriteHalf, SendError, Server,
};
use bytes::{BufMut, BytesMut};
use fault_tests::{Faults, Kinds, Rng, cancel, pattern, run};
use interop_tests::{Identity, identities, memfds};
use tokio::net::UnixStream;

use crate::frames::{Incoming, Most, Outgoing, Unsent, one_way};

fn message(number: usize, length: usize, fds: Vec<OwnedFd>) -> Message {
    let mut body = BytesMut::new();
    body.put_u32_le(number as u32);
    body.put_u32_le(length as u32);
    body.put_slice(pattern(number, length));
    Message::signal("/", "org.example.Test", "Number")
        .byte_order(ByteOrder::Little)
        .body("uay", body)
        .fds(fds)
        .build()
        .expect("a message")
}

/// Checks the body of a message, and returns its number and its descriptors.
fn content(mut message: Message) -> (usize, Vec<OwnedFd>) {
    let (number, rest) = message.body().split_first_chunk().expect("a number");
    let number = u32::from_le_bytes(*number) as usize;
    let (length, payload) = rest.split_first_chunk().expect("a length");
    let length = u32::from_le_bytes(*length) as usize;
    assert!(payload == pattern(number, length), "the body of message {number} is wrong");
    (number, message.take_fds())
}

fn unsent(error: SendError) -> Unsent<Message> {
    Unsent::new(error.unsent.map(|message| *message), error.kind)
}

macro_rules! outgoing {
    ($($side:ty),*) => { $(
        impl Outgoing for $side {
            type Frame = Message;

            fn frame(number: usize, length: usize, fds: Vec<OwnedFd>) -> Message {
                message(number, length, fds)
            }

            fn number(frame: &Message) -> usize {
                u32::from_le_bytes(frame.body()[..4].try_into().expect("a number")) as usize
            }

            fn fds(frame: &Message) -> Vec<Identity> {
                identities(frame.fds())
            }

            async fn send(&mut self, frame: Message) -> Result<(), Unsent<Message>> {
                self.send(frame).await.map(drop).map_err(unsent)
            }

            async fn feed(&mut self, frame: Message) -> Result<(), Unsent<Message>> {
                self.feed(frame).await.map(drop).map_err(unsent)
            }

            async fn flush(&mut self) -> Result<(), Unsent<Message>> {
                self.flush().await.map_err(unsent)
            }

            async fn close(&mut self) -> Result<(), Unsent<Message>> {
                self.shutdown().await.map_err(unsent)
            }
        }
    )* };
}

macro_rules! incoming {
    ($($side:ty),*) => { $(
        impl Incoming for $side {
            async fn receive(&mut self) -> Option<io::Result<(usize, Vec<OwnedFd>)>> {
                let message = self.receive().await.transpose()?;
                Some(message.map(content).map_err(io::Error::from))
            }
        }
    )* };
}

outgoing!(Connection, OwnedWriteHalf);
incoming!(Connection, OwnedReadHalf);

/// Faults after which messages go on: an error of a receive ends a connection.
const KINDS: Kinds = Kinds { transient_receives: false, ..Kinds::ALL };

const MOST: Most = Most { fds: 16, bytes: 300_000 };

fn server() -> Server {
    Server::new(Guid::parse(b"0123456789abcdef0123456789abcdef").expect("32 digits"))
}

/// Returns a client and a server, each of which may send descriptors.
async fn pair() -> (Connection, Connection) {
    let (near, far) = UnixStream::pair().expect("a pair");
    let (client, server) = (Client::new(), server());
    let (client, server) = tokio::join!(client.handshake(near), server.handshake(far));
    let (mut client, mut server) = (client.expect("a client"), server.expect("a server"));
    // A server sends no descriptors before the first message.
    client.send(message(0, 0, Vec::new())).await.expect("room");
    server.receive().await.expect("no error").expect("a message");
    (client, server)
}

#[test]
fn messages_arrive_once_with_their_descriptors() {
    run(KINDS, |mut rng: Rng, faults: Rc<Faults>| async move {
        let (client, server) = faults.without(pair()).await;
        if rng.percent(50) {
            one_way(&mut rng, MOST, (server, client), &faults).await;
            return;
        }
        let ((client_read, client_write), (server_read, server_write)) =
            (client.into_split(), server.into_split());
        let (mut ours, mut theirs) = (rng.fork(), rng.fork());
        tokio::join!(
            one_way(&mut ours, MOST, (client_write, server_read), &faults),
            one_way(&mut theirs, MOST, (server_write, client_read), &faults),
        );
    });
}

/// Authenticates, and sends a message with descriptors.
async fn connect(client: Client, socket: UnixStream) -> io::Result<()> {
    let mut connection = client.handshake(socket).await?;
    connection.send(message(7, 10, memfds(2))).await?;
    Ok(())
}

/// Authenticates a client, and receives its message.
async fn serve(socket: UnixStream) -> io::Result<()> {
    let mut connection = server().handshake(socket).await?;
    match connection.receive().await? {
        Some(message) => {
            let (number, fds) = content(message);
            assert_eq!((number, fds.len()), (7, 2));
            Ok(())
        }
        None => Err(ErrorKind::UnexpectedEof.into()),
    }
}

#[test]
fn a_handshake_succeeds_on_both_sides_without_a_final_fault() {
    run(Kinds::NOT_TRANSIENT, |mut rng: Rng, faults: Rc<Faults>| async move {
        let (near, far) = UnixStream::pair().expect("a pair");
        let client = if rng.percent(50) { Client::new() } else { Client::new().stepwise() };
        let (client, server) = tokio::join!(connect(client, near), serve(far));
        if !faults.are_final() {
            client.expect("a client without a fault");
            server.expect("a server without a fault");
            return;
        }
        for error in [client, server].into_iter().filter_map(Result::err) {
            let is_cut = error.kind() == ErrorKind::UnexpectedEof;
            assert!(is_cut || Faults::is_final(&error), "{error:?}");
        }
    });
}

#[test]
fn a_canceled_handshake_ends_the_handshake_of_the_peer() {
    run(Kinds::NOT_TRANSIENT, |mut rng: Rng, _: Rc<Faults>| async move {
        let (near, far) = UnixStream::pair().expect("a pair");
        let client = if rng.percent(50) { Client::new() } else { Client::new().stepwise() };
        let (mut ours, mut theirs) = (rng.fork(), rng.fork());
        // The harness checks that both end, and that every descriptor is closed.
        let _ = tokio::join!(
            cancel(&mut ours, connect(client, near)),
            cancel(&mut theirs, serve(far)),
        );
    });
}
