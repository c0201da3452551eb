//! What goes wrong once messages flow.
//!
//! An error of the receiving side ends it: what had arrived is closed, for a peer that is out of
//! step with its own messages cannot be brought back. An error of the sending side is about one
//! message, which comes back whole, unless the socket itself has failed.

use std::error::Error;
use std::fmt;
use std::io;

use anchovy::Truncation;
use anchovy::codec;

use crate::message::{Message, MessageError};

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
    /// ([`Limits::fd_deadline`](crate::Limits)).
    FdsOverdue {
        /// How many waited.
        waiting: usize,
    },
    /// The kernel did not hand over all descriptors of a message, on a client.
    ///
    /// A server goes on, and [marks](Message::truncation) the message.
    Truncated {
        /// Why.
        cause: Truncation,
    },
    /// The peer closed the connection in the middle of a message.
    ClosedInsideMessage {
        /// Bytes of it that had arrived.
        bytes: usize,
    },
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReceiveError::Io(error) => write!(f, "receiving failed: {error}"),
            ReceiveError::Message(error) => write!(f, "the peer sent a bad message: {error}"),
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
            ReceiveError::Truncated { cause } => {
                write!(f, "descriptors of a message were cut off: {cause}")
            }
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

impl From<ReceiveError> for io::Error {
    fn from(error: ReceiveError) -> io::Error {
        let kind = match &error {
            ReceiveError::Io(inner) => inner.kind(),
            ReceiveError::FdsOverdue { .. } => io::ErrorKind::TimedOut,
            ReceiveError::TooManyWaitingFds { .. } | ReceiveError::Truncated { .. } => {
                io::ErrorKind::QuotaExceeded
            }
            ReceiveError::ClosedInsideMessage { .. } => io::ErrorKind::UnexpectedEof,
            _ => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, error)
    }
}

/// A message that was not sent, or a flush that failed.
///
/// What is refused comes back whole in `unsent`, with its descriptors: nothing of it was sent, and
/// the connection takes other messages.
pub type SendError = codec::SendError<Box<Message>, SendErrorKind>;

/// Why a message was not sent.
#[derive(Debug)]
#[non_exhaustive]
pub enum SendErrorKind {
    /// The socket failed. What had not left is still there, and will not leave.
    Io(io::Error),
    /// The message is too long, or declares descriptors that it has not: they were taken, or the
    /// kernel had cut them when it was received.
    Message(MessageError),
    /// It has descriptors, which were not agreed on in the handshake.
    FdsNotAgreed {
        /// How many.
        count: usize,
    },
    /// It has more descriptors than [`Limits::max_sent_fds`](crate::Limits) allows.
    TooManyFds {
        /// How many.
        count: usize,
        /// The most.
        limit: usize,
    },
    /// A server may not send descriptors before the client has sent a message.
    ///
    /// A client that sends its whole handshake at once may still be reading the replies, and those
    /// of sd-bus die of descriptors among them. `Server::fds_at_once` allows it, for clients that
    /// are known not to.
    FdsTooEarly {
        /// How many.
        count: usize,
    },
    /// The kernel refused to carry its descriptors to this peer (`EPERM`).
    ///
    /// The peer switched them off on its socket, or a security module did.
    FdsRefusedByPeer {
        /// How many.
        count: usize,
    },
    /// This user has too many descriptors in flight (`ETOOMANYREFS`, unix(7)).
    ///
    /// The same message can be sent once receivers have caught up.
    TooManyFdsInFlight {
        /// How many.
        count: usize,
    },
}

impl fmt::Display for SendErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendErrorKind::Io(error) => return write!(f, "sending failed: {error}"),
            SendErrorKind::Message(error) => write!(f, "a message cannot be sent: {error}"),
            SendErrorKind::FdsNotAgreed { count } => {
                write!(f, "a message has {count} descriptors, which were not agreed on")
            }
            SendErrorKind::TooManyFds { count, limit } => {
                write!(f, "a message has {count} descriptors, and may have {limit}")
            }
            SendErrorKind::FdsTooEarly { count } => write!(
                f,
                "a message with {count} descriptors cannot be sent before the client's first one"
            ),
            SendErrorKind::FdsRefusedByPeer { count } => {
                write!(f, "the peer's kernel takes no descriptors, a message has {count}")
            }
            SendErrorKind::TooManyFdsInFlight { count } => write!(
                f,
                "too many descriptors are under way for a message with {count} more: try later"
            ),
        }?;
        f.write_str("; nothing of it was sent")
    }
}

