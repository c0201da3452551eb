//! The error of sending a message.

use std::error::Error;
use std::fmt;
use std::io;
use std::num::NonZeroU32;

use anchovy::codec;

use super::codec_error::CodecError;
use super::receive_error::CLOSED_BEFORE_HELLO;
use crate::message::content::Message;
use crate::message::error::MessageError;

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
    /// A bus closed the connection because the first message was not `Hello`.
    ///
    /// More exactly: the peer closed the connection before it sent any message, and the first
    /// message that this client sent to a destination was not `Hello`.
    ClosedBeforeHello,
    /// The serial of the message is that of a [call](crate::Connection::call) that ended without its
    /// reply. The reply to this message could not be told from a late reply to that call.
    SerialInUse {
        /// The serial.
        serial: NonZeroU32,
    },
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
            SendErrorKind::Io(_) => return f.write_str("sending failed"),
            SendErrorKind::ClosedBeforeHello => return f.write_str(CLOSED_BEFORE_HELLO),
            SendErrorKind::Message(_) => f.write_str("a message cannot be sent"),
            SendErrorKind::SerialInUse { serial } => write!(
                f,
                "the serial {serial} of a message is that of a call that ended without its reply"
            ),
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

impl SendErrorKind {
    pub(super) fn io_kind(&self) -> io::ErrorKind {
        match self {
            SendErrorKind::Io(error) => error.kind(),
            SendErrorKind::ClosedBeforeHello => io::ErrorKind::BrokenPipe,
            SendErrorKind::FdsRefusedByPeer { .. } => io::ErrorKind::PermissionDenied,
            SendErrorKind::TooManyFdsInFlight { .. } => io::ErrorKind::QuotaExceeded,
            _ => io::ErrorKind::InvalidInput,
        }
    }
}

/// Keeps the error of the socket as it is; the others become the payload.
impl From<SendErrorKind> for io::Error {
    fn from(kind: SendErrorKind) -> io::Error {
        match kind {
            SendErrorKind::Io(error) => error,
            kind => io::Error::new(kind.io_kind(), kind),
        }
    }
}
