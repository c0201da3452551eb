//! The receiving half of a connection.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use anchovy::WAYLAND_SCM_RIGHTS;
use anchovy::codec::FramedRead;
use futures_core::Stream;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use tokio::task::coop::{has_budget_remaining, poll_proceed};

use crate::codec::Codec;
use crate::display_error::DisplayError;
use crate::error::receive_error::ReceiveError;
use crate::inbox::Inbox;
use crate::kept::KeptBound;
use crate::objects::Objects;
use crate::signature_source::{Admission, Origin, SignatureSource};
use crate::signatures::Signatures;
use crate::wire::message::Message;
use crate::wire::object_id::ObjectId;

/// The receiving half of a connection, from
/// [`Connection::into_split`](crate::Connection::into_split): a [`Stream`] of messages.
///
/// The read half of a client (`OwnedReadHalf<Objects>`) applies `wl_display.delete_id`, which frees an id
/// for the write half, and returns `wl_display.error` as [`ReceiveError::Display`]. If the compositor has
/// closed the connection, the methods of the write half return the error of the socket, for example
/// `EPIPE`: they do not read, and so do not know of a `wl_display.error`.
#[derive(Debug)]
pub struct OwnedReadHalf<G = Objects> {
    pub(crate) framed: FramedRead<WAYLAND_SCM_RIGHTS, Codec<G>>,
    /// `Some` on a client.
    inbox: Option<Box<Inbox>>,
    /// Messages since the last one that counted against the budget of the task.
    uncounted: u8,
}

/// Number of received messages that count as one operation against the budget of the task.
///
/// One read can return hundreds of messages. If only reads counted, other tasks would wait until thousands of
/// messages are handled. Receiving four of them takes less time than a system call.
const MESSAGES_PER_OPERATION: u8 = 4;

/// The error of receiving a message of an internal object.
#[derive(Debug)]
pub(crate) enum WaitError {
    /// The compositor reported an error.
    Display(DisplayError),
    /// Receiving failed.
    Receive(ReceiveError),
    /// The compositor closed the connection.
    Closed,
    /// The kept messages exceed a limit.
    Kept(KeptBound),
}

impl<G> OwnedReadHalf<G> {
    pub(crate) fn new(
        framed: FramedRead<WAYLAND_SCM_RIGHTS, Codec<G>>,
        inbox: Option<Box<Inbox>>,
    ) -> OwnedReadHalf<G> {
        OwnedReadHalf { framed, inbox, uncounted: 0 }
    }

    pub(crate) fn reply_timeout(&self) -> Option<Duration> {
        self.inbox.as_ref()?.reply_timeout
    }

    /// Fails if the kept messages exceed a limit.
    pub(crate) fn check_kept(&self) -> Result<(), WaitError> {
        self.inbox.as_ref().map_or(Ok(()), |inbox| inbox.kept.check()).map_err(WaitError::Kept)
    }

    /// Returns the framed stream and the kept messages, which were received before.
    pub(crate) fn into_framed_and_kept(
        self,
    ) -> (FramedRead<WAYLAND_SCM_RIGHTS, Codec<G>>, VecDeque<Message>) {
        (self.framed, self.inbox.map(|inbox| inbox.kept.into_messages()).unwrap_or_default())
    }
}

impl<G: SignatureSource + Unpin> OwnedReadHalf<G> {
    /// Receives the next message. Returns `None` if the peer has closed the connection after a complete
    /// message.
    ///
    /// # Errors
    ///
    /// Returns a [`ReceiveError`], which ends receiving. Later calls return `None`.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, no message is lost.
    #[inline]
    pub fn receive(&mut self) -> impl Future<Output = Result<Option<Message>, ReceiveError>> {
        poll_fn(|cx| self.poll_message(cx))
    }

    #[inline]
    pub(crate) fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Message>, ReceiveError>> {
        loop {
            let OwnedReadHalf { framed, inbox, uncounted } = self;
            let Some(inbox) = inbox else { return poll_counted(framed, uncounted, cx) };
            let (message, origin) = if let Some(message) = inbox.kept.pop() {
                (message, Origin::Kept)
            } else if let Some(end) = &mut inbox.end {
                return Poll::Ready(end.unreported.take().map_or(Ok(None), Err));
            } else {
                match ready!(poll_counted(framed, uncounted, cx)) {
                    Ok(Some(message)) => (message, Origin::Socket),
                    end => return Poll::Ready(end),
                }
            };
            match framed.codec_mut().source.admit(&message, origin) {
                Ok(Admission::Event) => return Poll::Ready(Ok(Some(message))),
                admission => inbox.apply(admission),
            }
        }
    }

