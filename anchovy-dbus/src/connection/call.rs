//! Calls that wait for their reply.

use std::future::{Future, poll_fn};
use std::io;
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::time::sleep;

use super::abandoned_calls::AbandonedCalls;
use super::duplex::Connection;
use crate::bus::hello_call;
use crate::error::call_error::CallError;
use crate::error::error_reply::ErrorReply;
use crate::error::receive_error::ReceiveError;
use crate::error::send_error::{SendError, SendErrorKind};
use crate::message::content::Message;
use crate::message::flags::Flags;
use crate::message::message_type::MessageType;

impl Connection {
    /// Sends a method call and waits for its reply.
    ///
    /// Messages that arrive before the reply are kept in order. [`receive`](Self::receive) and the
    /// [`Stream`](futures_core::Stream) return them before all others. The connection reads while it
    /// writes, so a call also succeeds if the peer does not read until its own messages are read.
    ///
    /// The connection does not reply to calls of the peer. So a call to the
    /// [`unique_name`](Self::unique_name) of this connection times out, and `receive` returns the call
    /// afterwards. Use `send` and `receive` for such calls.
    ///
    /// # Errors
    ///
    /// Returns [`CallError::ErrorReply`] if the reply is an error. For the other errors, see the tables
    /// in the [crate documentation](crate#calls). If the call was refused before it was sent,
    /// [`CallError::into_unsent`] returns the message.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with time enabled, if
    /// [`Limits::reply_timeout`](crate::Limits::reply_timeout) is set.
    ///
    /// # Cancel safety
    ///
    /// No received message is lost. If the future is dropped while it waits for room in the buffer
    /// ([`Limits::max_buffered_bytes`](crate::Limits::max_buffered_bytes)), the message is dropped and
    /// never sent. If the future is dropped later, the message was sent, or is sent with the next flush.
    /// Its reply is then discarded, and the descriptors of the reply are closed: neither another call nor
    /// `receive` returns it. The reply to a call that timed out is discarded in the same way.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use anchovy_dbus::{Client, Message};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let mut bus = Client::session().await?;
    /// let call = Message::method_call("/org/freedesktop/DBus", "GetId")
    ///     .interface("org.freedesktop.DBus")
    ///     .destination("org.freedesktop.DBus")
    ///     .build()?;
    /// let reply = bus.call(call).await?;
    /// assert_eq!(reply.header().signature(), "s");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn call(&mut self, message: Message) -> Result<Message, CallError> {
        let mut message = Some(self.check_call(message)?);
        let mut call = PendingCall::new(self, None);
        call.within_timeout(|call, cx| {
            if message.is_some() {
                match call.poll_take(cx, &mut message) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => return Poll::Pending,
                }
            }
            call.poll_reply(cx)
        })
        .await
    }

    /// Calls `Hello` and returns the unique name that the bus gives this client. `Hello` must be the
    /// first message to a bus.
    ///
    /// If the name is known, this method returns it and sends nothing. If `Hello` has been sent and its
    /// reply has not arrived, this method waits for the reply.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`call`](Self::call), or [`CallError::NoUniqueName`] if the reply contains
    /// no unique name.
    ///
    /// # Panics
    ///
    /// Panics in the same cases as [`call`](Self::call).
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, the next call of this method continues to
    /// wait for the reply.
    pub async fn hello(&mut self) -> Result<&str, CallError> {
        if self.unique_name().is_none() {
            let reply = match self.read.peer().hello() {
                Some(serial) => self.wait_for_reply(serial).await?,
                None => self.call(hello_call()).await?,
            };
            if !self.read.note_name(&reply) {
                return Err(CallError::NoUniqueName { reply: Box::new(reply) });
            }
        }
        Ok(self.unique_name().unwrap_or_default())
    }

    /// Waits for the reply to a call that was sent with this serial.
    async fn wait_for_reply(&mut self, serial: NonZeroU32) -> Result<Message, CallError> {
        if let Some(abandoned) = self.read.abandoned() {
            abandoned.remove(serial);
        }
        let mut call = PendingCall::new(self, Some(serial));
        call.within_timeout(PendingCall::poll_reply).await
    }

    /// Returns the message if it is a method call that can be sent now.
    fn check_call(&mut self, message: Message) -> Result<Message, CallError> {
        if message.header().message_type() != MessageType::MethodCall {
            return Err(CallError::NotACall { unsent: Box::new(message) });
        }
        if message.header().flags().contains(Flags::NO_REPLY_EXPECTED) {
            return Err(CallError::NoReplyExpected { unsent: Box::new(message) });
        }
        let limit = self.read.limits().max_abandoned_calls.max(1);
        if self.read.abandoned().is_some_and(|abandoned| abandoned.len() >= limit) {
            return Err(CallError::TooManyAbandonedCalls { limit, unsent: Box::new(message) });
        }
        match self.read.reached_limit() {
            Some(kept) => Err(CallError::TooMuchKept { kept, unsent: Some(Box::new(message)) }),
            None => Ok(message),
        }
    }

    /// Marks a call as abandoned, so that its reply is discarded.
    fn abandon(&mut self, serial: NonZeroU32) {
        let abandoned = match self.read.abandoned() {
            Some(abandoned) => Arc::clone(abandoned),
            None => {
                let abandoned = Arc::new(AbandonedCalls::default());
                self.read.set_abandoned(Arc::clone(&abandoned));
                self.write.set_abandoned(Arc::clone(&abandoned));
                abandoned
            }
        };
        abandoned.insert(serial);
    }
}

