//! The receiving half of a connection.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};

use anchovy::DBUS_SCM_RIGHTS;
use anchovy::codec::FramedRead;
use futures_core::Stream;
use tokio::task::coop::poll_proceed;

use super::abandoned_calls::AbandonedCalls;
use super::kept_messages::KeptMessages;
use super::peer::Peer;
use super::read_codec::ReadCodec;
use super::write_half::OwnedWriteHalf;
use crate::credentials::Credentials;
use crate::error::kept_limit::KeptLimit;
use crate::error::receive_error::ReceiveError;
use crate::guid::Guid;
use crate::limits::Limits;
use crate::message::content::Message;
use crate::message::message_type::MessageType;
use crate::message::names::is_bus_name;

/// The receiving half of a [`Connection`](crate::Connection): a [`Stream`] of messages.
///
/// [`Connection::into_split`](crate::Connection::into_split) creates it.
#[derive(Debug)]
pub struct OwnedReadHalf {
    framed: FramedRead<DBUS_SCM_RIGHTS, ReadCodec>,
    peer: Arc<Peer>,
    /// A copy of [`Peer::has_sent`], which needs no atomic load for each message.
    peer_has_sent: bool,
    /// Whether the end of the connection was returned as an error.
    end_is_reported: bool,
    /// Messages that a call has read and that have not been received.
    kept: Option<Box<KeptMessages>>,
    /// Calls whose replies are discarded.
    abandoned: Option<Arc<AbandonedCalls>>,
}

impl OwnedReadHalf {
    pub(super) fn new(
        framed: FramedRead<DBUS_SCM_RIGHTS, ReadCodec>,
        peer: Arc<Peer>,
    ) -> OwnedReadHalf {
        OwnedReadHalf {
            framed,
            peer,
            peer_has_sent: false,
            end_is_reported: false,
            kept: None,
            abandoned: None,
        }
    }

    /// Returns the reader of frames, and the kept messages, which arrived before its frames.
    pub(super) fn into_framed(self) -> (FramedRead<DBUS_SCM_RIGHTS, ReadCodec>, VecDeque<Message>) {
        let kept = self.kept.map(|kept| kept.into_messages()).unwrap_or_default();
        (self.framed, kept)
    }

    pub(super) fn abandoned(&self) -> Option<&Arc<AbandonedCalls>> {
        self.abandoned.as_ref()
    }

    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    pub(super) fn limits(&self) -> &Limits {
        self.framed.codec().codec.limits()
    }

    pub(super) fn set_abandoned(&mut self, abandoned: Arc<AbandonedCalls>) {
        self.abandoned = Some(abandoned);
    }

    fn take_kept(&mut self) -> Option<Message> {
        let kept = self.kept.as_mut()?;
        let message = kept.pop();
        if kept.is_empty() {
            self.kept = None;
        }
        message
    }

    /// Keeps a message for [`receive`](Self::receive).
    pub(super) fn keep(&mut self, message: Message) {
        let kept = self.kept.get_or_insert_default();
        kept.push(message, self.peer.account.as_ref());
    }

    /// Returns the limit that the kept messages have reached, if any.
    pub(super) fn reached_limit(&mut self) -> Option<KeptLimit> {
        self.kept.as_mut()?.reached_limit(self.framed.codec().codec.limits())
    }

