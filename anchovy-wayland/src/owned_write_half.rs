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
/// Dropping it closes what has not left and shuts the write side down.
#[derive(Debug)]
pub struct OwnedWriteHalf {
    pub(crate) framed: FramedWrite<WAYLAND_SCM_RIGHTS, Codec<()>>,
}

impl OwnedWriteHalf {
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
    /// were, and the next flush goes on with what is after it.
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

    /// Makes the error of this half, with the message if its descriptors were refused.
    fn failed(&mut self, error: FramedError) -> SendError {
        let refused = match error.kind {
            codec::SendErrorKind::FdsRefusedByPeer { .. }
            | codec::SendErrorKind::TooManyFdsInFlight { .. } => self.framed.take_refused(),
            _ => None,
        };
        let unsent = refused.and_then(|refused| {
            // They are the bytes of a message that was checked when it was taken.
            let Header { object, opcode, .. } =
                Header::parse(&refused.bytes, LONGEST_MESSAGE).ok()??;
            let arguments = Body::new(refused.bytes.slice(HEADER_BYTES..));
            Some(Message::received(object, opcode, arguments, refused.fds))
        });
        SendError { unsent: unsent.map(Box::new), kind: SendErrorKind::from_codec(error.kind) }
    }
}

/// The error of the framed stream.
type FramedError = codec::SendError<Message, codec::SendErrorKind<WireError>>;

impl Sink<Message> for OwnedWriteHalf {
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
