//! The sending half of a connection.

use std::future::poll_fn;
use std::io;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use anchovy::DBUS_SCM_RIGHTS;
use anchovy::codec::{self, FramedWrite};
use futures_sink::Sink;
use tokio::task::coop::poll_proceed;

use super::abandoned_calls::AbandonedCalls;
use super::peer::Peer;
use super::unsent_fds::UnsentFds;
use super::write_codec::WriteCodec;
use crate::bus::{BUS_NAME, HELLO};
use crate::credentials::Credentials;
use crate::error::codec_error::CodecError;
use crate::error::send_error::{SendError, SendErrorKind};
use crate::guid::Guid;
use crate::message::content::Message;

/// The sending half of a [`Connection`](crate::Connection): a [`Sink`] of messages.
///
/// [`Connection::into_split`](crate::Connection::into_split) creates it. Dropping it closes the
/// descriptors that have not been sent, and shuts down the write side of the socket.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    framed: FramedWrite<DBUS_SCM_RIGHTS, WriteCodec>,
    peer: Arc<Peer>,
    pub(super) next_serial: NonZeroU32,
    /// Whether a message with a destination has been accepted. Always `true` on a server.
    is_past_hello: bool,
    /// Calls whose serials are not used for other messages.
    abandoned: Option<Arc<AbandonedCalls>>,
    unsent_fds: UnsentFds,
    /// Whether the kernel refused the descriptors of the first message in the buffer, which is still
    /// there.
    first_is_refused: bool,
}

impl OwnedWriteHalf {
    pub(super) fn new(
        framed: FramedWrite<DBUS_SCM_RIGHTS, WriteCodec>,
        peer: Arc<Peer>,
    ) -> OwnedWriteHalf {
        OwnedWriteHalf {
            framed,
            is_past_hello: peer.is_server,
            peer,
            next_serial: NonZeroU32::MIN,
            abandoned: None,
            unsent_fds: UnsentFds::default(),
            first_is_refused: false,
        }
    }

    pub(super) fn into_framed(self) -> FramedWrite<DBUS_SCM_RIGHTS, WriteCodec> {
        self.framed
    }

    pub(super) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    pub(super) fn set_abandoned(&mut self, abandoned: Arc<AbandonedCalls>) {
        self.abandoned = Some(abandoned);
    }

    /// Returns whether this message is `Hello`, if it is the first one with a destination.
    #[inline]
    pub(super) fn is_first_and_hello(&self, message: &Message) -> Option<bool> {
        if self.is_past_hello {
            return None;
        }
        let header = message.header();
        let destination = header.destination()?;
        Some(destination == BUS_NAME && header.member() == Some(HELLO))
    }

    /// Records that the first message with a destination was accepted.
    pub(super) fn note_first(&mut self, is_hello: bool, serial: NonZeroU32) {
        self.is_past_hello = true;
        if is_hello {
            self.peer.set_hello(Some(serial));
        } else {
            self.peer.without_hello.store(true, Ordering::Release);
        }
    }

    #[inline]
    pub(super) fn continue_after(&mut self, serial: NonZeroU32) {
        self.next_serial = after(serial);
    }

    /// Returns the guid of the server. On the side of the server, it is the guid that was passed to
    /// [`Server::new`](crate::Server::new).
    pub fn guid(&self) -> Guid {
        self.peer.guid
    }

    /// Returns the credentials of the peer, as reported by the kernel.
    pub fn peer_cred(&self) -> &Credentials {
        &self.peer.credentials
    }

    /// Returns whether descriptor passing was negotiated in the handshake.
    pub fn unix_fds(&self) -> bool {
        self.peer.unix_fds
    }

    /// Returns the unique name of this client on its bus, once the reply to `Hello` has been received.
    pub fn unique_name(&self) -> Option<&str> {
        self.peer.unique_name.get().map(|name| &**name)
    }

    /// Sends a message and returns its serial.
    ///
    /// This is [`feed`](Self::feed) followed by [`flush`](Self::flush).
    ///
    /// # Errors
    ///
    /// Returns a [`SendError`].
    ///
    /// - If `feed` failed, `unsent` is the message, and nothing of it was sent.
    /// - If `flush` failed because the kernel refused the descriptors of a message, `unsent` is the
    ///   refused message: the one that was passed to this method, or an earlier one; compare the serials.
    ///   If it is an earlier one, the message that was passed to this method is sent with the next flush.
    /// - If the socket failed during `flush`, `unsent` is `None`.
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. If the future is dropped while it waits for room in the buffer
    /// ([`Limits::max_buffered_bytes`](crate::Limits::max_buffered_bytes)), the message is dropped.
    /// If the future is dropped later, the message is sent with the next flush.
    #[inline]
    pub fn send(
        &mut self,
        message: Message,
    ) -> impl Future<Output = Result<NonZeroU32, SendError>> {
        let (mut message, mut fed) = (Some(message), None);
        poll_fn(move |cx| {
            let serial = match fed {
                Some(serial) => serial,
                None => {
                    // Besides the write: a task that answers each of many small messages would otherwise
                    // have a long turn.
                    let turn = ready!(poll_proceed(cx));
                    let serial = ready!(self.poll_feed(cx, &mut message))?;
                    turn.made_progress();
                    *fed.insert(serial)
                }
            };
            self.poll_all(cx).map_ok(|()| serial)
        })
    }

