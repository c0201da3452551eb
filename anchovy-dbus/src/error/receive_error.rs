//! The error of receiving a message.

use std::error::Error;
use std::fmt;
use std::io;

use anchovy::Truncation;
use anchovy::codec;

use super::codec_error::CodecError;
use crate::descriptors::Descriptors;
use crate::message::error::MessageError;

/// The error of receiving a message.
///
/// No more messages can be received, so drop the connection. Descriptors of messages that were not
/// returned are closed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The socket failed.
    Io(io::Error),
    /// The peer sent an invalid message, or one that exceeds a limit.
    Message(MessageError),
    /// The peer sent or declared descriptors, which were not negotiated in the handshake.
    FdsNotAgreed {
        /// Number of descriptors.
        count: usize,
    },
    /// The peer sent or declared too many descriptors in one message
    /// ([`Limits::max_received_fds`](crate::Limits::max_received_fds)).
    TooManyFds {
        /// Number of descriptors.
        count: usize,
        /// Maximum number of descriptors in a message.
        limit: usize,
    },
    /// A message declares more descriptors than arrived with its bytes.
    MissingFds {
        /// Number of descriptors in the header field `UNIX_FDS`.
        declared: usize,
        /// Number of descriptors that arrived with the bytes of the message and that no earlier message
        /// declared.
        arrived: usize,
    },
    /// Descriptors arrived with messages that do not declare them.
    UnclaimedFds {
        /// Number of descriptors.
        count: usize,
    },
    /// Too many descriptors wait for the rest of a message
    /// ([`Limits::max_waiting_fds`](crate::Limits::max_waiting_fds)).
    TooManyWaitingFds {
        /// Number of waiting descriptors.
        waiting: usize,
        /// Maximum number when a read begins: `max_waiting_fds` less
        /// [`max_received_fds`](crate::Limits::max_received_fds), because the read may return up to
        /// `max_received_fds` more.
        limit: usize,
    },
    /// Descriptors waited longer than [`Limits::fd_timeout`](crate::Limits::fd_timeout) for the rest of
    /// their message.
    FdsOverdue {
        /// Number of waiting descriptors.
        waiting: usize,
    },
    /// A message did not arrive completely within
    /// [`Limits::message_timeout`](crate::Limits::message_timeout).
    MessageOverdue {
        /// Number of bytes of the message that had arrived.
        bytes: usize,
    },
    /// The peer sent more descriptors than the account of its uid has room for
    /// ([`Listener::with_budget`](crate::Listener::with_budget)), and waiting cannot help: the account
    /// holds only sockets, pidfds and what this connection has received.
    FdsOverBudget {
        /// Number of descriptors.
        count: usize,
        /// Number of descriptors that the account had room for.
        available: usize,
    },
    /// A message needs more memory than the account of the peer's uid can ever have
    /// ([`Listener::with_budget`](crate::Listener::with_budget)).
    BytesOverBudget {
        /// Size in bytes of the buffer that is needed to receive more of the message.
        bytes: usize,
    },
    /// The kernel did not deliver all descriptors of a message.
    ///
    /// Only a client returns this error. A server receives the message without descriptors, and
    /// [`Message::truncation`](crate::Message::truncation) returns the reason.
    Truncated {
        /// The cause.
        cause: Truncation,
    },
    /// A bus closed the connection because the first message was not `Hello`.
    ///
    /// This error is returned if the peer closed the connection before it sent any message, and the
    /// first message of this client with the header field `DESTINATION` was not `Hello`. In all other
    /// cases, the end of the connection between two messages is not an error.
    ClosedBeforeHello,
    /// The peer closed the connection inside a message.
    ClosedInsideMessage {
        /// Number of bytes of the message that had arrived.
        bytes: usize,
    },
}

/// dbus-daemon and dbus-broker close the connection of a client whose first message is not `Hello`.
pub(super) const CLOSED_BEFORE_HELLO: &str = "the bus closed the connection before it sent a \
    message, because the first message to it was not Hello; call `hello` first";

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReceiveError::Io(_) => f.write_str("receiving from the socket failed"),
            ReceiveError::Message(_) => f.write_str("the peer sent an invalid message"),
            ReceiveError::FdsNotAgreed { count } => write!(
                f,
                "the peer sent or declared {}, descriptor passing was not negotiated",
                Descriptors(*count)
            ),
            ReceiveError::TooManyFds { count, limit } => write!(
                f,
                "the peer sent or declared {} in one message, limit is {limit}",
                Descriptors(*count)
            ),
            ReceiveError::MissingFds { declared, arrived } => write!(
                f,
                "a message declares {}, {arrived} arrived with it",
                Descriptors(*declared)
            ),
            ReceiveError::UnclaimedFds { count } => {
                write!(f, "the peer sent {} that no message declares", Descriptors(*count))
            }
            ReceiveError::TooManyWaitingFds { waiting, limit } => {
                write!(f, "an incomplete message has {}, limit is {limit}", Descriptors(*waiting))
            }
            ReceiveError::FdsOverdue { waiting } => write!(
                f,
                "the rest of a message with {} did not arrive in time",
                Descriptors(*waiting)
            ),
            ReceiveError::MessageOverdue { bytes } => {
                write!(f, "the rest of a message did not arrive in time, {bytes} bytes arrived")
            }
            ReceiveError::FdsOverBudget { count, available } => write!(
                f,
                "the peer sent {}, its account has room for {available}",
                Descriptors(*count)
            ),
            ReceiveError::BytesOverBudget { bytes } => write!(
                f,
                "a message needs {bytes} bytes of memory, the account of the peer can never have as \
                 many"
            ),
            ReceiveError::Truncated { cause } => {
                write!(f, "the kernel did not deliver all descriptors of a message: {cause}")
            }
            ReceiveError::ClosedBeforeHello => return f.write_str(CLOSED_BEFORE_HELLO),
            ReceiveError::ClosedInsideMessage { bytes } => {
                write!(f, "the peer closed the connection {bytes} bytes into a message")
            }
        }?;
        f.write_str("; drop the connection")
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
