//! A stream and a sink of messages, whole and in halves.
//!
//! A connection is its two halves, held together: each does its side's work alone, so that a task
//! that writes never waits for one that reads.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use anchovy::codec::{self, FdSet, Framed, FramedParts, FramedRead, FramedWrite};
use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS, ReuniteError};
use bytes::BytesMut;
use futures_core::Stream;
use futures_sink::Sink;

use crate::budget::{Charge, Meter};
use crate::codec::{MessageCodec, limit_socket, policies};
use crate::credentials::Credentials;
use crate::error::{CodecError, ReceiveError, SendError, SendErrorKind};
use crate::guid::Guid;
use crate::handshake::{Socket, refuse_fds};
use crate::limits::Limits;
use crate::listener::Cost;
use crate::message::Message;

/// A connection to a bus or a peer, after the handshake: a [`Stream`] and a [`Sink`] of
/// [messages](Message), each with exactly its descriptors.
///
/// [`Client`](crate::Client) and [`Server`](crate::Server) make them.
///
/// ```no_run
/// use anchovy_dbus::{Addresses, Client, Message};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut bus = Client::new().connect(&Addresses::session()?).await?;
/// let hello = Message::method_call("/org/freedesktop/DBus", "Hello")
///     .interface("org.freedesktop.DBus")
///     .destination("org.freedesktop.DBus")
///     .build()?;
/// let serial = bus.send(hello).await?;
/// while let Some(message) = bus.receive().await? {
///     if message.header().reply_serial() == Some(serial) {
///         break;
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// # How messages leave
///
/// Plain messages that wait together leave together. A message with descriptors has its `sendmsg`
/// to itself, which is the only form that every peer takes; what is left of a long one follows
/// without them.
///
/// # Serials
///
/// A message without a serial gets the next one of its connection, from 1 to 2³²−1 and from 1
/// again. One that has a serial keeps it, so that a proxy changes nothing; who gives serials by hand
/// sees to it that they are unique.
///
/// # Descriptors
///
/// Whether they may pass is known when the handshake is over ([`unix_fds`](Connection::unix_fds)),
/// and not by type: a message that has some where they may not is refused with
/// [`FdsNotAgreed`](SendErrorKind::FdsNotAgreed), and comes back.
///
/// # Cancel safety
///
/// [`receive`](Connection::receive) and [`flush`](Connection::flush) lose nothing when they are
/// dropped. [`send`](Connection::send) owns its message until there is room for it: dropped before,
/// the message is dropped; dropped after, it leaves with the next flush.
#[derive(Debug)]
pub struct Connection {
    read: ReadHalf,
    write: WriteHalf,
}

/// The [`Stream`] of messages that [`Connection::into_split`] makes.
#[derive(Debug)]
pub struct ReadHalf {
    framed: FramedRead<DBUS_SCM_RIGHTS, MessageCodec>,
    peer: Arc<Peer>,
    heard: bool,
    /// What has arrived and waits is charged to the peer, on a server that has a budget.
    meter: Option<Meter>,
}

/// The [`Sink`] of messages that [`Connection::into_split`] makes.
///
/// Dropping it closes what has not left and shuts the write side down.
#[derive(Debug)]
pub struct WriteHalf {
    framed: FramedWrite<DBUS_SCM_RIGHTS, MessageCodec>,
    peer: Arc<Peer>,
    next_serial: NonZeroU32,
    /// Descriptors that have not left, message by message, with whom they are charged to.
    charges: VecDeque<(usize, Option<Charge>)>,
    charged: usize,
}

/// What both halves know of the other end.
#[derive(Debug)]
struct Peer {
    guid: Guid,
    credentials: Credentials,
    unix_fds: bool,
    /// It has sent a message, or need not have; before that, a server's client may be in its
    /// handshake still.
    heard: AtomicBool,
    /// What its socket costs, on a server.
    _cost: Option<Charge>,
}

