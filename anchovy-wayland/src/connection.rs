//! A stream and a sink of messages, whole and in halves.
//!
//! A connection is its two halves, held together: each does its side's work alone, so that a task
//! that writes never waits for one that reads.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use anchovy::codec::{self, FdSet, Framed, FramedParts, FramedRead, FramedWrite};
use anchovy::{AnchovyStream, IntoUnixStream, ReuniteError, WAYLAND_SCM_RIGHTS};
use bytes::BytesMut;
use futures_core::Stream;
use futures_sink::Sink;

use crate::codec::{Codec, Signatures, policies};
use crate::error::{ReceiveError, SendError, SendErrorKind, WireError};
use crate::limits::Limits;
use crate::wire::{Body, HEADER, Header, LONGEST, Message, header};

/// A socket with room for as many descriptors as libwayland sends at once.
pub(crate) type Socket = AnchovyStream<WAYLAND_SCM_RIGHTS>;

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
/// let mut client = Connection::new(client, |_, _| 0, &Limits::default())?;
/// let file = std::fs::File::open("/dev/null")?;
/// client.send(Message::builder(shm, 0).new_id(pool).fd(file.into()).int(4096).build()?).await?;
///
/// let signatures = move |object, opcode| usize::from((object, opcode) == (shm, 0));
/// let mut compositor = Connection::new(compositor, signatures, &Limits::default())?;
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
    read: ReadHalf<G>,
    write: WriteHalf,
}

/// The [`Stream`] of messages that [`Connection::into_split`] makes.
#[derive(Debug)]
pub struct ReadHalf<G> {
    framed: FramedRead<WAYLAND_SCM_RIGHTS, Codec<G>>,
    /// Messages that were received and put back: they are the next.
    again: VecDeque<Message>,
}

/// The [`Sink`] of messages that [`Connection::into_split`] makes.
///
/// Dropping it closes what has not left and shuts the write side down.
#[derive(Debug)]
pub struct WriteHalf {
    framed: FramedWrite<WAYLAND_SCM_RIGHTS, Codec<()>>,
}

/// A connection taken apart; nothing of it is lost.
#[derive(Debug)]
#[non_exhaustive]
pub struct ConnectionParts {
    /// The socket.
    pub socket: AnchovyStream<WAYLAND_SCM_RIGHTS>,
    /// Bytes that have arrived and are not taken as messages.
    pub read_buffer: BytesMut,
    /// The descriptors that have arrived and were not taken, in order.
    pub read_sets: Vec<FdSet>,
    /// Bytes that have not left.
    pub write_buffer: BytesMut,
    /// The descriptors that leave with them, with the ranges of their messages.
    pub write_sets: Vec<FdSet>,
}