/// A call without its reply. Dropping it abandons the call.
struct PendingCall<'a> {
    connection: &'a mut Connection,
    /// The serial, from the time when the message is accepted until the reply can no longer arrive.
    serial: Option<NonZeroU32>,
    is_flushed: bool,
    /// The error of the socket, while the reply may still be in the receive buffer.
    failed: Option<SendError>,
}

impl<'a> PendingCall<'a> {
    fn new(connection: &'a mut Connection, serial: Option<NonZeroU32>) -> PendingCall<'a> {
        PendingCall { connection, serial, is_flushed: false, failed: None }
    }

    /// Polls with `poll` until it is ready, or until the timeout of a call.
    async fn within_timeout(
        &mut self,
        mut poll: impl FnMut(&mut Self, &mut Context<'_>) -> Poll<Result<Message, CallError>>,
    ) -> Result<Message, CallError> {
        let timeout = self.connection.read.limits().reply_timeout;
        let mut deadline = pin!(timeout.map(sleep));
        poll_fn(|cx| {
            // A reply that arrived in time is returned even if this future is polled late.
            if let Poll::Ready(outcome) = poll(self, cx) {
                return Poll::Ready(outcome);
            }
            let (Some(deadline), Some(timeout)) = (deadline.as_mut().as_pin_mut(), timeout) else {
                return Poll::Pending;
            };
            deadline.poll(cx).map(|()| Err(CallError::Timeout { timeout }))
        })
        .await
    }

    /// Waits for room in the buffer, and adds the message to it.
    fn poll_take(
        &mut self,
        cx: &mut Context<'_>,
        message: &mut Option<Message>,
    ) -> Poll<Result<(), CallError>> {
        match self.connection.write.poll_room(cx) {
            Poll::Ready(Ok(())) => {
                self.serial = Some(self.connection.write.take(message)?);
                return Poll::Ready(Ok(()));
            }
            Poll::Ready(Err(kind)) => {
                let unsent = message.take().map(Box::new);
                return Poll::Ready(Err(SendError { unsent, kind }.into()));
            }
            Poll::Pending => {}
        }
        // The peer may make no room before it has been read from. There is no reply yet.
        match self.poll_read(cx) {
            Poll::Ready(Err(CallError::TooMuchKept { kept, .. })) => {
                let unsent = message.take().map(Box::new);
                Poll::Ready(Err(CallError::TooMuchKept { kept, unsent }))
            }
            Poll::Ready(outcome) => Poll::Ready(outcome.map(|_| ())),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Sends the rest of the buffer, and waits for the reply.
    fn poll_reply(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, CallError>> {
        if !self.is_flushed && self.failed.is_none() {
            match self.connection.write.poll_all(cx) {
                Poll::Ready(Ok(())) => self.is_flushed = true,
                Poll::Ready(Err(error)) => self.send_failed(error)?,
                Poll::Pending => {}
            }
        }
        let read = self.poll_read(cx);
        match (read, self.failed.take()) {
            (Poll::Pending, Some(error)) => Poll::Ready(Err(error.into())),
            (read, _) => read,
        }
    }

    fn send_failed(&mut self, error: SendError) -> Result<(), CallError> {
        if matches!(error.kind, SendErrorKind::Io(_) | SendErrorKind::ClosedBeforeHello) {
            // The peer may have replied before it closed the connection.
            self.failed = Some(error);
            return Ok(());
        }
        if error.unsent.as_ref().is_some_and(|unsent| unsent.serial() == self.serial) {
            self.serial = None;
        }
        Err(error.into())
    }

    /// Reads until the reply arrives, and keeps other messages.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, CallError>> {
        loop {
            let read = &mut self.connection.read;
            if let Some(kept) = read.reached_limit() {
                return Poll::Ready(Err(CallError::TooMuchKept { kept, unsent: None }));
            }
            let message = match read.poll_arriving(cx) {
                Poll::Ready(Some(Ok(message))) => message,
                Poll::Ready(ended) => {
                    self.serial = None;
                    let error = match ended {
                        // The peer closed its socket before it had read everything.
                        Some(Err(ReceiveError::Io(error))) if is_reset(&error) => CallError::Closed,
                        Some(Err(error)) => error.into(),
                        _ => CallError::Closed,
                    };
                    return Poll::Ready(Err(error));
                }
                Poll::Pending => return Poll::Pending,
            };
            if self.serial.is_none() || message.replies_to() != self.serial {
                read.keep(message);
                continue;
            }
            self.serial = None;
            return Poll::Ready(match message.header().message_type() {
                MessageType::Error => Err(CallError::ErrorReply(ErrorReply::from_error(message))),
                _ => Ok(message),
            });
        }
    }
}

fn is_reset(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ConnectionReset
}

impl Drop for PendingCall<'_> {
    fn drop(&mut self) {
        if let Some(serial) = self.serial {
            self.connection.abandon(serial);
        }
    }
}
