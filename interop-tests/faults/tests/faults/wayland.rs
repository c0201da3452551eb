//! Connections of Wayland.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use anchovy_wayland::{
    Connection, Limits, Message, ObjectId, OwnedReadHalf, OwnedWriteHalf, SendError,
};
use fault_tests::{Faults, Kinds, Rng, pattern, run};
use interop_tests::{Identity, identities};

use crate::frames::{Incoming, Most, Outgoing, Unsent, one_way};

/// The number of descriptors of a message is that of its opcode.
type Counts = fn(ObjectId, u16) -> usize;

fn message(number: usize, length: usize, fds: Vec<OwnedFd>) -> Message {
    let object = ObjectId::new(5).expect("not 0");
    let message = Message::builder(object, fds.len() as u16)
        .uint(number as u32)
        .array(pattern(number, length));
    fds.into_iter().fold(message, |message, fd| message.fd(fd)).build().expect("a message")
}

/// Checks the arguments of a message, and returns its number and its descriptors.
fn content(mut message: Message) -> (usize, Vec<OwnedFd>) {
    let mut arguments = message.read();
    let number = arguments.uint().expect("a number") as usize;
    let payload = arguments.array().expect("an array");
    assert!(payload == pattern(number, payload.len()), "message {number} is wrong");
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
                u32::from_ne_bytes(frame.arguments()[..4].try_into().expect("a number")) as usize
            }

            fn fds(frame: &Message) -> Vec<Identity> {
                identities(frame.fds())
            }

            async fn send(&mut self, frame: Message) -> Result<(), Unsent<Message>> {
                self.send(frame).await.map_err(unsent)
            }

            async fn feed(&mut self, frame: Message) -> Result<(), Unsent<Message>> {
                self.feed(frame).await.map_err(unsent)
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

outgoing!(Connection<Counts>, OwnedWriteHalf);
incoming!(Connection<Counts>, OwnedReadHalf<Counts>);

/// Faults after which messages go on: an error of a receive ends a connection.
const KINDS: Kinds = Kinds { transient_receives: false, ..Kinds::ALL };

const MOST: Most = Most { fds: 28, bytes: 4000 };

fn connection(socket: tokio::net::UnixStream, limits: Limits) -> Connection<Counts> {
    let counts: Counts = |_, opcode| usize::from(opcode);
    Connection::new(socket, counts, limits).expect("a connection")
}

#[test]
fn messages_arrive_once_with_their_descriptors() {
    run(KINDS, |mut rng: Rng, faults: Rc<Faults>| async move {
        let (near, far) = tokio::net::UnixStream::pair().expect("a pair");
        let together = rng.percent(50);
        let limits = Limits {
            fds_with_their_message: !together,
            max_buffered_bytes: rng.pick(&[1, 4096, 64 << 10]),
            ..Limits::client()
        };
        let (near, far) = (connection(near, limits.clone()), connection(far, limits));
        if rng.percent(50) {
            one_way(&mut rng, MOST, (near, far), &faults).await;
            return;
        }
        let ((near_read, near_write), (far_read, far_write)) =
            (near.into_split(), far.into_split());
        let (mut ours, mut theirs) = (rng.fork(), rng.fork());
        tokio::join!(
            one_way(&mut ours, MOST, (near_write, far_read), &faults),
            one_way(&mut theirs, MOST, (far_write, near_read), &faults),
        );
    });
}
