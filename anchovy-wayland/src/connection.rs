//! A stream and a sink of messages.
//!
//! A connection consists of its two halves, which do not share a lock: a task that writes never waits
//! for a task that reads.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use anchovy::codec::{Framed, FramedParts, FramedWrite};
use anchovy::{AnchovyStream, IntoUnixStream, ReuniteError, WAYLAND_SCM_RIGHTS};
use futures_core::Stream;
use futures_sink::Sink;

use crate::codec::{Codec, policies};
use crate::connection_parts::{ConnectionParts, prepend};
use crate::error::receive_error::ReceiveError;
use crate::error::send_error::{SendError, SendErrorKind};
use crate::inbox::Inbox;
use crate::limits::Limits;
use crate::objects::Objects;
use crate::owned_read_half::OwnedReadHalf;
use crate::owned_write_half::{OwnedWriteHalf, Refused};
use crate::signature_source::SignatureSource;
use crate::signatures::{NoFds, Signatures};
use crate::wire::message::Message;

/// A connection between a client and a compositor: a [`Stream`] and a [`Sink`] of
/// [messages](Message), each with exactly its descriptors.
///
/// `G` supplies the number of descriptors of each received message:
///
/// | Program | Constructor | `G` |
/// |---|---|---|
/// | A client | [`connect`](Connection::connect), [`client`](Connection::client) | [`Objects`]: the interfaces of the objects that the client has created |
/// | A compositor, a proxy, a test tool | [`new`](Connection::new) | An implementation of [`Signatures`] |
/// | A program whose peer sends no descriptors | [`without_fds`](Connection::without_fds) | [`NoFds`] |
///
/// The connection of a client [creates](Connection::create) objects and handles the events of
/// `wl_display`: `delete_id` frees an id and is not returned to the caller, and `error` is returned as
/// an error; see [below](Connection#the-error-of-a-compositor). All other connections return every
/// message.
///
/// # Sending
///
/// Messages that wait in the send buffer are sent together, with at most 28 descriptors in one
/// `sendmsg`. Each descriptor is sent before or with the first byte of its message. With
/// [`fds_with_their_message`](Limits::fds_with_their_message), each message with descriptors begins a
/// new `sendmsg`. This `sendmsg` has the descriptors of no other message, but may have the bytes of
/// later messages without descriptors.
///
/// If the peer does not read, sending waits: no further message is accepted while the send buffer is full
/// ([`max_buffered_bytes`](Limits::max_buffered_bytes), [`max_buffered_fds`](Limits::max_buffered_fds)).
///
/// # The error of a compositor
///
/// A compositor that rejects a request sends `wl_display.error` and closes the connection. The client
/// often notices this when it sends its next request. If a method of `Connection<Objects>` cannot send
/// because the peer has closed the connection, the method reads the events that have arrived. If
/// `wl_display.error` is one of them, the method returns
/// [`SendErrorKind::Display`](crate::SendErrorKind::Display) instead of the error of the socket. Events that
/// arrived before `wl_display.error` can still be received. The methods of the [`Sink`] and of
/// [`OwnedWriteHalf`] do not read, and return the error of the socket, for example `EPIPE`.
///
/// # Cancel safety
///
/// [`receive`](Connection::receive) and [`flush`](Connection::flush) are cancel safe.
/// [`send`](Connection::send) and [`feed`](Connection::feed) wait while the send buffer is full. If the
/// future is dropped then, its message is dropped. If the future is dropped after the message was added to
/// the send buffer, the next flush sends the message.
///
/// # Examples
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
/// let mut client = Connection::without_fds(client, Limits::client())?;
/// let file = std::fs::File::open("/dev/null")?;
/// client.send(Message::builder(shm, 0).new_id(pool).fd(file).int(4096).build()?).await?;
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
#[derive(Debug)]
pub struct Connection<G: SignatureSource = Objects> {
    pub(crate) read: OwnedReadHalf<G>,
    pub(crate) write: OwnedWriteHalf<G::Ids>,
}

impl<G: Signatures + Unpin> Connection<G> {
    /// Creates a connection over a socket from which no bytes have been read.
    ///
    /// This constructor is for compositors, proxies and test tools: the connection returns every message
    /// and handles none itself. [`Listener::accept`](crate::Listener::accept) and
    /// [`connect`](crate::connect()) return sockets. A socket that a listener has accepted has an
    /// [account](AnchovyStream::account). The descriptors and bytes that the peer makes this process
    /// hold are charged to this account.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`AnchovyStream::new`].
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O enabled.
    pub fn new(
        socket: impl IntoUnixStream,
        signatures: G,
        limits: Limits,
    ) -> io::Result<Connection<G>> {
        let socket = AnchovyStream::new(socket)?;
        let (read, write) = halves(socket, signatures, None, &limits);
        let write = OwnedWriteHalf::new(write, (), Refused::Returned);
        Ok(Connection { read, write })
    }

