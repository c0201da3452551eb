//! A stream and a sink of messages.
//!
//! A connection is its two halves, held together: each does its side's work alone, so that a task
//! that writes never waits for one that reads.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use anchovy::codec::{Framed, FramedParts};
use anchovy::{AnchovyStream, IntoUnixStream, ReuniteError, WAYLAND_SCM_RIGHTS};
use futures_core::Stream;
use futures_sink::Sink;

use crate::codec::{Codec, Signatures, policies};
use crate::connection_parts::{ConnectionParts, prepend};
use crate::error::receive_error::ReceiveError;
use crate::error::send_error::SendError;
use crate::limits::Limits;
use crate::owned_read_half::OwnedReadHalf;
use crate::owned_write_half::OwnedWriteHalf;
use crate::wire::message::Message;

/// A connection between a client and a compositor: a [`Stream`] and a [`Sink`] of
/// [messages](Message), each with exactly its descriptors.
///
/// Both ends are the same to it. `G` is what knows how many descriptors a received message has.
///
/// ```
/// use anchovy_wayland::{Connection, Limits, Message, ObjectId};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (client, compositor) = tokio::net::UnixStream::pair()?;
/// let shm = ObjectId::new(5).expect("not 0");
/// let pool = ObjectId::new(9).expect("not 0");
///
/// let mut client = Connection::new(client, |_, _| 0, Limits::client())?;
/// let file = std::fs::File::open("/dev/null")?;
/// client.send(Message::builder(shm, 0).new_id(pool).fd(file.into()).int(4096).build()?).await?;
///
/// let signatures = move |object, opcode| usize::from((object, opcode) == (shm, 0));
/// let mut compositor = Connection::new(compositor, signatures, Limits::server())?;
/// let mut create_pool = compositor.receive().await?.expect("a message");
/// let mut arguments = create_pool.read();
/// assert_eq!(arguments.new_id()?, pool);
/// let file = arguments.fd()?;
/// assert_eq!(arguments.int()?, 4096);
/// # drop(file);
/// # Ok(())
/// # }
/// ```
///
/// # How messages leave
///
/// Messages that wait together leave together, with at most 28 descriptors a `sendmsg`, none of them
/// later than the first byte of its message. With
/// [`fds_with_their_message`](Limits::fds_with_their_message), a message with descriptors begins a
/// `sendmsg` of its own. A peer that does not read is back-pressure: no message is taken while as
/// many bytes wait as [may](Limits::max_buffered_bytes).
///
/// # Cancel safety
///
/// [`receive`](Connection::receive) and [`flush`](Connection::flush) lose nothing when they are
/// dropped. [`send`](Connection::send) and [`feed`](Connection::feed) own their message until there
/// is room for it: dropped before, the message is dropped; dropped after, it leaves with the next
/// flush.
#[derive(Debug)]
pub struct Connection<G> {
    read: OwnedReadHalf<G>,
    write: OwnedWriteHalf,
}

impl<G: Signatures + Unpin> Connection<G> {
    /// A connection over a socket, of which nothing has been read and nothing is to be sent.
    ///
    /// [`connect`](crate::connect()) and [`Listener::accept`](crate::Listener::accept) make sockets.
    /// What the peer makes this process hold is charged to the [account](AnchovyStream::account) of the
    /// socket, if it has one: those that a listener has accepted do.
    ///
    /// # Errors
    ///
    /// Those of [`AnchovyStream::new`].
    ///
    /// # Panics
    ///
    /// Outside a runtime of tokio.
    pub fn new(
        socket: impl IntoUnixStream,
        signatures: G,
        limits: Limits,
    ) -> io::Result<Connection<G>> {
        let socket = AnchovyStream::<WAYLAND_SCM_RIGHTS>::new(socket)?;
        let mut parts = FramedParts::new(socket, Codec::new((), &limits));
        (parts.read_policy, parts.write_policy) = policies(&limits);
        let (read, write) = Framed::from_parts(parts).into_split();
        let read = read.map_codec(|codec| codec.map(|()| signatures));
        let read = OwnedReadHalf { framed: read, requeued: VecDeque::new() };
        Ok(Connection { read, write: OwnedWriteHalf { framed: write } })
    }