impl<G: Signatures + Unpin> Connection<G> {
    /// A connection over a socket, of which nothing has been read and nothing is to be sent.
    ///
    /// [`connect`](crate::connect()) and [`Listener::accept`](crate::Listener::accept) make sockets.
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
        limits: &Limits,
    ) -> io::Result<Connection<G>> {
        let socket = Socket::new(socket)?;
        let mut parts = FramedParts::new(socket, Codec::new((), limits));
        (parts.read_policy, parts.write_policy) = policies(limits);
        let (read, write) = Framed::from_parts(parts).into_split();
        let read = read.map_codec(|codec| codec.map(|()| signatures));
        let read = ReadHalf { framed: read, again: VecDeque::new() };
        Ok(Connection { read, write: WriteHalf { framed: write } })
    }

    /// As [`ReadHalf::receive`].
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

    pub(crate) fn sides(&mut self) -> (&mut ReadHalf<G>, &mut WriteHalf) {
        (&mut self.read, &mut self.write)
    }

    /// Messages that were received, and are to be received again before all others.
    pub(crate) fn put_back(&mut self, messages: impl DoubleEndedIterator<Item = Message>) {
        messages.rev().for_each(|message| self.read.again.push_front(message));
    }

    /// Two halves that can be in two tasks.
    pub fn into_split(self) -> (ReadHalf<G>, WriteHalf) {
        (self.read, self.write)
    }

    /// Takes the connection apart, losing nothing.
    pub fn into_parts(self) -> ConnectionParts {
        let Ok(framed) = self.read.framed.reunite(self.write.framed) else {
            unreachable!("they are of one stream");
        };
        let parts = framed.into_parts();
        let (read_buffer, read_sets) = before(self.read.again, parts.read_buffer, parts.read_sets);
        ConnectionParts {
            socket: parts.stream,
            read_buffer,
            read_sets,
            write_buffer: parts.write_buffer,
            write_sets: parts.write_sets,
        }
    }

    /// As [`WriteHalf::send`].
    #[expect(clippy::missing_errors_doc, reason = "they are told there")]
    pub async fn send(&mut self, message: Message) -> Result<(), SendError> {
        self.write.send(message).await
    }

    /// As [`WriteHalf::feed`].
    #[inline]
    pub fn feed(&mut self, message: Message) -> impl Future<Output = Result<(), SendError>> {
        self.write.feed(message)
    }

    /// As [`WriteHalf::flush`].
    #[expect(clippy::missing_errors_doc, reason = "they are told there")]
    pub async fn flush(&mut self) -> Result<(), SendError> {
        self.write.flush().await
    }

    /// As [`WriteHalf::shutdown`].
    #[expect(clippy::missing_errors_doc, reason = "they are told there")]
    pub async fn shutdown(&mut self) -> Result<(), SendError> {
        self.write.shutdown().await
    }
}

/// What has arrived, with messages that were put back in front of it.
fn before(again: VecDeque<Message>, bytes: BytesMut, sets: Vec<FdSet>) -> (BytesMut, Vec<FdSet>) {
    if again.is_empty() {
        return (bytes, sets);
    }
    let (mut all_bytes, mut all_sets) = (BytesMut::new(), Vec::new());
    for mut message in again {
        let start = all_bytes.len();
        message.encode(&mut all_bytes);
        let fds = message.take_fds();
        if !fds.is_empty() {
            all_sets.push(FdSet::new(start..all_bytes.len(), fds));
        }
    }
    let start = all_bytes.len();
    all_bytes.extend_from_slice(&bytes);
    all_sets.extend(sets.into_iter().map(|mut set| {
        set.range = set.range.start + start..set.range.end + start;
        set
    }));
    (all_bytes, all_sets)
}

impl<G: Signatures + Unpin> ReadHalf<G> {
    /// The next message; `None` once the peer has closed the connection between two of them.
    ///
    /// # Errors
    ///
    /// [`ReceiveError`]: nothing more can be received, and from then on there is `None`.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if this is dropped.
    #[inline]
    pub fn receive(&mut self) -> impl Future<Output = Result<Option<Message>, ReceiveError>> {
        poll_fn(|cx| self.poll_message(cx).map(Option::transpose))
    }

    #[inline]
    pub(crate) fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, ReceiveError>>> {
        if let Some(message) = self.again.pop_front() {
            return Poll::Ready(Some(Ok(message)));
        }
        let next = ready!(Pin::new(&mut self.framed).poll_next(cx));
        let last = self.framed.codec().last;
        Poll::Ready(next.map(|next| next.map_err(|error| ReceiveError::from(error).behind(last))))
    }
}

impl<G> ReadHalf<G> {
    /// What knows how many descriptors a message has.
    #[inline]
    pub fn signatures(&self) -> &G {
        &self.framed.codec().signatures
    }

    /// What knows how many descriptors a message has.
    #[inline]
    pub fn signatures_mut(&mut self) -> &mut G {
        &mut self.framed.codec_mut().signatures
    }

    /// The same half with another source of counts.
    pub fn map_signatures<H>(self, map: impl FnOnce(G) -> H) -> ReadHalf<H> {
        ReadHalf { framed: self.framed.map_codec(|codec| codec.map(map)), again: self.again }
    }

