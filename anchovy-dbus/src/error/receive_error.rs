//! The error of receiving a message.

use std::error::Error;
use std::fmt;
use std::io;

use anchovy::Truncation;
use anchovy::codec;

use super::codec_error::CodecError;
use crate::message::error::MessageError;

/// Why no more messages can be received.
///
/// Each but [`Io`](ReceiveError::Io) is the peer's doing. All descriptors and bytes that had arrived
/// and belong to no message that was handed over are closed; drop the connection.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The socket failed.
    Io(io::Error),
    /// The peer sent what is no message, or none that may be sent.
    Message(MessageError),
    /// The peer sent or declared descriptors, which were not agreed on in the handshake.
    FdsNotAgreed {
        /// How many.
        count: usize,
    },
    /// The peer sent more descriptors in one message than it may
    /// ([`Limits::max_received_fds`](crate::Limits)).
    TooManyFds {
        /// How many.
        count: usize,
        /// The most it may send.
        limit: usize,
    },
    /// A message declares more descriptors than came with its bytes.
    MissingFds {
        /// What its field `UNIX_FDS` says.
        declared: usize,
        /// What came with its bytes, and was not of an earlier message.
        arrived: usize,
    },
    /// Descriptors came with messages that do not declare them.
    UnclaimedFds {
        /// How many.
        count: usize,
    },
    /// More descriptors wait for the rest of a message than may
    /// ([`Limits::max_waiting_fds`](crate::Limits)).
    TooManyWaitingFds {
        /// How many wait.
        waiting: usize,
        /// The most that may, with room for another full set.
        limit: usize,
    },
    /// Descriptors waited too long for the rest of their message
    /// ([`Limits::fd_timeout`](crate::Limits)).
    FdsOverdue {
        /// How many waited.
        waiting: usize,
    },
    /// The rest of a message did not arrive in time
    /// ([`Limits::message_timeout`](crate::Limits)).
    MessageOverdue {
        /// Bytes of it that had arrived.
        bytes: usize,
    },
    /// The peer sent descriptors for which its account has no room
    /// ([`Listener::with_budget`](crate::Listener::with_budget)).
    FdsOverBudget {
        /// How many.
        count: usize,
        /// How many the account had room for.
        available: usize,
    },
    /// A message needs more memory than the account of the peer could ever have
    /// ([`Listener::with_budget`](crate::Listener::with_budget)).
    BytesOverBudget {
        /// Bytes of memory that it needs next.
        bytes: usize,
    },
    /// The kernel did not hand over all descriptors of a message, on a client.
    ///
    /// A server goes on, and [marks](crate::Message::truncation) the message.
    Truncated {
        /// Why.
        cause: Truncation,
    },
    /// A bus closed the connection because the first message was not `Hello`.
    ///
    /// More exactly: the peer closed the connection before it sent any message, and the first
    /// message that this client sent to a destination was not `Hello`. Every other end between two
    /// messages is no error.
    ClosedBeforeHello,
    /// The peer closed the connection in the middle of a message.
    ClosedInsideMessage {
        /// Bytes of it that had arrived.
        bytes: usize,
    },
}

/// What dbus-daemon and dbus-broker do with every client whose first message is another one.
pub(super) const CLOSED_BEFORE_HELLO: &str = "the bus closed the connection before it sent a \
    message, because the first message to it was not Hello; call `hello` first";

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReceiveError::Io(_) => f.write_str("receiving failed"),
            ReceiveError::Message(_) => f.write_str("the peer sent a bad message"),
            ReceiveError::FdsNotAgreed { count } => {
                write!(f, "the peer sent or declared {count} descriptors, which were not agreed on")
            }
            ReceiveError::TooManyFds { count, limit } => {
                write!(f, "the peer sent {count} descriptors in one message, and may send {limit}")
            }
            ReceiveError::MissingFds { declared, arrived } => write!(
                f,
                "the peer declared {declared} descriptors, {arrived} came with the message"
            ),
            ReceiveError::UnclaimedFds { count } => {
                write!(f, "the peer sent {count} descriptors that no message declares")
            }
            ReceiveError::TooManyWaitingFds { waiting, limit } => {
                write!(f, "{waiting} descriptors wait for the rest of a message, and {limit} may")
            }
            ReceiveError::FdsOverdue { waiting } => {
                write!(f, "{waiting} descriptors waited too long for the rest of their message")
            }
            ReceiveError::MessageOverdue { bytes } => {
                write!(f, "the rest of a message is overdue, {bytes} bytes of it arrived")
            }
            ReceiveError::FdsOverBudget { count, available } => write!(
                f,
                "the peer sent {count} descriptors, and its account has room for {available}"
            ),
            ReceiveError::BytesOverBudget { bytes } => write!(
                f,
                "a message needs {bytes} bytes of memory, which the account of the peer can never have"
            ),
            ReceiveError::Truncated { cause } => {
                write!(f, "descriptors of a message were cut off: {cause}")
            }
            ReceiveError::ClosedBeforeHello => return f.write_str(CLOSED_BEFORE_HELLO),
            ReceiveError::ClosedInsideMessage { bytes } => {
                write!(f, "the peer closed the connection {bytes} bytes into a message")
            }
        }?;
        f.write_str("; what had arrived was closed, and no more can be received")
    }
}