impl Error for SendErrorKind {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SendErrorKind::Io(error) => Some(error),
            SendErrorKind::Message(error) => Some(error),
            _ => None,
        }
    }
}

impl From<MessageError> for SendErrorKind {
    fn from(error: MessageError) -> SendErrorKind {
        SendErrorKind::Message(error)
    }
}

impl From<codec::SendErrorKind<CodecError>> for SendErrorKind {
    fn from(error: codec::SendErrorKind<CodecError>) -> SendErrorKind {
        match error {
            codec::SendErrorKind::Io(error) => SendErrorKind::Io(error),
            codec::SendErrorKind::TooManyFds { count, limit } => {
                SendErrorKind::TooManyFds { count, limit }
            }
            codec::SendErrorKind::FdsRefusedByPeer { count } => {
                SendErrorKind::FdsRefusedByPeer { count }
            }
            codec::SendErrorKind::TooManyFdsInFlight { count } => {
                SendErrorKind::TooManyFdsInFlight { count }
            }
            codec::SendErrorKind::Codec(error) => match error {
                CodecError::Message(error) => SendErrorKind::Message(error),
                CodecError::FdsNotAgreed { count } => SendErrorKind::FdsNotAgreed { count },
                CodecError::TooManyFds { count, limit } => {
                    SendErrorKind::TooManyFds { count, limit }
                }
            },
            // Every message has bytes, and nothing fills the write queue of the stream.
            error @ (codec::SendErrorKind::FdsWithoutBytes { .. }
            | codec::SendErrorKind::WriteQueueNotEmpty { .. }) => SendErrorKind::Io(error.into()),
            error => SendErrorKind::Io(error.into()),
        }
    }
}

impl From<SendErrorKind> for io::Error {
    fn from(kind: SendErrorKind) -> io::Error {
        let io_kind = match kind {
            SendErrorKind::Io(error) => return error,
            SendErrorKind::FdsRefusedByPeer { .. } => io::ErrorKind::PermissionDenied,
            SendErrorKind::TooManyFdsInFlight { .. } => io::ErrorKind::QuotaExceeded,
            _ => io::ErrorKind::InvalidInput,
        };
        io::Error::new(io_kind, kind)
    }
}

/// What [`MessageCodec`](crate::MessageCodec) finds wrong with a message.
#[derive(Debug)]
#[non_exhaustive]
pub enum CodecError {
    /// The message is malformed, or exceeds a limit.
    Message(MessageError),
    /// The message declares or has descriptors, which were not agreed on in the handshake.
    FdsNotAgreed {
        /// Number of descriptors.
        count: usize,
    },
    /// The message declares or has more descriptors than [`Limits`](crate::Limits) allow.
    TooManyFds {
        /// Number of descriptors.
        count: usize,
        /// The most that a message may have.
        limit: usize,
    },
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CodecError::Message(_) => f.write_str("a message is not valid"),
            CodecError::FdsNotAgreed { count } => {
                write!(f, "a message has {count} descriptors, which were not agreed on")
            }
            CodecError::TooManyFds { count, limit } => {
                write!(f, "a message has {count} descriptors, limit is {limit}")
            }
        }
    }
}

impl Error for CodecError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            CodecError::Message(error) => Some(error),
            CodecError::FdsNotAgreed { .. } | CodecError::TooManyFds { .. } => None,
        }
    }
}

impl From<MessageError> for CodecError {
    fn from(error: MessageError) -> CodecError {
        CodecError::Message(error)
    }
}

impl From<CodecError> for io::Error {
    fn from(error: CodecError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}
