//! The sending half of a connection.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use anchovy::WAYLAND_SCM_RIGHTS;
use anchovy::codec::{self, FramedWrite};
use futures_sink::Sink;
use tokio::task::coop::poll_proceed;

use crate::codec::Codec;
use crate::error::send_error::{SendError, SendErrorKind};
use crate::wire::body::Body;
use crate::wire::header::{HEADER_BYTES, Header, LONGEST_MESSAGE};
use crate::wire::message::Message;
use crate::wire::wire_error::WireError;

/// The sending half of a connection, from
/// [`Connection::into_split`](crate::Connection::into_split): a [`Sink`] of messages.
///
/// The write half of a client (`OwnedWriteHalf<Objects>`) [creates](OwnedWriteHalf::create) objects, and
/// shares the ids with the read half. The write half of a compositor or a proxy is an `OwnedWriteHalf<()>`.
///
/// Dropping the half closes the descriptors of unsent messages and shuts down the write side of the socket.
#[derive(Debug)]
pub struct OwnedWriteHalf<I = ()> {
    pub(crate) framed: Framed,
    pub(crate) ids: I,
    refused: Refused,
}

/// The framed stream that sends messages.
type Framed = FramedWrite<WAYLAND_SCM_RIGHTS, Codec<()>>;

/// The handling of a message whose descriptors the kernel refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The error contains the message, and the messages after it can be sent.
    Returned,
    /// The message stays in the send buffer. A client requires this, because the message may create an
    /// object, and the compositor must receive the ids in the order in which they were allocated.
    Queued,
}

impl<I> OwnedWriteHalf<I> {
    pub(crate) fn new(framed: Framed, ids: I, refused: Refused) -> OwnedWriteHalf<I> {
        OwnedWriteHalf { framed, ids, refused }
    }

    /// Converts the error of the framed stream, and adds the message if its descriptors were refused.
    #[cold]
    fn failed(&mut self, error: FramedError<'_>) -> SendError {
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

    /// Takes the first message of the send buffer, if it has descriptors and no byte of it was sent.
    pub(crate) fn take_refused(&mut self) -> Option<Box<Message>> {
        let refused = self.framed.take_refused()?;
        // The header is valid: the message was checked when it was added to the send buffer.
        let Header { object, opcode, .. } =
            Header::parse(&refused.bytes, LONGEST_MESSAGE).ok()??;
        let arguments = Body::new(refused.bytes.slice(HEADER_BYTES..));
        Some(Box::new(Message::received(object, opcode, arguments, refused.fds)))
    }

    /// Returns the number of bytes of messages that have not been sent.
    pub fn unsent_bytes(&self) -> usize {
        self.framed.unsent_bytes()
    }
}

impl<I: Unpin> OwnedWriteHalf<I> {
    /// Sends a message and waits until it has been sent.
    ///
    /// # Errors
    ///
    /// Returns a [`SendError`]. In this table, the new message is the message that was passed to this method,
    /// and an earlier message is one that was in the send buffer before.
    ///
    /// | Cause | `unsent` | `unsent` on a client |
    /// |---|---|---|
    /// | The new message exceeds a limit, or descriptors were taken from it | the new message | the new message |
    /// | The socket failed before there was room for the new message | the new message | the new message |
    /// | The socket failed after the new message was added to the send buffer | `None` | `None` |
    /// | The kernel refused the descriptors of the new message | the new message | `None` |
    /// | The kernel refused the descriptors of an earlier message before there was room for the new message | the earlier message; the new message is dropped, and its descriptors are closed | the new message |
    /// | The kernel refused the descriptors of an earlier message after the new message was added to the send buffer | the earlier message; the new message stays in the send buffer | `None` |
    ///
    /// On a client, a message whose descriptors the kernel refused stays in the send buffer; see
    /// [`SendErrorKind::TooManyFdsInFlight`].
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before there was room for the message, the message is dropped. If it is
    /// dropped later, the next flush sends the message.
    pub async fn send(&mut self, message: Message) -> Result<(), SendError> {
        let mut message = Some(message);
        let fed = poll_fn(|cx| {
            // Besides the write: a task that answers each of many small messages would otherwise have a
            // long turn.
            let turn = ready!(poll_proceed(cx));
            let fed = ready!(self.poll_feed(cx, &mut message));
            turn.made_progress();
            Poll::Ready(fed)
        });
        fed.await?;
        self.flush().await
    }