    /// As [`OwnedReadHalf::receive`].
    #[inline]
    pub fn receive(&mut self) -> impl Future<Output = Result<Option<Message>, ReceiveError>> {
        self.read.receive()
    }
}

impl<G> Connection<G> {
    /// Who the other end is, by the kernel (`SO_PEERCRED`, unix(7)), at the time when it connected.
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn peer_cred(&self) -> io::Result<tokio::net::unix::UCred> {
        self.read.framed.get_ref().peer_cred()
    }

    /// What knows how many descriptors a message has.
    #[inline]
    pub fn signatures(&self) -> &G {
        self.read.signatures()
    }

    /// What knows how many descriptors a message has.
    #[inline]
    pub fn signatures_mut(&mut self) -> &mut G {
        self.read.signatures_mut()
    }

    /// The same connection with another source of counts.
    pub fn map_signatures<H>(self, map: impl FnOnce(G) -> H) -> Connection<H> {
        Connection { read: self.read.map_signatures(map), write: self.write }
    }

    pub(crate) fn halves_mut(&mut self) -> (&mut OwnedReadHalf<G>, &mut OwnedWriteHalf) {
        (&mut self.read, &mut self.write)
    }

    /// Messages that were received, and are to be received again before all others.
    pub(crate) fn requeue(&mut self, messages: impl DoubleEndedIterator<Item = Message>) {
        messages.rev().for_each(|message| self.read.requeued.push_front(message));
    }

    /// Two halves that can be in two tasks.
    pub fn into_split(self) -> (OwnedReadHalf<G>, OwnedWriteHalf) {
        (self.read, self.write)
    }

    /// Takes the connection apart, losing nothing.
    pub fn into_parts(self) -> ConnectionParts {
        let Ok(framed) = self.read.framed.reunite(self.write.framed) else {
            unreachable!("they are of one stream");
        };
        let parts = framed.into_parts();
        let (read_buffer, read_sets) =
            prepend(self.read.requeued, parts.read_buffer, parts.read_sets);
        ConnectionParts {
            socket: parts.stream,
            read_buffer,
            read_sets,
            write_buffer: parts.write_buffer,
            write_sets: parts.write_sets,
        }
    }

    /// As [`OwnedWriteHalf::send`].
    #[expect(clippy::missing_errors_doc, reason = "they are documented there")]
    pub async fn send(&mut self, message: Message) -> Result<(), SendError> {
        self.write.send(message).await
    }

    /// As [`OwnedWriteHalf::feed`].
    #[inline]
    pub fn feed(&mut self, message: Message) -> impl Future<Output = Result<(), SendError>> {
        self.write.feed(message)
    }

    /// As [`OwnedWriteHalf::flush`].
    #[expect(clippy::missing_errors_doc, reason = "they are documented there")]
    pub async fn flush(&mut self) -> Result<(), SendError> {
        self.write.flush().await
    }

    /// As [`OwnedWriteHalf::shutdown`].
    #[expect(clippy::missing_errors_doc, reason = "they are documented there")]
    pub async fn shutdown(&mut self) -> Result<(), SendError> {
        self.write.shutdown().await
    }
}

impl<G> OwnedReadHalf<G> {
    /// The two halves of one connection make it whole again.
    ///
    /// # Errors
    ///
    /// [`ReuniteError`] with both halves, if they are not of one connection.
    #[expect(clippy::result_large_err, reason = "what is returned otherwise is as large")]
    pub fn reunite(
        self,
        write: OwnedWriteHalf,
    ) -> Result<Connection<G>, ReuniteError<OwnedReadHalf<G>, OwnedWriteHalf>> {
        if self.framed.get_ref().is_pair_of(write.framed.get_ref()) {
            Ok(Connection { read: self, write })
        } else {
            Err(ReuniteError(self, write))
        }
    }
}

impl<G: Signatures + Unpin> Stream for Connection<G> {
    type Item = Result<Message, ReceiveError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().read.poll_message(cx)
    }
}

impl<G: Unpin> Sink<Message> for Connection<G> {
    type Error = SendError;

    #[inline]
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Pin::new(&mut self.get_mut().write).poll_ready(cx)
    }

    #[inline]
    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), SendError> {
        Pin::new(&mut self.get_mut().write).start_send(message)
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Pin::new(&mut self.get_mut().write).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Pin::new(&mut self.get_mut().write).poll_close(cx)
    }
}