    /// Returns the next message if it has arrived already. Nothing is read from the socket.
    ///
    /// After a [`roundtrip`](crate::Connection::roundtrip), a loop over this method handles the events that
    /// arrived before the reply. The result is `None` if no complete message has been read, which is not the
    /// end of the connection.
    ///
    /// # Errors
    ///
    /// As [`receive`](Self::receive).
    pub fn next_buffered(&mut self) -> Option<Result<Message, ReceiveError>> {
        loop {
            let OwnedReadHalf { framed, inbox, .. } = self;
            let Some(inbox) = inbox else { return next_buffered(framed) };
            let (message, origin) = if let Some(message) = inbox.kept.pop() {
                (message, Origin::Kept)
            } else if let Some(end) = &mut inbox.end {
                return end.unreported.take().map(Err);
            } else {
                match next_buffered(framed)? {
                    Ok(message) => (message, Origin::Socket),
                    Err(error) => return Some(Err(error)),
                }
            };
            match framed.codec_mut().source.admit(&message, origin) {
                Ok(Admission::Event) => return Some(Ok(message)),
                admission => inbox.apply(admission),
            }
        }
    }

    /// Polls for the next message of an object that the connection itself has created. Keeps messages for
    /// the caller.
    pub(crate) fn poll_internal(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Message, WaitError>> {
        loop {
            let Some(inbox) = &mut self.inbox else {
                return Poll::Ready(Err(WaitError::Closed));
            };
            if let Some(end) = &inbox.end {
                return Poll::Ready(Err(match &end.display {
                    Some(error) => WaitError::Display(error.clone()),
                    None => WaitError::Closed,
                }));
            }
            // One read can return hundreds of messages, and the caller does not regain control between
            // them. So each counts against the budget of its task, not only each read.
            let turn = ready!(poll_proceed(cx));
            let arrived = ready!(poll_arrived(&mut self.framed, cx));
            turn.made_progress();
            let message = match arrived {
                Ok(None) => return Poll::Ready(Err(WaitError::Closed)),
                Err(error) => {
                    inbox.end_after(None);
                    return Poll::Ready(Err(WaitError::Receive(error)));
                }
                Ok(Some(message)) => message,
            };
            let is_first = inbox.kept.is_empty();
            let origin = if is_first { Origin::Socket } else { Origin::SocketAfterKept };
            match self.framed.codec_mut().source.admit(&message, origin) {
                Ok(Admission::Internal) => return Poll::Ready(Ok(message)),
                Ok(Admission::Handled) => {}
                Ok(Admission::Event) => {
                    inbox.kept.push(message);
                    if let Err(bound) = inbox.kept.check() {
                        return Poll::Ready(Err(WaitError::Kept(bound)));
                    }
                }
                // The next iteration returns it.
                Ok(Admission::Display(error)) => inbox.end_with(error),
                Err(error) => {
                    inbox.end_after(None);
                    return Poll::Ready(Err(WaitError::Receive(error.into())));
                }
            }
        }
    }

    /// Searches the messages that have arrived for the error that the compositor reported before it closed
    /// the connection. Keeps other messages, and does not wait for more bytes.
    pub(crate) fn poll_display_error(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<DisplayError>> {
        loop {
            if self.check_kept().is_err() {
                return Poll::Ready(None);
            }
            match self.poll_internal(cx) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(WaitError::Display(error))) => return Poll::Ready(Some(error)),
                Poll::Ready(Err(WaitError::Receive(error))) => {
                    // The caller receives this error next.
                    if let Some(inbox) = &mut self.inbox {
                        inbox.end_after(Some(error));
                    }
                    return Poll::Ready(None);
                }
                Poll::Ready(Err(WaitError::Closed | WaitError::Kept(_))) => {
                    return Poll::Ready(None);
                }
                // The task has used up its budget.
                Poll::Pending if !has_budget_remaining() => return Poll::Pending,
                // The socket is readable, and the runtime has not been notified yet.
                Poll::Pending if self.is_readable() => return Poll::Pending,
                // The compositor has shut down only its read side, and may never send anything.
                Poll::Pending => return Poll::Ready(None),
            }
        }
    }