impl Error for ReceiveError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ReceiveError::Io(error) => Some(error),
            ReceiveError::Message(error) => Some(error),
            _ => None,
        }
    }
}

impl From<MessageError> for ReceiveError {
    fn from(error: MessageError) -> ReceiveError {
        ReceiveError::Message(error)
    }
}

impl From<codec::ReceiveError<CodecError>> for ReceiveError {
    fn from(error: codec::ReceiveError<CodecError>) -> ReceiveError {
        match error {
            codec::ReceiveError::Io(error) => ReceiveError::Io(error),
            codec::ReceiveError::MissingFds { declared, available: arrived } => {
                ReceiveError::MissingFds { declared, arrived }
            }
            codec::ReceiveError::UnclaimedFds { count } => ReceiveError::UnclaimedFds { count },
            codec::ReceiveError::TooManyFds { count, limit: 0 } => {
                ReceiveError::FdsNotAgreed { count }
            }
            codec::ReceiveError::TooManyFds { count, limit } => {
                ReceiveError::TooManyFds { count, limit }
            }
            codec::ReceiveError::TooManyWaitingFds { waiting, limit } => {
                ReceiveError::TooManyWaitingFds { waiting, limit }
            }
            codec::ReceiveError::FdsOverdue { waiting } => ReceiveError::FdsOverdue { waiting },
            codec::ReceiveError::FrameOverdue { bytes } => ReceiveError::MessageOverdue { bytes },
            codec::ReceiveError::FdsOverBudget { count, available } => {
                ReceiveError::FdsOverBudget { count, available }
            }
            codec::ReceiveError::BytesOverBudget { bytes } => {
                ReceiveError::BytesOverBudget { bytes }
            }
            codec::ReceiveError::Truncated { cause } => ReceiveError::Truncated { cause },
            codec::ReceiveError::ClosedInsideFrame { bytes } => {
                ReceiveError::ClosedInsideMessage { bytes }
            }
            codec::ReceiveError::Codec(error) => match error {
                CodecError::Message(error) => ReceiveError::Message(error),
                CodecError::FdsNotAgreed { count } => ReceiveError::FdsNotAgreed { count },
                CodecError::TooManyFds { count, limit } => {
                    ReceiveError::TooManyFds { count, limit }
                }
            },
            // The codec limits the length of a message itself, and nothing fills the read queue of
            // the stream.
            error @ (codec::ReceiveError::FrameTooLong { .. }
            | codec::ReceiveError::ReadQueueFull { .. }) => ReceiveError::Io(error.into()),
            error => ReceiveError::Io(error.into()),
        }
    }
}

impl ReceiveError {
    pub(super) fn io_kind(&self) -> io::ErrorKind {
        match self {
            ReceiveError::Io(error) => error.kind(),
            ReceiveError::FdsOverdue { .. } | ReceiveError::MessageOverdue { .. } => {
                io::ErrorKind::TimedOut
            }
            ReceiveError::TooManyWaitingFds { .. }
            | ReceiveError::FdsOverBudget { .. }
            | ReceiveError::BytesOverBudget { .. }
            | ReceiveError::Truncated { .. } => io::ErrorKind::QuotaExceeded,
            ReceiveError::ClosedBeforeHello | ReceiveError::ClosedInsideMessage { .. } => {
                io::ErrorKind::UnexpectedEof
            }
            _ => io::ErrorKind::InvalidData,
        }
    }
}

impl From<ReceiveError> for io::Error {
    fn from(error: ReceiveError) -> io::Error {
        io::Error::new(error.io_kind(), error)
    }
}