    /// Adds a message to the send buffer. The next [`flush`](Self::flush) or an earlier write sends it.
    ///
    /// Waits while the send buffer is full
    /// ([`max_buffered_bytes`](crate::Limits::max_buffered_bytes),
    /// [`max_buffered_fds`](crate::Limits::max_buffered_fds)).
    ///
    /// # Errors
    ///
    /// Returns the errors of [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the message is dropped and was not added.
    #[inline]
    pub fn feed(&mut self, message: Message) -> impl Future<Output = Result<(), SendError>> {
        let mut message = Some(message);
        poll_fn(move |cx| self.poll_feed(cx, &mut message))
    }

    /// Adds the message to the send buffer when there is room for it.
    #[inline]
    pub(crate) fn poll_feed(
        &mut self,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<Result<(), SendError>> {
        let ready = ready!(Pin::new(&mut *self).poll_ready(cx));
        let borrowed = message.as_mut().expect("the future is not polled after completion");
        // The message is not moved: usually it is accepted, and only its descriptors leave it.
        if let Err(error) = ready {
            return Poll::Ready(Err(with_unsent(error, message.take())));
        }
        if let Err(error) = accept(&mut self.framed, borrowed) {
            return Poll::Ready(Err(with_unsent(error, message.take())));
        }
        *message = None;
        Poll::Ready(Ok(()))
    }

    /// Waits until all messages have been sent.
    ///
    /// # Errors
    ///
    /// Returns [`SendErrorKind::Io`] if the socket failed.
    ///
    /// If the kernel refused the descriptors of a message, the error contains that message, and the next
    /// flush sends the messages after it. On a client, the message stays in the send buffer, and the next
    /// flush tries to send it again.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, no message is lost.
    pub async fn flush(&mut self) -> Result<(), SendError> {
        poll_fn(|cx| Pin::new(&mut *self).poll_flush(cx)).await
    }

    /// Flushes, and then shuts down the write side of the socket.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`flush`](Self::flush).
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, no message is lost.
    pub async fn shutdown(&mut self) -> Result<(), SendError> {
        poll_fn(|cx| Pin::new(&mut *self).poll_close(cx)).await
    }
}

/// Adds the message to the send buffer and takes its descriptors, or returns an error without it.
#[inline]
fn accept(framed: &mut Framed, message: &mut Message) -> Result<(), SendError> {
    match Pin::new(framed).start_send(message) {
        Ok(()) => Ok(()),
        Err(FramedError { kind, .. }) => {
            Err(SendError { unsent: None, kind: SendErrorKind::from_codec(kind) })
        }
    }
}

/// Adds the message to the send buffer, or returns it in the error.
#[inline]
pub(crate) fn enqueue(framed: &mut Framed, mut message: Message) -> Result<(), SendError> {
    match accept(framed, &mut message) {
        Ok(()) => Ok(()),
        Err(error) => Err(with_unsent(error, Some(message))),
    }
}

/// Adds the message to the error, unless the error contains a refused message.
#[cold]
fn with_unsent(error: SendError, message: Option<Message>) -> SendError {
    let SendError { unsent, kind } = error;
    SendError { unsent: unsent.or_else(|| message.map(Box::new)), kind }
}

/// The error of the framed stream, which does not own the message.
type FramedError<'a> = codec::SendError<&'a mut Message, codec::SendErrorKind<WireError>>;

impl<I: Unpin> Sink<Message> for OwnedWriteHalf<I> {
    type Error = SendError;

    #[inline]
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let this = self.get_mut();
        match ready!(Sink::<&mut Message>::poll_ready(Pin::new(&mut this.framed), cx)) {
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(this.failed(error))),
        }
    }

    #[inline]
    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), SendError> {
        enqueue(&mut self.get_mut().framed, message)
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let this = self.get_mut();
        let outcome = Sink::<&mut Message>::poll_flush(Pin::new(&mut this.framed), cx);
        outcome.map_err(|error| this.failed(error))
    }

    /// Flushes, and then shuts down the write side of the socket.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let this = self.get_mut();
        let outcome = Sink::<&mut Message>::poll_close(Pin::new(&mut this.framed), cx);
        outcome.map_err(|error| this.failed(error))
    }
}
