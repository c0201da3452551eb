//! A connection in both directions.

use std::io;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use anchovy::ReuniteError;
use anchovy::codec::{Framed, FramedParts, ReadPolicy};
use futures_core::Stream;
use futures_sink::Sink;

use super::parts::ConnectionParts;
use super::peer::Peer;
use super::policies::{read_policy, write_policy};
use super::read_codec::ReadCodec;
use super::read_half::OwnedReadHalf;
use super::write_codec::WriteCodec;
use super::write_half::OwnedWriteHalf;
use crate::codec::MessageCodec;
use crate::credentials::Credentials;
use crate::error::receive_error::ReceiveError;
use crate::error::send_error::SendError;
use crate::guid::Guid;
use crate::handshake::outcome::{HandshakeOutcome, Role};
use crate::limits::Limits;
use crate::message::content::Message;
use crate::socket::{limit_received_fds, set_fd_passing};

/// A connection to a bus or a peer after the handshake: a [`Stream`] and a [`Sink`] of
/// [messages](Message), each with exactly its descriptors.
///
/// [`Client`](crate::Client) and [`Server`](crate::Server) create connections.
///
/// # Examples
///
/// ```no_run
/// use anchovy_dbus::{Client, Message};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut bus = Client::session().await?;
/// let call = Message::method_call("/org/freedesktop/DBus", "ListNames")
///     .interface("org.freedesktop.DBus")
///     .destination("org.freedesktop.DBus")
///     .build()?;
/// let reply = bus.call(call).await?;
/// println!("{} bytes of names", reply.body().len());
/// while let Some(message) = bus.receive().await? {
///     println!("received {message:?}");
/// }
/// # Ok(())
/// # }
/// ```
///
/// # Sending
///
/// Messages without descriptors that are in the buffer together are sent together. A message with
/// descriptors is sent in its own `sendmsg`, which is the only form that every peer accepts. If the
/// message is long, the rest of it follows without the descriptors.
///
/// # Serials
///
/// A message without a serial gets the next serial of its connection: from 1 to 2³²−1, then from 1
/// again. Serials of [calls](Self::call) that ended without their reply are skipped. A message that has
/// a serial keeps it, so a proxy forwards messages unchanged. The caller must ensure that the serials
/// that it sets are unique.
///
/// # Descriptors
///
/// The handshake determines whether descriptors can be sent and received
/// ([`unix_fds`](Self::unix_fds)). If not, a message with descriptors is refused with
/// [`FdsNotAgreed`](crate::SendErrorKind::FdsNotAgreed) and returned in the error.
///
/// # Cancel safety
///
/// [`receive`](Self::receive), [`flush`](Self::flush), [`shutdown`](Self::shutdown) and
/// [`hello`](Self::hello) are cancel safe. [`send`](Self::send), [`feed`](Self::feed) and
/// [`call`](Self::call) wait while the buffer is full. If the future is dropped then, its message is
/// dropped. If the future is dropped after the message was added to the buffer, the next flush sends the
/// message. If it was the future of a `call`, the reply is discarded.
#[derive(Debug)]
pub struct Connection {
    pub(super) read: OwnedReadHalf,
    pub(super) write: OwnedWriteHalf,
}

impl Connection {
    pub(crate) fn new(outcome: HandshakeOutcome, limits: Arc<Limits>) -> io::Result<Connection> {
        let HandshakeOutcome { mut socket, rest, unix_fds, guid, credentials, role } = outcome;
        limit_received_fds(&mut socket, if unix_fds { limits.max_received_fds } else { 0 })?;
        if !unix_fds {
            set_fd_passing(&socket, false);
        }
        let survive_truncation = matches!(role, Role::Server { .. });
        let account = socket.account().cloned();
        let peer = Arc::new(Peer::new(guid, credentials, unix_fds, &role, account));
        let read_policy = ReadPolicy { survive_truncation, ..read_policy(&limits) };
        let write_policy = write_policy(&limits);
        let codec = MessageCodec::with_shared(limits);
        let codec = if unix_fds { codec } else { codec.without_fds() };
        let mut parts = FramedParts::new(socket, codec);
        (parts.read_policy, parts.write_policy) = (read_policy, write_policy);
        (parts.read_buffer, parts.read_sets) = rest;
        let split = |codec: MessageCodec| (ReadCodec::new(codec.clone()), WriteCodec(codec));
        let (read, write) = Framed::from_parts(parts).into_split_with(split);
        let read = OwnedReadHalf::new(read, Arc::clone(&peer));
        Ok(Connection { read, write: OwnedWriteHalf::new(write, peer) })
    }

    /// Records a message that was sent with the handshake. Its serial is the next one, unless it is
    /// `given`.
    pub(crate) fn note_sent(&mut self, message: &Message, serial: NonZeroU32, given: bool) {
        if let Some(is_hello) = self.write.is_first_and_hello(message) {
            self.write.note_first(is_hello, serial);
        }
        if !given {
            self.write.continue_after(serial);
        }
    }

    /// Returns the guid of the server. On the side of the server, it is the guid that was passed to
    /// [`Server::new`](crate::Server::new).
    pub fn guid(&self) -> Guid {
        self.read.guid()
    }