    /// Adds a message to the buffer and returns its serial. The message is sent with the next
    /// [`flush`](Self::flush), or earlier.
    ///
    /// While the buffer is full, this method sends messages from it until there is room.
    ///
    /// # Errors
    ///
    /// Returns a [`SendError`] whose `unsent` is the message, and nothing of it was sent. The cause is
    /// one of these:
    ///
    /// - The message was refused.
    /// - The buffer was full, and the socket failed.
    /// - The buffer was full, and the kernel refused the descriptors of a message that was fed before
    ///   ([`FdsRefusedByPeer`](SendErrorKind::FdsRefusedByPeer),
    ///   [`TooManyFdsInFlight`](SendErrorKind::TooManyFdsInFlight)).
    ///   [`take_refused`](Self::take_refused) returns that other message. If it is not called, the next
    ///   `feed` or flush tries to send the other message again.
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. If the future is dropped, the message is dropped and never
    /// sent.
    #[inline]
    pub fn feed(
        &mut self,
        message: Message,
    ) -> impl Future<Output = Result<NonZeroU32, SendError>> {
        let mut message = Some(message);
        poll_fn(move |cx| self.poll_feed(cx, &mut message))
    }

    /// Waits for room in the buffer, and adds the message to it.
    #[inline]
    fn poll_feed(
        &mut self,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<Result<NonZeroU32, SendError>> {
        Poll::Ready(match ready!(self.poll_room(cx)) {
            Ok(()) => self.take(message),
            Err(kind) => Err(refused(message, kind)),
        })
    }

    /// If the kernel refused the descriptors of a message, removes that message from the buffer and returns
    /// it.
    ///
    /// While the buffer is full, [`feed`](Self::feed), [`send`](Self::send) and
    /// [`call`](crate::Connection::call) send earlier messages from it. If the kernel refuses the
    /// descriptors of one of these, the error contains the message that was passed to the method, and the
    /// refused message stays in the buffer.
    ///
    /// Returns `None` if there is no such message, or if it has been sent since then. A message that
    /// [`flush`](Self::flush) returned in its error is not returned again.
    pub fn take_refused(&mut self) -> Option<Message> {
        std::mem::take(&mut self.first_is_refused).then(|| self.take_back())?
    }

    /// Sends all messages in the buffer.
    ///
    /// # Errors
    ///
    /// Returns a [`SendError`].
    ///
    /// - If the kernel refused the descriptors of a message, `unsent` is that message. The next flush
    ///   continues with the messages after it.
    /// - If the socket failed, `unsent` is `None`, and no message can be sent any more.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Messages that were not sent stay in the buffer.
    pub async fn flush(&mut self) -> Result<(), SendError> {
        poll_fn(|cx| self.poll_all(cx)).await
    }

    /// Sends all messages in the buffer, and shuts down the write side of the socket. The peer then
    /// reads the end of the connection.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`flush`](Self::flush).
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. Messages that were not sent stay in the buffer.
    pub async fn shutdown(&mut self) -> Result<(), SendError> {
        poll_fn(|cx| Pin::new(&mut *self).poll_close(cx)).await
    }

    /// Adds a message to the buffer, which has room. The message is not moved, unless it is returned in
    /// the error.
    #[inline]
    pub(super) fn take(&mut self, message: &mut Option<Message>) -> Result<NonZeroU32, SendError> {
        let accepted = self.accept(message.as_mut().expect("a future is not polled after its end"));
        match accepted {
            Ok(serial) => {
                *message = None;
                Ok(serial)
            }
            Err(kind) => Err(refused(message, kind)),
        }
    }

    /// Adds a message to the buffer, and takes its descriptors. After an error, the message is as it was
    /// before.
    #[inline]
    fn accept(&mut self, message: &mut Message) -> Result<NonZeroU32, SendErrorKind> {
        let count = message.fds().len();
        // If descriptors were not negotiated, the codec returns the error.
        let may_be_early = self.peer.unix_fds && !self.peer.fds_at_once;
        if count > 0 && may_be_early && !self.peer.has_sent.load(Ordering::Acquire) {
            return Err(SendErrorKind::FdsTooEarly { count });
        }
        let given = message.serial();
        let serial = given.unwrap_or_else(|| self.free_serial());
        if given.is_some() && self.is_abandoned(serial) {
            return Err(SendErrorKind::SerialInUse { serial });
        }
        message.set_serial(serial);
        if let Err(error) = Pin::new(&mut self.framed).start_send(&mut *message) {
            let kind = error.kind.into();
            message.restore_serial(given);
            return Err(kind);
        }
        if given.is_none() {
            self.continue_after(serial);
        }
        if let Some(is_hello) = self.is_first_and_hello(message) {
            self.note_first(is_hello, serial);
        }
        if count > 0 {
            self.unsent_fds.push(count, message.take_charge());
        }
        Ok(serial)
    }

    /// Returns the next serial that is not the one of an abandoned call.
    #[inline]
    fn free_serial(&self) -> NonZeroU32 {
        let mut serial = self.next_serial;
        while self.is_abandoned(serial) {
            serial = after(serial);
        }
        serial
    }

    #[inline]
    fn is_abandoned(&self, serial: NonZeroU32) -> bool {
        self.abandoned.as_ref().is_some_and(|abandoned| abandoned.contains(serial))
    }

    /// Waits until the buffer has room for a message. A refused message stays in the buffer, for
    /// [`take_refused`](Self::take_refused).
    #[inline]
    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendErrorKind>> {
        let outcome = Sink::<&mut Message>::poll_ready(Pin::new(&mut self.framed), cx);
        self.after_flush(outcome)
    }

    /// Waits until the buffer is empty. A refused message is returned.
    #[inline]
    pub(super) fn poll_all(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let outcome = Sink::<&mut Message>::poll_flush(Pin::new(&mut self.framed), cx);
        self.after_flush(outcome).map_err(|kind| self.with_refused(kind))
    }

    #[inline]
    fn after_flush(
        &mut self,
        outcome: Poll<Result<(), codec::SendError<&mut Message, codec::SendErrorKind<CodecError>>>>,
    ) -> Poll<Result<(), SendErrorKind>> {
        self.unsent_fds.release_until(self.framed.unsent_fds());
        self.first_is_refused = false;
        outcome.map_err(|error| self.failed(error.kind.into()))
    }

    /// Returns the error of a flush, and notes whether the first message in the buffer is refused.
    #[cold]
    fn failed(&mut self, kind: SendErrorKind) -> SendErrorKind {
        match kind {
            SendErrorKind::Io(error) if is_disconnect(&error) && self.peer.has_missed_hello() => {
                SendErrorKind::ClosedBeforeHello
            }
            kind => {
                self.first_is_refused = matches!(
                    kind,
                    SendErrorKind::FdsRefusedByPeer { .. }
                        | SendErrorKind::TooManyFdsInFlight { .. }
                );
                kind
            }
        }
    }

    /// Returns the error with the message whose descriptors were refused, if there is one.
    #[cold]
    fn with_refused(&mut self, kind: SendErrorKind) -> SendError {
        SendError { unsent: self.take_refused().map(Box::new), kind }
    }

    /// Removes the first message from the buffer.
    fn take_back(&mut self) -> Option<Message> {
        let refused = self.framed.take_refused()?;
        let charge = self.unsent_fds.pop();
        // The message was valid when it was accepted, so its bytes are valid too.
        let mut message = Message::from_bytes(refused.bytes, refused.fds).ok()?;
        message.set_charge(charge);
        Some(message)
    }
}

#[cold]
fn refused(message: &mut Option<Message>, kind: SendErrorKind) -> SendError {
    SendError { unsent: message.take().map(Box::new), kind }
}

/// Returns the serial after this one.
fn after(serial: NonZeroU32) -> NonZeroU32 {
    serial.checked_add(1).unwrap_or(NonZeroU32::MIN)
}

fn is_disconnect(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset)
}

impl Sink<Message> for OwnedWriteHalf {
    type Error = SendError;

    /// Waits for room in the buffer. A refused message is returned in the error, as by
    /// [`flush`](OwnedWriteHalf::flush).
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let this = self.get_mut();
        this.poll_room(cx).map_err(|kind| this.with_refused(kind))
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), SendError> {
        self.get_mut().take(&mut Some(message)).map(|_| ())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        self.get_mut().poll_all(cx)
    }

    /// Sends all messages in the buffer, and shuts down the write side of the socket.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let this = self.get_mut();
        let outcome = Sink::<&mut Message>::poll_close(Pin::new(&mut this.framed), cx);
        this.after_flush(outcome).map_err(|kind| this.with_refused(kind))
    }
}
