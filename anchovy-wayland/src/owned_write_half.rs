//! The sending half of a connection.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use anchovy::WAYLAND_SCM_RIGHTS;
use anchovy::codec::{self, FramedWrite};
use futures_sink::Sink;

use crate::codec::Codec;
use crate::error::send_error::{SendError, SendErrorKind};
use crate::wire::body::Body;
use crate::wire::header::{HEADER_BYTES, Header, LONGEST_MESSAGE};
use crate::wire::message::Message;
use crate::wire::wire_error::WireError;

/// The [`Sink`] of messages that [`Connection::into_split`](crate::Connection::into_split) makes.
///
/// That of a client (`OwnedWriteHalf<Objects>`) [creates](OwnedWriteHalf::create) objects; it shares
/// the ids with the read half. That of a compositor or a proxy is an `OwnedWriteHalf`.
///
/// Dropping it closes what has not left and shuts the write side down.
#[derive(Debug)]
pub struct OwnedWriteHalf<I = ()> {
    pub(crate) framed: FramedWrite<WAYLAND_SCM_RIGHTS, Codec<()>>,
    pub(crate) ids: I,
    refused: Refused,
}

/// What becomes of a message whose descriptors the kernel refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// It is returned, and the messages after it leave without it.
    Returned,
    /// It stays at its place in the queue. A client needs this: a message may create an object, and the
    /// compositor must see the ids in the order in which they were taken.
    Queued,
}

impl<I> OwnedWriteHalf<I> {
    pub(crate) fn new(
        framed: FramedWrite<WAYLAND_SCM_RIGHTS, Codec<()>>,
        ids: I,
        refused: Refused,
    ) -> OwnedWriteHalf<I> {
        OwnedWriteHalf { framed, ids, refused }
    }

    /// Makes the error of this half, with the message if its descriptors were refused.
    fn failed(&mut self, error: FramedError) -> SendError {
        let unsent = match (&error.kind, self.refused) {
            (
                codec::SendErrorKind::FdsRefusedByPeer { .. }
                | codec::SendErrorKind::TooManyFdsInFlight { .. },
                Refused::Returned,
            ) => self.take_refused(),
            _ => None,
        };
        SendError { unsent, kind: SendErrorKind::from_codec(error.kind) }
    }

    /// Takes the message at the head of the queue back, if none of it has left and it has descriptors.
    pub(crate) fn take_refused(&mut self) -> Option<Box<Message>> {
        let refused = self.framed.take_refused()?;
        // They are the bytes of a message that was checked when it was taken.
        let Header { object, opcode, .. } =
            Header::parse(&refused.bytes, LONGEST_MESSAGE).ok()??;
        let arguments = Body::new(refused.bytes.slice(HEADER_BYTES..));
        Some(Box::new(Message::received(object, opcode, arguments, refused.fds)))
    }

    /// Returns the number of bytes of messages that have not left.
    pub fn unsent_bytes(&self) -> usize {
        self.framed.unsent_bytes()
    }
}

impl<I: Unpin> OwnedWriteHalf<I> {
    /// Sends a message, and waits until it has left.
    ///
    /// # Errors
    ///
    /// [`SendError`]. A message that was refused is in it: this one, or one before it. On a client, a
    /// message whose descriptors the kernel refuses stays in the queue instead, see
    /// [`SendErrorKind::TooManyFdsInFlight`]. If a flush that makes room fails otherwise, this message is
    /// in the error.
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
        poll_fn(move |cx| self.poll_feed(cx, &mut message))
    }

    /// Takes the message once there is room for it.
    #[inline]
    pub(crate) fn poll_feed(
        &mut self,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<Result<(), SendError>> {
        let ready = ready!(Pin::new(&mut *self).poll_ready(cx));
        let message = message.take().expect("it is not polled again");
        match ready {
            Ok(()) => Poll::Ready(Pin::new(self).start_send(message)),
            Err(error) => Poll::Ready(Err(with_unsent(error, message))),
        }
    }

    /// Waits until all messages have left.
    ///
    /// # Errors
    ///
    /// [`SendErrorKind::Io`] if the socket failed. If the kernel refused the descriptors of a message,
    /// that message is in the error, and the next flush goes on with the messages after it. On a
    /// client, the message stays in the queue, and the next flush tries it again.
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
}

/// Returns a message that was not taken, if the message that was refused is not returned.
fn with_unsent(error: SendError, message: Message) -> SendError {
    let SendError { unsent, kind } = error;
    SendError { unsent: unsent.or_else(|| Some(Box::new(message))), kind }
}

/// The error of the framed stream.
type FramedError = codec::SendError<Message, codec::SendErrorKind<WireError>>;

impl<I: Unpin> Sink<Message> for OwnedWriteHalf<I> {
    type Error = SendError;

    #[inline]
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let this = self.get_mut();
        Pin::new(&mut this.framed).poll_ready(cx).map_err(|error| this.failed(error))
    }

    #[inline]
    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), SendError> {
        Pin::new(&mut self.get_mut().framed).start_send(message).map_err(
            |FramedError { unsent, kind }| SendError {
                unsent: unsent.map(Box::new),
                kind: SendErrorKind::from_codec(kind),
            },
        )
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let this = self.get_mut();
        let outcome = Sink::<Message>::poll_flush(Pin::new(&mut this.framed), cx);
        outcome.map_err(|error| this.failed(error))
    }

    /// Flushes, and tells the peer that nothing more will come.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let this = self.get_mut();
        let outcome = Sink::<Message>::poll_close(Pin::new(&mut this.framed), cx);
        outcome.map_err(|error| this.failed(error))
    }
}