    /// Returns the credentials of the peer, as reported by the kernel.
    pub fn peer_cred(&self) -> &Credentials {
        self.read.peer_cred()
    }

    /// Returns whether descriptor passing was negotiated in the handshake.
    pub fn unix_fds(&self) -> bool {
        self.read.unix_fds()
    }

    /// Returns the unique name of this client on its bus, once the reply to `Hello` has been received.
    ///
    /// `Hello` can be called with [`hello`](Self::hello), [`call`](Self::call) or [`send`](Self::send).
    pub fn unique_name(&self) -> Option<&str> {
        self.read.unique_name()
    }

    /// Splits the connection into a receiving and a sending half, which two tasks can use.
    ///
    /// The halves have no `call`, which requires both directions. Use a map of channels instead: the
    /// sending task stores a channel for the serial of each call, and the receiving task sends each
    /// reply to the channel of its `reply_serial`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use std::num::NonZeroU32;
    /// use std::sync::{Arc, Mutex};
    ///
    /// use anchovy_dbus::{Message, MessageType, OwnedReadHalf, OwnedWriteHalf};
    /// use tokio::sync::oneshot;
    ///
    /// type Waiting = Arc<Mutex<HashMap<NonZeroU32, oneshot::Sender<Message>>>>;
    ///
    /// struct Caller {
    ///     write: OwnedWriteHalf,
    ///     waiting: Waiting,
    /// }
    ///
    /// impl Caller {
    ///     /// Sends a call. The returned channel receives the reply.
    ///     async fn call(&mut self, message: Message) -> anyhow::Result<oneshot::Receiver<Message>> {
    ///         let (sender, receiver) = oneshot::channel();
    ///         // The call is sent with the flush, so the channel is stored before the reply can arrive.
    ///         let serial = self.write.feed(message).await?;
    ///         self.waiting.lock().unwrap().insert(serial, sender);
    ///         self.write.flush().await?;
    ///         Ok(receiver)
    ///     }
    /// }
    ///
    /// /// Receives all messages, and sends each reply to the channel of its call.
    /// async fn receive_all(mut read: OwnedReadHalf, waiting: Waiting) -> anyhow::Result<()> {
    ///     while let Some(message) = read.receive().await? {
    ///         let header = message.header();
    ///         let is_reply =
    ///             matches!(header.message_type(), MessageType::MethodReturn | MessageType::Error);
    ///         let serial = header.reply_serial().filter(|_| is_reply);
    ///         match serial.and_then(|serial| waiting.lock().unwrap().remove(&serial)) {
    ///             // If the caller has stopped waiting, the reply is dropped.
    ///             Some(sender) => drop(sender.send(message)),
    ///             None => println!("received {message:?}"),
    ///         }
    ///     }
    ///     // All calls that wait fail.
    ///     waiting.lock().unwrap().clear();
    ///     Ok(())
    /// }
    ///
    /// # use anchovy_dbus::{Client, Guid, Server};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> anyhow::Result<()> {
    /// # let (near, far) = tokio::net::UnixStream::pair()?;
    /// # let server = Server::new(Guid::generate()?);
    /// # let client = Client::new();
    /// # let (connection, mut peer) =
    /// #     tokio::try_join!(client.handshake(near), server.handshake(far))?;
    /// # tokio::spawn(async move {
    /// #     let first = peer.receive().await.unwrap().unwrap();
    /// #     let second = peer.receive().await.unwrap().unwrap();
    /// #     for call in [second, first] {
    /// #         peer.send(Message::method_return(&call).build().unwrap()).await.unwrap();
    /// #     }
    /// # });
    /// let (read, write) = connection.into_split();
    /// let waiting = Waiting::default();
    /// let receiving = tokio::spawn(receive_all(read, Arc::clone(&waiting)));
    /// let mut caller = Caller { write, waiting };
    /// let one = caller.call(Message::method_call("/", "One").build()?).await?;
    /// let two = caller.call(Message::method_call("/", "Two").build()?).await?;
    /// let (one, two) = tokio::try_join!(one, two)?;
    /// # assert_eq!(one.header().reply_serial(), NonZeroU32::new(1));
    /// # assert_eq!(two.header().reply_serial(), NonZeroU32::new(2));
    /// receiving.await??;
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        (self.read, self.write)
    }

    /// Converts the connection into its parts: the socket, and all messages, bytes and descriptors that
    /// it holds.
    pub fn into_parts(self) -> ConnectionParts {
        let unix_fds = self.unix_fds();
        let (read, kept_messages) = self.read.into_framed();
        let write = self.write.into_framed();
        let framed = read.reunite_with(write, |codec, _| codec).expect("they are of one stream");
        let parts = framed.into_parts();
        ConnectionParts {
            socket: parts.stream,
            kept_messages,
            read_buffer: parts.read_buffer,
            read_sets: parts.read_sets,
            write_buffer: parts.write_buffer,
            write_sets: parts.write_sets,
            unix_fds,
        }
    }

    /// Receives the next message; see [`OwnedReadHalf::receive`].
    ///
    /// # Errors
    ///
    /// Returns a [`ReceiveError`].
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe.
    #[inline]
    pub fn receive(&mut self) -> impl Future<Output = Result<Option<Message>, ReceiveError>> {
        self.read.receive()
    }

    /// Returns the next message if it has arrived already; see [`OwnedReadHalf::next_buffered`].
    ///
    /// # Errors
    ///
    /// Returns a [`ReceiveError`].
    pub fn next_buffered(&mut self) -> Option<Result<Message, ReceiveError>> {
        self.read.next_buffered()
    }

    /// Sends a message and returns its serial; see [`OwnedWriteHalf::send`].
    ///
    /// # Errors
    ///
    /// Returns a [`SendError`].
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe: the message can be dropped.
    #[inline]
    pub fn send(
        &mut self,
        message: Message,
    ) -> impl Future<Output = Result<NonZeroU32, SendError>> {
        self.write.send(message)
    }

    /// Adds a message to the buffer and returns its serial; see [`OwnedWriteHalf::feed`].
    ///
    /// # Errors
    ///
    /// Returns a [`SendError`].
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe: the message can be dropped.
    #[inline]
    pub fn feed(
        &mut self,
        message: Message,
    ) -> impl Future<Output = Result<NonZeroU32, SendError>> {
        self.write.feed(message)
    }

    /// If the kernel refused the descriptors of a message, removes that message from the buffer and returns
    /// it; see [`OwnedWriteHalf::take_refused`].
    pub fn take_refused(&mut self) -> Option<Message> {
        self.write.take_refused()
    }

    /// Sends all messages in the buffer; see [`OwnedWriteHalf::flush`].
    ///
    /// # Errors
    ///
    /// Returns a [`SendError`].
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe.
    pub async fn flush(&mut self) -> Result<(), SendError> {
        self.write.flush().await
    }

    /// Sends all messages in the buffer, and shuts down the write side of the socket; see
    /// [`OwnedWriteHalf::shutdown`].
    ///
    /// # Errors
    ///
    /// Returns a [`SendError`].
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe.
    pub async fn shutdown(&mut self) -> Result<(), SendError> {
        self.write.shutdown().await
    }
}