/// A connection taken apart; nothing of it is lost.
#[derive(Debug)]
#[non_exhaustive]
pub struct ConnectionParts {
    /// The socket.
    pub socket: AnchovyStream<DBUS_SCM_RIGHTS>,
    /// Bytes that have arrived and are not taken as messages.
    pub read_buffer: BytesMut,
    /// The descriptors that came with them.
    pub read_sets: Vec<FdSet>,
    /// Bytes that have not left.
    pub write_buffer: BytesMut,
    /// The descriptors that leave with them, with the ranges of their messages.
    pub write_sets: Vec<FdSet>,
    /// Whether descriptors were agreed on.
    pub unix_fds: bool,
}

/// What a handshake leaves.
pub(crate) struct Outcome {
    pub(crate) socket: Socket,
    pub(crate) rest: (BytesMut, Vec<FdSet>),
    pub(crate) unix_fds: bool,
    pub(crate) guid: Guid,
    pub(crate) credentials: Credentials,
    pub(crate) role: Role,
}

pub(crate) enum Role {
    Client,
    Server {
        /// Descriptors may be sent before the client's first message.
        fds_at_once: bool,
        cost: Option<Cost>,
        meter: Option<Meter>,
    },
}

impl Connection {
    pub(crate) fn new(outcome: Outcome, limits: &Limits) -> std::io::Result<Connection> {
        let Outcome { mut socket, rest, unix_fds, guid, credentials, role } = outcome;
        limit_socket(&mut socket, limits, unix_fds)?;
        if !unix_fds {
            refuse_fds(&socket, true);
        }
        let (is_server, heard, cost, meter) = match role {
            Role::Client => (false, true, None, None),
            Role::Server { fds_at_once, cost, meter } => (true, fds_at_once, cost, meter),
        };
        let codec = MessageCodec::new(limits.clone(), unix_fds);
        let mut parts = FramedParts::new(socket, codec);
        (parts.read_policy, parts.write_policy) = policies(limits, is_server);
        (parts.read_buffer, parts.read_sets) = rest;
        let (read, write) = Framed::from_parts(parts).into_split();
        let heard_by_both = AtomicBool::new(heard);
        // Its place among those in their handshake is another's.
        let cost = cost.map(|cost| cost.charge);
        let peer = Peer { guid, credentials, unix_fds, heard: heard_by_both, _cost: cost };
        let peer = Arc::new(peer);
        Ok(Connection {
            read: ReadHalf { framed: read, peer: Arc::clone(&peer), heard, meter },
            write: WriteHalf {
                framed: write,
                peer,
                next_serial: NonZeroU32::MIN,
                charges: VecDeque::new(),
                charged: 0,
            },
        })
    }

    /// Goes on with the serial after this one, which a message had that left before.
    pub(crate) fn go_on_after(&mut self, serial: NonZeroU32) {
        self.write.next_serial = serial.checked_add(1).unwrap_or(NonZeroU32::MIN);
    }

    /// The guid of the server, which is ours if we serve.
    pub fn guid(&self) -> Guid {
        self.read.peer.guid
    }

    /// Who the other end is, by the kernel.
    pub fn credentials(&self) -> &Credentials {
        &self.read.peer.credentials
    }

    /// May descriptors pass? As the handshake came out.
    pub fn unix_fds(&self) -> bool {
        self.read.peer.unix_fds
    }

    /// Two halves that can be in two tasks.
    pub fn into_split(self) -> (ReadHalf, WriteHalf) {
        (self.read, self.write)
    }

    /// Takes the connection apart, losing nothing.
    pub fn into_parts(self) -> ConnectionParts {
        let unix_fds = self.unix_fds();
        let framed = self.read.framed.reunite(self.write.framed).expect("they are of one stream");
        let parts = framed.into_parts();
        ConnectionParts {
            socket: parts.stream,
            read_buffer: parts.read_buffer,
            read_sets: parts.read_sets,
            write_buffer: parts.write_buffer,
            write_sets: parts.write_sets,
            unix_fds,
        }
    }