    /// Replaces the [`Signatures`] by what `map` makes of them, for example to box them.
    pub fn map_signatures<H: Signatures>(self, map: impl FnOnce(G) -> H) -> Connection<H> {
        Connection { read: self.read.map_signatures(map), write: self.write }
    }
}

impl Connection<NoFds> {
    /// Creates a connection over a socket to a peer **whose messages have no descriptors**.
    ///
    /// This constructor is [`new`](Connection::new) with [`NoFds`]. If the peer sends a descriptor
    /// nevertheless, no message gets it. The descriptor counts towards
    /// [`max_waiting_fds`](Limits::max_waiting_fds) until the connection ends, or until
    /// [`fd_timeout`](Limits::fd_timeout) ends receiving with [`ReceiveError::FdsOverdue`]. The end of
    /// the stream is reported as [`ReceiveError::UnclaimedFds`]. Clients should use
    /// [`client`](Connection::client), because a keymap is received as a descriptor.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`AnchovyStream::new`].
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O enabled.
    pub fn without_fds(
        socket: impl IntoUnixStream,
        limits: Limits,
    ) -> io::Result<Connection<NoFds>> {
        Connection::new(socket, NoFds, limits)
    }
}

impl<G: SignatureSource + Unpin> Connection<G> {
    /// Receives the next message; see [`OwnedReadHalf::receive`].
    ///
    /// # Errors
    ///
    /// Returns the errors of [`OwnedReadHalf::receive`].
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, no message is lost.
    #[inline]
    pub fn receive(&mut self) -> impl Future<Output = Result<Option<Message>, ReceiveError>> {
        self.read.receive()
    }

    /// Returns the next message if it has arrived already; see [`OwnedReadHalf::next_buffered`].
    ///
    /// # Errors
    ///
    /// Returns the errors of [`OwnedReadHalf::receive`].
    pub fn next_buffered(&mut self) -> Option<Result<Message, ReceiveError>> {
        self.read.next_buffered()
    }

    /// Sends a message and waits until it has been sent; see [`OwnedWriteHalf::send`].
    ///
    /// # Errors
    ///
    /// Returns the errors of [`OwnedWriteHalf::send`]. On the connection of a client,
    /// [the error of the compositor](Connection#the-error-of-a-compositor) replaces that of the socket.
    pub async fn send(&mut self, message: Message) -> Result<(), SendError> {
        let sent = self.write.send(message).await;
        self.explained(sent).await
    }

