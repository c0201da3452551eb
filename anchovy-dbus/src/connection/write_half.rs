//! The sending half of a connection.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use anchovy::codec::{self, FramedWrite};
use anchovy::{Charge, DBUS_SCM_RIGHTS};
use futures_sink::Sink;

use super::abandoned_calls::AbandonedCalls;
use super::peer::Peer;
use crate::bus::{BUS_NAME, HELLO};
use crate::codec::MessageCodec;
use crate::credentials::Credentials;
use crate::error::codec_error::CodecError;
use crate::error::send_error::{SendError, SendErrorKind};
use crate::guid::Guid;
use crate::message::content::Message;

/// The [`Sink`] of messages that [`Connection::into_split`](crate::Connection::into_split) makes.
///
/// Dropping it closes what has not left and shuts the write side down.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    framed: FramedWrite<DBUS_SCM_RIGHTS, MessageCodec>,
    peer: Arc<Peer>,
    pub(super) next_serial: NonZeroU32,
    /// Whether the first message to a destination has been taken, or does not matter.
    is_past_hello: bool,
    /// Calls whose serials are not given again.
    abandoned: Option<Arc<AbandonedCalls>>,
    /// Number and charge of the descriptors that have not been sent, message by message.
    charges: VecDeque<(usize, Option<Charge>)>,
    charged: usize,
}

impl OwnedWriteHalf {
    pub(super) fn new(
        framed: FramedWrite<DBUS_SCM_RIGHTS, MessageCodec>,
        peer: Arc<Peer>,
    ) -> OwnedWriteHalf {
        OwnedWriteHalf {
            framed,
            is_past_hello: peer.is_server,
            peer,
            next_serial: NonZeroU32::MIN,
            abandoned: None,
            charges: VecDeque::new(),
            charged: 0,
        }
    }

    pub(super) fn into_framed(self) -> FramedWrite<DBUS_SCM_RIGHTS, MessageCodec> {
        self.framed
    }

    pub(super) fn peer(&self) -> &Arc<Peer> {
        &self.peer
    }

    pub(super) fn set_abandoned(&mut self, abandoned: Arc<AbandonedCalls>) {
        self.abandoned = Some(abandoned);
    }

    /// Returns whether this message is `Hello`, if it is the first one to a destination.
    pub(super) fn is_first_and_hello(&self, message: &Message) -> Option<bool> {
        if self.is_past_hello {
            return None;
        }
        let header = message.header();
        let destination = header.destination()?;
        Some(destination == BUS_NAME && header.member() == Some(HELLO))
    }

    /// Notes that the first message to a destination was taken.
    pub(super) fn note_first(&mut self, is_hello: bool, serial: NonZeroU32) {
        self.is_past_hello = true;
        if is_hello {
            self.peer.set_hello(Some(serial));
        } else {
            self.peer.without_hello.store(true, Ordering::Release);
        }
    }

    pub(super) fn continue_after(&mut self, serial: NonZeroU32) {
        self.next_serial = after(serial);
    }

    /// The guid of the server, which is ours if we serve.
    pub fn guid(&self) -> Guid {
        self.peer.guid
    }

    /// Returns the credentials of the peer, from the kernel.
    pub fn peer_cred(&self) -> &Credentials {
        &self.peer.credentials
    }

    /// Returns whether descriptor passing was negotiated in the handshake.
    pub fn unix_fds(&self) -> bool {
        self.peer.unix_fds
    }

    /// Returns the name of this client on its bus, once the reply to `Hello` has been read.
    pub fn unique_name(&self) -> Option<&str> {
        self.peer.unique_name.get().map(|name| &**name)
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

    pub(super) fn take(&mut self, mut message: Message) -> Result<NonZeroU32, SendError> {
        let count = message.fds().len();
        // If none were agreed on, the codec says so.
        let may_be_early = self.peer.unix_fds && !self.peer.fds_at_once;
        if count > 0 && may_be_early && !self.peer.has_sent.load(Ordering::Acquire) {
            return Err(refused(message, SendErrorKind::FdsTooEarly { count }));
        }
        let given = message.serial();
        let serial = given.unwrap_or_else(|| self.free_serial());
        if given.is_some() && self.is_abandoned(serial) {
            return Err(refused(message, SendErrorKind::SerialInUse { serial }));
        }
        message.set_serial(serial);
        let is_first_and_hello = self.is_first_and_hello(&message);
        let charge = message.take_charge();
        match Pin::new(&mut self.framed).start_send(message) {
            Ok(()) => {
                if given.is_none() {
                    self.continue_after(serial);
                }
                if let Some(is_hello) = is_first_and_hello {
                    self.note_first(is_hello, serial);
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

    /// Returns the next serial that is not the one of a call without a reply.
    fn free_serial(&self) -> NonZeroU32 {
        let mut serial = self.next_serial;
        while self.is_abandoned(serial) {
            serial = after(serial);
        }
        serial
    }

    fn is_abandoned(&self, serial: NonZeroU32) -> bool {
        self.abandoned.as_ref().is_some_and(|abandoned| abandoned.contains(serial))
    }

    /// Ends the charges of descriptors that have been sent.
    fn release_sent(&mut self) {
        let unsent = self.framed.unsent_fds();
        while let Some((count, _)) = self.charges.front() {
            if self.charged - count < unsent {
                break;
            }
            self.charged -= count;
            self.charges.pop_front();
        }
    }

    pub(super) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let outcome = Pin::new(&mut self.framed).poll_ready(cx);
        self.after_flush(outcome)
    }

    pub(super) fn poll_all(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let outcome = Pin::new(&mut self.framed).poll_flush(cx);
        self.after_flush(outcome)
    }

    fn after_flush(
        &mut self,
        outcome: Poll<Result<(), codec::SendError<Message, codec::SendErrorKind<CodecError>>>>,
    ) -> Poll<Result<(), SendError>> {
        self.release_sent();
        outcome.map_err(|error| {
            let kind = match SendErrorKind::from(error.kind) {
                SendErrorKind::Io(error)
                    if is_disconnect(&error) && self.peer.has_missed_hello() =>
                {
                    SendErrorKind::ClosedBeforeHello
                }
                kind => kind,
            };
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

fn refused(message: Message, kind: SendErrorKind) -> SendError {
    SendError { unsent: Some(Box::new(message)), kind }
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
        this.after_flush(outcome)
    }
}