impl OwnedReadHalf {
    /// Combines the two halves of a connection into the connection.
    ///
    /// # Errors
    ///
    /// Returns a [`ReuniteError`] with both halves if they belong to different connections.
    #[expect(clippy::result_large_err, reason = "the value in Ok is as large")]
    pub fn reunite(
        self,
        write: OwnedWriteHalf,
    ) -> Result<Connection, ReuniteError<OwnedReadHalf, OwnedWriteHalf>> {
        if self.is_of_one_connection_with(&write) {
            Ok(Connection { read: self, write })
        } else {
            Err(ReuniteError(self, write))
        }
    }
}

impl Stream for Connection {
    type Item = Result<Message, ReceiveError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.get_mut().read).poll_next(cx)
    }
}

impl Sink<Message> for Connection {
    type Error = SendError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Pin::new(&mut self.get_mut().write).poll_ready(cx)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), SendError> {
        Pin::new(&mut self.get_mut().write).start_send(message)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Pin::new(&mut self.get_mut().write).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        Pin::new(&mut self.get_mut().write).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::connect::Client;
    use crate::server::serve::Server;

    #[tokio::test]
    async fn serials_restart_at_one_after_the_last() {
        let (near, far) = tokio::net::UnixStream::pair().expect("a pair");
        let server = Server::new(Guid::generate().expect("random bytes"));
        let client = Client::new();
        let (client, server) = tokio::join!(client.handshake(near), server.handshake(far));
        let (mut client, mut server) = (client.expect("a client"), server.expect("a server"));
        client.write.next_serial = NonZeroU32::MAX;
        for expected in [u32::MAX, 1, 2] {
            let call = Message::method_call("/", "Ping").build().expect("a good call");
            assert_eq!(client.send(call).await.expect("it is sent").get(), expected);
            let call = server.receive().await.expect("no error").expect("a call");
            assert_eq!(call.serial().map(NonZeroU32::get), Some(expected));
        }
    }

    #[tokio::test]
    async fn the_serial_of_an_abandoned_call_is_skipped() {
        let (near, far) = tokio::net::UnixStream::pair().expect("a pair");
        let server = Server::new(Guid::generate().expect("random bytes"));
        let client = Client::new();
        let (client, server) = tokio::join!(client.handshake(near), server.handshake(far));
        let (mut client, _server) = (client.expect("a client"), server.expect("a server"));
        let mut cx = Context::from_waker(std::task::Waker::noop());
        for serial in [u32::MAX, 1] {
            client.write.next_serial = NonZeroU32::new(serial).expect("a serial");
            let call = Message::method_call("/", "Ping").build().expect("a good call");
            let call = std::pin::pin!(client.call(call));
            assert!(call.poll(&mut cx).is_pending());
        }
        client.write.next_serial = NonZeroU32::MAX;
        let call = Message::method_call("/", "Ping").build().expect("a good call");
        assert_eq!(client.send(call).await.expect("it is sent").get(), 2);
    }
}