    /// As [`ReadHalf::receive`].
    #[expect(clippy::missing_errors_doc, reason = "they are told there")]
    pub async fn receive(&mut self) -> Result<Option<Message>, ReceiveError> {
        self.read.receive().await
    }

    /// As [`WriteHalf::send`].
    #[expect(clippy::missing_errors_doc, reason = "they are told there")]
    pub async fn send(&mut self, message: Message) -> Result<NonZeroU32, SendError> {
        self.write.send(message).await
    }

    /// As [`WriteHalf::feed`].
    #[expect(clippy::missing_errors_doc, reason = "they are told there")]
    pub async fn feed(&mut self, message: Message) -> Result<NonZeroU32, SendError> {
        self.write.feed(message).await
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

impl ReadHalf {
    /// The guid of the server, which is ours if we serve.
    pub fn guid(&self) -> Guid {
        self.peer.guid
    }

    /// Who the other end is, by the kernel.
    pub fn credentials(&self) -> &Credentials {
        &self.peer.credentials
    }

    /// May descriptors pass? As the handshake came out.
    pub fn unix_fds(&self) -> bool {
        self.peer.unix_fds
    }

    /// The next message; `None` once the peer has closed the connection between two of them.
    ///
    /// # Errors
    ///
    /// [`ReceiveError`]: nothing more can be received, and from then on there is `None`.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if this is dropped.
    pub async fn receive(&mut self) -> Result<Option<Message>, ReceiveError> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await.transpose()
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
    ) -> Result<Connection, ReuniteError<ReadHalf, WriteHalf>> {
        if Arc::ptr_eq(&self.peer, &write.peer) {
            Ok(Connection { read: self, write })
        } else {
            Err(ReuniteError(self, write))
        }
    }

    fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, codec::ReceiveError<CodecError>>>> {
        let Some(meter) = &mut self.meter else {
            return Pin::new(&mut self.framed).poll_next(cx);
        };
        let mut next = self.framed.next_buffered();
        if next.is_none() {
            let Poll::Ready(receiving) = meter.poll_receive(cx) else {
                // Who holds what makes the others wait must not do so for ever.
                return self.framed.poll_paused(cx);
            };
            let outcome = Pin::new(&mut self.framed).poll_next(cx);
            let taken = match &outcome {
                Poll::Ready(Some(Ok(message))) => message.fds().len(),
                _ => 0,
            };
            receiving.settle(self.framed.waiting_fds(), taken);
            next = ready!(outcome);
        }
        if let Some(Ok(message)) = &mut next {
            if !message.fds().is_empty() {
                let count = message.fds().len();
                message.set_charge(Some(meter.take(count, self.framed.waiting_fds())));
            }
        }
        Poll::Ready(next)
    }
}

impl Stream for ReadHalf {
    type Item = Result<Message, ReceiveError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let next = ready!(this.poll_message(cx));
        if !matches!(next, Some(Ok(_))) {
            // Nothing waits any more, and what there is to tell needs no room.
            this.meter = None;
        }
        if !this.heard && matches!(next, Some(Ok(_))) {
            this.heard = true;
            this.peer.heard.store(true, Ordering::Release);
        }
        Poll::Ready(next.map(|next| next.map_err(ReceiveError::from)))
    }
}

impl WriteHalf {
    /// The guid of the server, which is ours if we serve.
    pub fn guid(&self) -> Guid {
        self.peer.guid
    }

    /// Who the other end is, by the kernel.
    pub fn credentials(&self) -> &Credentials {
        &self.peer.credentials
    }

    /// May descriptors pass? As the handshake came out.
    pub fn unix_fds(&self) -> bool {
        self.peer.unix_fds
    }

