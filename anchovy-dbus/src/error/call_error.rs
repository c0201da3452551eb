//! The error of a call.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use super::error_reply::ErrorReply;
use super::kept_limit::KeptLimit;
use super::receive_error::ReceiveError;
use super::send_error::{SendError, SendErrorKind};
use crate::message::content::Message;

/// The error of a [call](crate::Connection::call).
///
/// If the call was refused before it was sent, [`into_unsent`](Self::into_unsent) returns the message.
#[derive(Debug)]
#[non_exhaustive]
pub enum CallError {
    /// The peer replied with an error.
    ErrorReply(ErrorReply),
    /// The reply did not arrive in time
    /// ([`Limits::reply_timeout`](crate::Limits::reply_timeout)).
    ///
    /// A late reply is discarded.
    Timeout {
        /// Time that the call waited.
        timeout: Duration,
    },
    /// The message is not a method call, so it has no reply.
    NotACall {
        /// The message, which was not sent.
        unsent: Box<Message>,
    },
    /// The message has the flag
    /// [`NO_REPLY_EXPECTED`](crate::Flags::NO_REPLY_EXPECTED), so it has no reply.
    NoReplyExpected {
        /// The message, which was not sent.
        unsent: Box<Message>,
    },
    /// The number of earlier calls that ended without their reply has reached
    /// [`Limits::max_abandoned_calls`](crate::Limits::max_abandoned_calls).
    TooManyAbandonedCalls {
        /// The limit.
        limit: usize,
        /// The message, which was not sent.
        unsent: Box<Message>,
    },
    /// Messages that arrived while a call waited have reached a limit.
    ///
    /// [`receive`](crate::Connection::receive) returns them in order, and the connection stays usable.
    /// A late reply is discarded.
    TooMuchKept {
        /// The limit that was reached.
        kept: KeptLimit,
        /// The message, if it was not sent.
        unsent: Option<Box<Message>>,
    },
    /// The call, or a message that was fed before it, could not be sent.
    Send(SendError),
    /// Receiving failed. No more messages can be received.
    Receive(ReceiveError),
    /// The peer closed the connection before it replied. It may have done so before it read all
    /// messages (`ECONNRESET`).
    Closed,
    /// A bus closed the connection because the first message was not `Hello`.
    ///
    /// This error is returned if the peer closed the connection before it sent any message, and the
    /// first message of this client with the header field `DESTINATION` was not `Hello`.
    ClosedBeforeHello,
    /// The reply to `Hello` contains no unique name.
    NoUniqueName {
        /// The reply.
        reply: Box<Message>,
    },
}

impl CallError {
    /// Returns the unsent message that the error contains, with its descriptors, if there is one. Nothing of
    /// this message was sent.
    ///
    /// This is the message of the call. Only with [`Send`](Self::Send), it can also be a message that was
    /// fed before the call; compare the serials. In that case, the call is sent with the next flush, and its
    /// reply is discarded.
    pub fn into_unsent(self) -> Option<Message> {
        match self {
            CallError::NotACall { unsent }
            | CallError::NoReplyExpected { unsent }
            | CallError::TooManyAbandonedCalls { unsent, .. } => Some(*unsent),
            CallError::TooMuchKept { unsent, .. } => unsent.map(|message| *message),
            CallError::Send(error) => error.unsent.map(|message| *message),
            _ => None,
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::ErrorReply(error) => error.fmt(f),
            CallError::Timeout { timeout } => {
                write!(f, "the peer did not reply to the call within {timeout:?}")
            }
            CallError::NotACall { unsent } => write!(
                f,
                "cannot wait for the reply to {}, only a method call has one; use `send`",
                unsent.header().message_type()
            ),
            CallError::NoReplyExpected { .. } => f.write_str(
                "cannot wait for the reply to a method call with the flag NO_REPLY_EXPECTED; use \
                 `send`",
            ),
            CallError::TooManyAbandonedCalls { limit, .. } => write!(
                f,
                "{limit} earlier calls ended without their reply, which is the limit; use another \
                 connection"
            ),
            CallError::TooMuchKept { kept, .. } => {
                write!(f, "{kept}; receive the messages, then call again")
            }
            CallError::Send(error) => error.fmt(f),
            CallError::Receive(error) => error.fmt(f),
            CallError::Closed => f.write_str("the peer closed the connection before it replied"),
            CallError::ClosedBeforeHello => ReceiveError::ClosedBeforeHello.fmt(f),
            CallError::NoUniqueName { reply } => {
                f.write_str("the reply to Hello contains no unique name, its ")?;
                match reply.first_string() {
                    Some(text) => {
                        let start: String = text.chars().take(64).collect();
                        write!(f, "first argument is {start:?}")?;
                    }
                    None => write!(f, "signature is {:?}", reply.header().signature())?,
                }
                f.write_str("; connect to a bus")
            }
        }
    }
}

impl Error for CallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // The text of this error is their text.
            CallError::ErrorReply(error) => error.source(),
            CallError::Send(error) => error.source(),
            CallError::Receive(error) => error.source(),
            _ => None,
        }
    }
}

impl From<SendError> for CallError {
    fn from(error: SendError) -> CallError {
        match error.kind {
            SendErrorKind::ClosedBeforeHello => CallError::ClosedBeforeHello,
            _ => CallError::Send(error),
        }
    }
}

impl From<ReceiveError> for CallError {
    fn from(error: ReceiveError) -> CallError {
        match error {
            ReceiveError::ClosedBeforeHello => CallError::ClosedBeforeHello,
            error => CallError::Receive(error),
        }
    }
}

impl CallError {
    pub(crate) fn io_kind(&self) -> io::ErrorKind {
        match self {
            CallError::ErrorReply(error) => error.io_kind(),
            CallError::Send(error) => error.kind.io_kind(),
            CallError::Receive(error) => error.io_kind(),
            CallError::Timeout { .. } => io::ErrorKind::TimedOut,
            CallError::NotACall { .. } | CallError::NoReplyExpected { .. } => {
                io::ErrorKind::InvalidInput
            }
            CallError::TooManyAbandonedCalls { .. } | CallError::TooMuchKept { .. } => {
                io::ErrorKind::QuotaExceeded
            }
            CallError::Closed | CallError::ClosedBeforeHello => io::ErrorKind::UnexpectedEof,
            CallError::NoUniqueName { .. } => io::ErrorKind::InvalidData,
        }
    }
}

impl From<CallError> for io::Error {
    fn from(error: CallError) -> io::Error {
        match error {
            CallError::ErrorReply(error) => error.into(),
            CallError::Send(error) => error.into(),
            CallError::Receive(error) => error.into(),
            error => io::Error::new(error.io_kind(), error),
        }
    }
}