    /// Returns whether a read of the socket would return bytes, the end of the stream or an error.
    fn is_readable(&self) -> bool {
        // With MSG_PEEK and no control buffer, the kernel keeps the descriptors of the message queued.
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        !matches!(recv(self.framed.get_ref(), &mut [0; 1], flags), Err(Errno::AGAIN))
    }
}

/// Polls as [`poll_arrived`] does, and counts messages against the budget of the task.
#[inline]
fn poll_counted<G: SignatureSource + Unpin>(
    framed: &mut FramedRead<WAYLAND_SCM_RIGHTS, Codec<G>>,
    uncounted: &mut u8,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<Message>, ReceiveError>> {
    if *uncounted >= MESSAGES_PER_OPERATION {
        ready!(poll_proceed(cx)).made_progress();
        *uncounted = 0;
    }
    *uncounted += 1;
    poll_arrived(framed, cx)
}

/// Returns the next message that was read from the socket.
fn next_buffered<G: SignatureSource + Unpin>(
    framed: &mut FramedRead<WAYLAND_SCM_RIGHTS, Codec<G>>,
) -> Option<Result<Message, ReceiveError>> {
    match framed.next_buffered()? {
        Ok(()) => framed.codec_mut().decoded.take().map(Ok),
        Err(error) => Some(Err(ReceiveError::from_codec(error, framed.codec().last))),
    }
}

/// Polls for the next message from the socket. Returns `None` at the end of the stream.
#[inline]
fn poll_arrived<G: SignatureSource + Unpin>(
    framed: &mut FramedRead<WAYLAND_SCM_RIGHTS, Codec<G>>,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<Message>, ReceiveError>> {
    match ready!(Pin::new(&mut *framed).poll_next(cx)) {
        Some(Ok(())) => Poll::Ready(Ok(framed.codec_mut().decoded.take())),
        None => Poll::Ready(Ok(None)),
        Some(Err(error)) => Poll::Ready(Err(ReceiveError::from_codec(error, framed.codec().last))),
    }
}

impl<G: Signatures> OwnedReadHalf<G> {
    /// Returns the [`Signatures`] of the connection.
    #[inline]
    pub fn signatures(&self) -> &G {
        &self.framed.codec().source
    }

    /// Returns the [`Signatures`] of the connection mutably.
    #[inline]
    pub fn signatures_mut(&mut self) -> &mut G {
        &mut self.framed.codec_mut().source
    }

    /// Converts the [`Signatures`] of the connection.
    pub fn map_signatures<H: Signatures>(self, map: impl FnOnce(G) -> H) -> OwnedReadHalf<H> {
        let OwnedReadHalf { framed, inbox, uncounted } = self;
        OwnedReadHalf { framed: framed.map_codec(|codec| codec.map(map)), inbox, uncounted }
    }
}

impl OwnedReadHalf<Objects> {
    /// Returns the interface of an object: of the display, or of an object that this client has created.
    /// Returns `None` if there is no such object with this id.
    ///
    /// The interface is recorded until the compositor sends `wl_display.delete_id` for the object.
    pub fn interface(&self, id: ObjectId) -> Option<Cow<'static, str>> {
        self.framed.codec().source.interface(id.get())
    }

    /// Sets the number of descriptors of events that are not in the table [`fds`](mod@crate::fds), such as
    /// those of unpublished interfaces.
    ///
    /// `count` returns the number of descriptors. It is called with the interface and the opcode of each event
    /// that is not in the table and whose object this client has created. The table contains only events with
    /// descriptors. So `count` is also called for published events without descriptors, and must return 0 for
    /// them. Call this method before you create objects of unpublished interfaces.
    pub fn set_event_fds(&mut self, count: impl Fn(&str, u16) -> usize + Send + Sync + 'static) {
        self.framed.codec_mut().source.set_event_fds(count);
    }

    pub(crate) fn objects(&self) -> &Objects {
        &self.framed.codec().source
    }
}

impl<G: SignatureSource + Unpin> Stream for OwnedReadHalf<G> {
    type Item = Result<Message, ReceiveError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_message(cx).map(Result::transpose)
    }
}