    /// Sends a message, and returns its serial once it has left.
    ///
    /// # Errors
    ///
    /// [`SendError`], with the message if it is this one that was refused. A message before it that
    /// waited to be sent can be the one as well: compare serials.
    ///
    /// # Cancel safety
    ///
    /// Dropped before there was room, the message is dropped; later, it leaves with the next flush.
    pub async fn send(&mut self, message: Message) -> Result<NonZeroU32, SendError> {
        let serial = self.feed(message).await?;
        self.flush().await?;
        Ok(serial)
    }

    /// Takes a message that leaves with the next [`flush`](Self::flush), or earlier, and returns its
    /// serial.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// Dropped, it has taken nothing, and the message is dropped.
    pub async fn feed(&mut self, message: Message) -> Result<NonZeroU32, SendError> {
        poll_fn(|cx| self.poll_room(cx)).await?;
        self.take(message)
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
        poll_fn(|cx| self.poll_all(cx)).await
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

    fn take(&mut self, mut message: Message) -> Result<NonZeroU32, SendError> {
        let count = message.fds().len();
        // Where none were agreed on, no time is the right one, and the codec says so.
        let agreed = self.peer.unix_fds;
        if count > 0 && agreed && !self.peer.heard.load(Ordering::Acquire) {
            return Err(SendError {
                unsent: Some(Box::new(message)),
                kind: SendErrorKind::FdsTooEarly { count },
            });
        }
        let given = message.serial();
        let serial = given.unwrap_or(self.next_serial);
        message.set_serial(serial);
        let charge = message.take_charge();
        match Pin::new(&mut self.framed).start_send(message) {
            Ok(()) => {
                if given.is_none() {
                    self.next_serial = serial.checked_add(1).unwrap_or(NonZeroU32::MIN);
                }
                if count > 0 {
                    self.charges.push_back((count, charge));
                    self.charged += count;
                }
                Ok(serial)
            }
            Err(error) => {
                let unsent = error.unsent.map(|mut message| {
                    message.restore_serial(given);
                    message.set_charge(charge);
                    Box::new(message)
                });
                Err(SendError { unsent, kind: error.kind.into() })
            }
        }
    }

    /// Descriptors that have left are no longer held.
    fn settle(&mut self) {
        let unsent = self.framed.unsent_fds();
        while let Some((count, _)) = self.charges.front() {
            if self.charged - count < unsent {
                break;
            }
            self.charged -= count;
            self.charges.pop_front();
        }
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let outcome = Pin::new(&mut self.framed).poll_ready(cx);
        self.settled(outcome)
    }

    fn poll_all(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let outcome = Pin::new(&mut self.framed).poll_flush(cx);
        self.settled(outcome)
    }

    fn settled(
        &mut self,
        outcome: Poll<Result<(), codec::SendError<Message, codec::SendErrorKind<CodecError>>>>,
    ) -> Poll<Result<(), SendError>> {
        self.settle();
        outcome.map_err(|error| {
            let kind = SendErrorKind::from(error.kind);
            let refused = match kind {
                SendErrorKind::FdsRefusedByPeer { .. }
                | SendErrorKind::TooManyFdsInFlight { .. } => self.framed.take_refused(),
                _ => None,
            };
            let unsent = refused.and_then(|refused| {
                let charge = self.charges.pop_front().and_then(|(count, charge)| {
                    self.charged -= count;
                    charge
                });
                // They are the bytes of a message that was checked when it was taken.
                let mut message = Message::from_bytes(refused.bytes, refused.fds).ok()?;
                message.set_charge(charge);
                Some(Box::new(message))
            });
            SendError { unsent, kind }
        })
    }
}

impl Sink<Message> for WriteHalf {
    type Error = SendError;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().poll_room(cx)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), SendError> {
        self.get_mut().take(message).map(|_| ())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().poll_all(cx)
    }

    /// Flushes, and tells the peer that nothing more will come.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let this = self.get_mut();
        let outcome = Pin::new(&mut this.framed).poll_close(cx);
        this.settled(outcome)
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
    use crate::{Client, Server};

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
}