    /// Returns the next message that has not been kept.
    ///
    /// Late replies are discarded.
    pub(super) fn poll_arriving(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Message, ReceiveError>>> {
        loop {
            // One read can return hundreds of messages, which would otherwise be one operation of the
            // task: other tasks would wait until all of them are handled.
            let turn = ready!(poll_proceed(cx));
            let arrived = ready!(Pin::new(&mut self.framed).poll_next(cx));
            turn.made_progress();
            let next = match arrived {
                Some(Ok(())) => match self.take_decoded() {
                    Some(message) => Some(Ok(message)),
                    None => continue,
                },
                Some(Err(error)) => {
                    // Its descriptors are closed now.
                    self.framed.codec_mut().decoded = None;
                    Some(Err(self.end_with(error.into())))
                }
                None => self.end(),
            };
            return Poll::Ready(next);
        }
    }

    /// Returns the next message if it has arrived already. Nothing is read from the socket.
    ///
    /// After a [`call`](crate::Connection::call), a loop over this method handles the messages that arrived
    /// before the reply. The result is `None` if no complete message has been read, which is not the end of
    /// the connection.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    pub fn next_buffered(&mut self) -> Option<Result<Message, ReceiveError>> {
        if let Some(message) = self.take_kept() {
            return Some(Ok(message));
        }
        loop {
            match self.framed.next_buffered()? {
                // `None` is the reply to an abandoned call.
                Ok(()) => {
                    if let Some(message) = self.take_decoded() {
                        return Some(Ok(message));
                    }
                }
                Err(error) => {
                    // Its descriptors are closed now.
                    self.framed.codec_mut().decoded = None;
                    return Some(Err(self.end_with(error.into())));
                }
            }
        }
    }

    /// Returns the decoded message, unless it is the reply to an abandoned call, which is discarded.
    /// Updates the state of the connection from the message.
    #[inline]
    fn take_decoded(&mut self) -> Option<Message> {
        let message = self.framed.codec().decoded.as_ref()?;
        if !self.peer_has_sent {
            self.peer_has_sent = true;
            self.peer.has_sent.store(true, Ordering::Release);
        }
        let mut is_abandoned = false;
        if let Some(serial) = message.replies_to() {
            if self.peer.hello() == Some(serial) {
                self.peer.set_hello(None);
                self.note_name(message);
            }
            is_abandoned =
                self.abandoned.as_ref().is_some_and(|abandoned| abandoned.remove(serial));
        }
        let decoded = &mut self.framed.codec_mut().decoded;
        if is_abandoned {
            *decoded = None;
        }
        decoded.take()
    }

    /// Stores the unique name from the reply to `Hello`. Returns whether the reply has one.
    pub(super) fn note_name(&self, reply: &Message) -> bool {
        let Some(name) = unique_name(reply) else { return false };
        // A bus gives a client one name.
        self.peer.unique_name.get_or_init(|| name.into());
        true
    }

    /// Returns what the caller receives at the end of the stream: an error if the connection was
    /// closed before the reply to `Hello`, `None` otherwise.
    fn end(&mut self) -> Option<Result<Message, ReceiveError>> {
        if self.end_is_reported || !self.peer.has_missed_hello() {
            return None;
        }
        self.end_is_reported = true;
        Some(Err(ReceiveError::ClosedBeforeHello))
    }

    fn end_with(&mut self, error: ReceiveError) -> ReceiveError {
        self.end_is_reported = true;
        match error {
            // The bus closed its socket before it had read everything.
            ReceiveError::Io(error)
                if error.kind() == io::ErrorKind::ConnectionReset
                    && self.peer.has_missed_hello() =>
            {
                ReceiveError::ClosedBeforeHello
            }
            error => error,
        }
    }

    pub(super) fn is_of_one_connection_with(&self, write: &OwnedWriteHalf) -> bool {
        Arc::ptr_eq(&self.peer, write.peer())
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

    /// Receives the next message. Returns `None` after the peer has closed the connection between two
    /// messages.
    ///
    /// Messages that arrived while a [call](crate::Connection::call) waited are returned first, in
    /// order.
    ///
    /// # Errors
    ///
    /// Returns a [`ReceiveError`]. No further message can be received, and later calls return `None`.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. No message is lost.
    #[inline]
    pub fn receive(&mut self) -> impl Future<Output = Result<Option<Message>, ReceiveError>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx).map(Option::transpose))
    }
}

impl Stream for OwnedReadHalf {
    type Item = Result<Message, ReceiveError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        match this.take_kept() {
            Some(message) => Poll::Ready(Some(Ok(message))),
            None => this.poll_arriving(cx),
        }
    }
}

/// Returns the name that the reply to `Hello` gives this client.
fn unique_name(reply: &Message) -> Option<&str> {
    let is_return = reply.header().message_type() == MessageType::MethodReturn;
    reply
        .first_string()
        .filter(|name| is_return && name.starts_with(':') && is_bus_name(name.as_bytes()))
}