    /// Adds a message to the send buffer; see [`OwnedWriteHalf::feed`].
    ///
    /// # Errors
    ///
    /// Returns the errors of [`OwnedWriteHalf::feed`]. On the connection of a client,
    /// [the error of the compositor](Connection#the-error-of-a-compositor) replaces that of the socket.
    #[inline]
    pub fn feed(&mut self, message: Message) -> impl Future<Output = Result<(), SendError>> {
        let (mut message, mut failed) = (Some(message), None);
        poll_fn(move |cx| {
            if failed.is_none() {
                match ready!(self.write.poll_feed(cx, &mut message)) {
                    Ok(()) => return Poll::Ready(Ok(())),
                    Err(error) if G::IS_CLIENT => failed = Some(error),
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            self.poll_explain(cx, &mut failed).map(Err)
        })
    }

    /// Waits until all messages have been sent; see [`OwnedWriteHalf::flush`].
    ///
    /// # Errors
    ///
    /// Returns the errors of [`OwnedWriteHalf::flush`]. On the connection of a client,
    /// [the error of the compositor](Connection#the-error-of-a-compositor) replaces that of the socket.
    pub async fn flush(&mut self) -> Result<(), SendError> {
        let flushed = self.write.flush().await;
        self.explained(flushed).await
    }

    /// Flushes and shuts down the write side of the socket; see [`OwnedWriteHalf::shutdown`].
    ///
    /// # Errors
    ///
    /// Returns the errors of [`OwnedWriteHalf::shutdown`]. On the connection of a client,
    /// [the error of the compositor](Connection#the-error-of-a-compositor) replaces that of the socket.
    pub async fn shutdown(&mut self) -> Result<(), SendError> {
        let shut_down = self.write.shutdown().await;
        self.explained(shut_down).await
    }

    #[inline]
    async fn explained(&mut self, sent: Result<(), SendError>) -> Result<(), SendError> {
        match sent {
            Err(error) if G::IS_CLIENT => Err(self.explain(error).await),
            sent => sent,
        }
    }

    /// Returns the error that the compositor reported before it closed the connection. If it reported
    /// none, returns `error`.
    pub(crate) async fn explain(&mut self, error: SendError) -> SendError {
        let mut error = Some(error);
        poll_fn(|cx| self.poll_explain(cx, &mut error)).await
    }

    fn poll_explain(
        &mut self,
        cx: &mut Context<'_>,
        failed: &mut Option<SendError>,
    ) -> Poll<SendError> {
        let is_closed = failed.as_ref().is_some_and(|error| match &error.kind {
            SendErrorKind::Io(cause) => {
                matches!(cause.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
            }
            _ => false,
        });
        let reported = if is_closed { ready!(self.read.poll_display_error(cx)) } else { None };
        let error = failed.take().expect("the future is not polled after completion");
        Poll::Ready(match reported {
            Some(display) => SendError { kind: SendErrorKind::Display(display), ..error },
            None => error,
        })
    }
}

impl<G: SignatureSource> Connection<G> {
    /// Returns the credentials of the peer at the time when it connected (`SO_PEERCRED`, unix(7)).
    ///
    /// # Errors
    ///
    /// Returns the error of getsockopt(2).
    pub fn peer_cred(&self) -> io::Result<anchovy::PeerCredentials> {
        self.read.framed.get_ref().peer_cred()
    }

    /// Splits the connection into two halves that two tasks can own.
    ///
    /// The halves of a client share the ids: the write half creates objects, and the read half applies
    /// `wl_display.delete_id`. The halves have no [`roundtrip`](Connection::roundtrip). To wait for a
    /// reply, create a `wl_callback` with `wl_display.sync`, and let the task that reads report its
    /// `done` event.
    pub fn into_split(self) -> (OwnedReadHalf<G>, OwnedWriteHalf<G::Ids>) {
        (self.read, self.write)
    }

    /// Converts the connection into its parts, including messages that have not been received or sent.
    pub fn into_parts(self) -> ConnectionParts {
        let (framed, kept) = self.read.into_framed_and_kept();
        let Ok(framed) = framed.reunite(self.write.framed) else {
            unreachable!("they are of one stream");
        };
        let parts = framed.into_parts();
        let (read_buffer, read_sets) = prepend(kept, parts.read_buffer, parts.read_sets);
        ConnectionParts {
            socket: parts.stream,
            read_buffer,
            read_sets,
            write_buffer: parts.write_buffer,
            write_sets: parts.write_sets,
        }
    }
}

impl<G: Signatures> Connection<G> {
    /// Returns the [`Signatures`] of the connection.
    #[inline]
    pub fn signatures(&self) -> &G {
        self.read.signatures()
    }

    /// Returns the [`Signatures`] of the connection mutably.
    #[inline]
    pub fn signatures_mut(&mut self) -> &mut G {
        self.read.signatures_mut()
    }
}

/// Makes the two halves of a connection.
pub(crate) fn halves<G>(
    socket: AnchovyStream<WAYLAND_SCM_RIGHTS>,
    source: G,
    inbox: Option<Box<Inbox>>,
    limits: &Limits,
) -> (OwnedReadHalf<G>, FramedWrite<WAYLAND_SCM_RIGHTS, Codec<()>>) {
    let mut parts = FramedParts::new(socket, Codec::new((), limits));
    (parts.read_policy, parts.write_policy) = policies(limits);
    let split = |encoder| (Codec::new(source, limits), encoder);
    let (read, write) = Framed::from_parts(parts).into_split_with(split);
    (OwnedReadHalf::new(read, inbox), write)
}

impl<G: SignatureSource> OwnedReadHalf<G> {
    /// Joins the two halves of one connection.
    ///
    /// # Errors
    ///
    /// Returns a [`ReuniteError`] with both halves if they belong to different connections.
    #[expect(clippy::result_large_err, reason = "the value of Ok is as large")]
    #[expect(clippy::type_complexity, reason = "an alias would hide the halves")]
    pub fn reunite(
        self,
        write: OwnedWriteHalf<G::Ids>,
    ) -> Result<Connection<G>, ReuniteError<OwnedReadHalf<G>, OwnedWriteHalf<G::Ids>>> {
        if self.framed.get_ref().is_pair_of(write.framed.get_ref()) {
            Ok(Connection { read: self, write })
        } else {
            Err(ReuniteError(self, write))
        }
    }
}

impl<G: SignatureSource + Unpin> Stream for Connection<G> {
    type Item = Result<Message, ReceiveError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().read.poll_message(cx).map(Result::transpose)
    }
}

impl<G: SignatureSource + Unpin> Sink<Message> for Connection<G> {
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