    /// The two halves of one connection make it whole again.
    ///
    /// # Errors
    ///
    /// [`ReuniteError`] with both halves, if they are not of one connection.
    #[expect(clippy::result_large_err, reason = "the value in Ok is as large")]
    pub fn reunite(
        self,
        write: WriteHalf,
    ) -> Result<Connection<G>, ReuniteError<ReadHalf<G>, WriteHalf>> {
        if self.framed.get_ref().is_pair_of(write.framed.get_ref()) {
            Ok(Connection { read: self, write })
        } else {
            Err(ReuniteError(self, write))
        }
    }
}

impl WriteHalf {
    /// Sends a message, and waits until it has left.
    ///
    /// # Errors
    ///
    /// [`SendError`], with the message if it is one that was refused: this one, or one before it
    /// that waited to be sent.
    ///
    /// # Cancel safety
    ///
    /// Dropped before there was room, the message is dropped; later, it leaves with the next flush.
    pub async fn send(&mut self, message: Message) -> Result<(), SendError> {
        self.feed(message).await?;
        self.flush().await
    }

    /// Takes a message that leaves with the next [`flush`](Self::flush), or earlier.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has taken nothing, and the message is dropped.
    #[inline]
    pub fn feed(&mut self, message: Message) -> impl Future<Output = Result<(), SendError>> {
        let mut message = Some(message);
        poll_fn(move |cx| {
            ready!(Pin::new(&mut *self).poll_ready(cx))?;
            let message = message.take().expect("it is not polled again");
            Poll::Ready(Pin::new(&mut *self).start_send(message))
        })
    }

    /// Waits until all that was taken has left.
    ///
    /// # Errors
    ///
    /// [`SendErrorKind::Io`] if the socket failed; the message that was refused if one's descriptors
    /// were, and the next flush goes on with what is behind it.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if this is dropped.
    pub async fn flush(&mut self) -> Result<(), SendError> {
        poll_fn(|cx| Pin::new(&mut *self).poll_flush(cx)).await
    }

    /// Flushes, and tells the peer that nothing more will come.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if this is dropped.
    pub async fn shutdown(&mut self) -> Result<(), SendError> {
        poll_fn(|cx| Pin::new(&mut *self).poll_close(cx)).await
    }

    /// Bytes of messages that have not left.
    pub fn unsent_bytes(&self) -> usize {
        self.framed.unsent_bytes()
    }

    /// Gives a message back whose descriptors were refused.
    fn refused(
        &mut self,
        error: codec::SendError<Message, codec::SendErrorKind<WireError>>,
    ) -> SendError {
        let kind = SendErrorKind::from(error.kind);
        let refused = match kind {
            SendErrorKind::FdsRefusedByPeer { .. } | SendErrorKind::TooManyFdsInFlight { .. } => {
                self.framed.take_refused()
            }
            _ => None,
        };
        let message = refused.and_then(|refused| {
            // They are the bytes of a message that was checked when it was taken.
            let Header { object, opcode, .. } = header(&refused.bytes, LONGEST).ok()??;
            let arguments = Body::new(refused.bytes.slice(HEADER..));
            Some(Message::received(object, opcode, arguments, refused.fds))
        });
        SendError { unsent: message.map(Box::new), kind }
    }
}

impl Sink<Message> for WriteHalf {
    type Error = SendError;

    #[inline]
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let this = self.get_mut();
        Pin::new(&mut this.framed).poll_ready(cx).map_err(|error| this.refused(error))
    }

    #[inline]
    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), SendError> {
        Pin::new(&mut self.get_mut().framed).start_send(message).map_err(|error| SendError {
            unsent: error.unsent.map(Box::new),
            kind: error.kind.into(),
        })
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let this = self.get_mut();
        let outcome = Sink::<Message>::poll_flush(Pin::new(&mut this.framed), cx);
        outcome.map_err(|error| this.refused(error))
    }

    /// Flushes, and tells the peer that nothing more will come.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let this = self.get_mut();
        let outcome = Sink::<Message>::poll_close(Pin::new(&mut this.framed), cx);
        outcome.map_err(|error| this.refused(error))
    }
}

impl<G: Signatures + Unpin> Stream for ReadHalf<G> {
    type Item = Result<Message, ReceiveError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_message(cx)
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
