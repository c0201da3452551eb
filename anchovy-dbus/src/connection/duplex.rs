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
use super::read_half::OwnedReadHalf;
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

/// A connection to a bus or a peer, after the handshake: a [`Stream`] and a [`Sink`] of
/// [messages](Message), each with exactly its descriptors.
///
/// [`Client`](crate::Client) and [`Server`](crate::Server) create connections.
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
/// Plain messages that wait together leave together. A message with descriptors has a `sendmsg` of
/// its own, which is the only form that every peer accepts. The rest of a long message follows without
/// the descriptors.
///
/// # Serials
///
/// A message without a serial gets the next one of its connection, from 1 to 2³²−1 and from 1 again.
/// A serial of a [call](Self::call) that ended without its reply is skipped. A message that has a
/// serial keeps it, so that a proxy changes nothing; the caller has to choose unique serials then.
///
/// # Descriptors
///
/// Whether descriptors may pass is known when the handshake is over ([`unix_fds`](Self::unix_fds)). A
/// message with descriptors is refused with [`FdsNotAgreed`](crate::SendErrorKind::FdsNotAgreed) if
/// they may not, and is returned.
///
/// # Cancel safety
///
/// [`receive`](Self::receive), [`flush`](Self::flush) and [`hello`](Self::hello) lose nothing when they
/// are dropped. [`send`](Self::send) and [`call`](Self::call) own their message until there is room for
/// it. If they are dropped before, the message is dropped; if they are dropped later, it leaves with
/// the next flush. The reply to a dropped call is discarded.
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
        let (read, write) = Framed::from_parts(parts).into_split();
        let read = OwnedReadHalf::new(read, Arc::clone(&peer));
        Ok(Connection { read, write: OwnedWriteHalf::new(write, peer) })
    }

    /// Notes a message that left with the handshake, with the next serial unless it is `given`.
    pub(crate) fn note_sent(&mut self, message: &Message, serial: NonZeroU32, given: bool) {
        if let Some(is_hello) = self.write.is_first_and_hello(message) {
            self.write.note_first(is_hello, serial);
        }
        if !given {
            self.write.continue_after(serial);
        }
    }

    /// The guid of the server, which is ours if we serve.
    pub fn guid(&self) -> Guid {
        self.read.guid()
    }

    /// Returns the credentials of the peer, from the kernel.
    pub fn peer_cred(&self) -> &Credentials {
        self.read.peer_cred()
    }

    /// Returns whether descriptor passing was negotiated in the handshake.
    pub fn unix_fds(&self) -> bool {
        self.read.unix_fds()
    }

    /// Returns the name of this client on its bus, once the reply to [`Hello`](Self::hello) has
    /// arrived, in whatever way `Hello` was called.
    pub fn unique_name(&self) -> Option<&str> {
        self.read.unique_name()
    }

    /// Splits the connection into two halves that can be in two tasks.
    ///
    /// The halves have no `call`, which needs both directions. A router takes its place: the sending
    /// side notes a channel for the serial of each call, and the task that receives sends each reply
    /// to the channel of its `reply_serial`.
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
    ///     /// Sends a call. The returned channel has the reply.
    ///     async fn call(&mut self, message: Message) -> anyhow::Result<oneshot::Receiver<Message>> {
    ///         let (sender, receiver) = oneshot::channel();
    ///         // The call leaves with the flush, so the channel is noted before there can be a reply.
    ///         let serial = self.write.feed(message).await?;
    ///         self.waiting.lock().unwrap().insert(serial, sender);
    ///         self.write.flush().await?;
    ///         Ok(receiver)
    ///     }
    /// }
    ///
    /// /// Receives everything, and sends each reply to the channel of its call.
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
    ///     // Calls that wait fail now.
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

    /// Takes the connection apart, losing nothing.
    pub fn into_parts(self) -> ConnectionParts {
        let unix_fds = self.unix_fds();
        let (read, kept_messages) = self.read.into_framed();
        let write = self.write.into_framed();
        let parts = read.reunite(write).expect("they are of one stream").into_parts();
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

    /// As [`OwnedReadHalf::receive`].
    #[expect(clippy::missing_errors_doc, reason = "they are told there")]
    pub async fn receive(&mut self) -> Result<Option<Message>, ReceiveError> {
        self.read.receive().await
    }

    /// As [`OwnedWriteHalf::send`].
    #[expect(clippy::missing_errors_doc, reason = "they are told there")]
    pub async fn send(&mut self, message: Message) -> Result<NonZeroU32, SendError> {
        self.write.send(message).await
    }

    /// As [`OwnedWriteHalf::feed`].
    #[expect(clippy::missing_errors_doc, reason = "they are told there")]
    pub async fn feed(&mut self, message: Message) -> Result<NonZeroU32, SendError> {
        self.write.feed(message).await
    }

    /// As [`OwnedWriteHalf::flush`].
    #[expect(clippy::missing_errors_doc, reason = "they are told there")]
    pub async fn flush(&mut self) -> Result<(), SendError> {
        self.write.flush().await
    }

    /// As [`OwnedWriteHalf::shutdown`].
    #[expect(clippy::missing_errors_doc, reason = "they are told there")]
    pub async fn shutdown(&mut self) -> Result<(), SendError> {
        self.write.shutdown().await
    }
}

impl OwnedReadHalf {
    /// The two halves of one connection make it whole again.
    ///
    /// # Errors
    ///
    /// [`ReuniteError`] with both halves, if they are not of one connection.
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
    async fn serials_begin_again_at_one_after_the_last() {
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
    async fn a_serial_of_an_abandoned_call_is_not_given_again() {
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
