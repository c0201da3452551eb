//! The error of sending a message.

use std::error::Error;
use std::fmt;
use std::io;
use std::num::NonZeroU32;

use anchovy::codec;

use super::codec_error::CodecError;
use super::receive_error::CLOSED_BEFORE_HELLO;
use crate::descriptors::Descriptors;
use crate::message::content::Message;
use crate::message::error::MessageError;

/// The error of sending a message or of a flush.
///
/// If `unsent` contains a message, nothing of this message was sent, and none of its descriptors was closed.
/// The methods document which message it is; see [`feed`](crate::OwnedWriteHalf::feed),
/// [`send`](crate::OwnedWriteHalf::send) and [`flush`](crate::OwnedWriteHalf::flush). Other messages can
/// still be sent, unless the socket failed.
pub type SendError = codec::SendError<Box<Message>, SendErrorKind>;

/// The cause of a [`SendError`].
#[derive(Debug)]
#[non_exhaustive]
pub enum SendErrorKind {
    /// The socket failed. Messages in the buffer will not be sent.
    Io(io::Error),
    /// The message is too long, or it has fewer descriptors than it declares: they were
    /// [taken](Message::take_fds), or the kernel had not delivered them.
    Message(MessageError),
    /// A bus closed the connection because the first message was not `Hello`.
    ///
    /// This error is returned if the peer closed the connection before it sent any message, and the
    /// first message of this client with the header field `DESTINATION` was not `Hello`.
    ClosedBeforeHello,
    /// The message has the serial of a [call](crate::Connection::call) that ended without its reply. A
    /// late reply to that call could not be distinguished from the reply to this message.
    SerialInUse {
        /// The serial.
        serial: NonZeroU32,
    },
    /// The message has descriptors, which were not negotiated in the handshake.
    FdsNotAgreed {
        /// Number of descriptors.
        count: usize,
    },
    /// The message has more descriptors than
    /// [`Limits::max_sent_fds`](crate::Limits::max_sent_fds).
    TooManyFds {
        /// Number of descriptors.
        count: usize,
        /// Maximum number of descriptors.
        limit: usize,
    },
    /// The message has descriptors, and the server has not received a message of the client yet.
    ///
    /// A client that sends the whole handshake at once, without waiting for replies, may still be reading
    /// these replies. A client that uses sd-bus fails if descriptors arrive with them.
    /// [`Server::fds_at_once`](crate::Server::fds_at_once) allows such messages.
    FdsTooEarly {
        /// Number of descriptors.
        count: usize,
    },
    /// The kernel refused to send descriptors to this peer (`EPERM`).
    ///
    /// The peer has disabled descriptor passing on its socket (`SO_PASSRIGHTS`), or a security module
    /// denies it.
    FdsRefusedByPeer {
        /// Number of descriptors.
        count: usize,
    },
    /// The user of this process has more descriptors in flight than `RLIMIT_NOFILE` (`ETOOMANYREFS`,
    /// unix(7)). Descriptors are in flight from the call that sends them until the peer receives them.
    ///
    /// The message can be sent after the receivers have read enough descriptors.
    TooManyFdsInFlight {
        /// Number of descriptors.
        count: usize,
    },
}

impl fmt::Display for SendErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendErrorKind::Io(_) => return f.write_str("sending to the socket failed"),
            SendErrorKind::ClosedBeforeHello => return f.write_str(CLOSED_BEFORE_HELLO),
            SendErrorKind::Message(_) => f.write_str("a message cannot be sent"),
            SendErrorKind::SerialInUse { serial } => write!(
                f,
                "a message has the serial {serial} of a call that ended without its reply"
            ),
            SendErrorKind::FdsNotAgreed { count } => write!(
                f,
                "a message has {}, descriptor passing was not negotiated",
                Descriptors(*count)
            ),
            SendErrorKind::TooManyFds { count, limit } => {
                write!(f, "a message has {}, limit is {limit}", Descriptors(*count))
            }
            SendErrorKind::FdsTooEarly { count } => write!(
                f,
                "cannot send {} before a message of the client has arrived",
                Descriptors(*count)
            ),
            SendErrorKind::FdsRefusedByPeer { count } => {
                write!(f, "the kernel refused to send {} to this peer (EPERM)", Descriptors(*count))
            }
            SendErrorKind::TooManyFdsInFlight { count } => write!(
                f,
                "sending {} would exceed the limit of descriptors in flight, RLIMIT_NOFILE \
                 (ETOOMANYREFS)",
                Descriptors(*count)
            ),
        }?;
        f.write_str("; nothing of the message was sent")?;
        f.write_str(match self {
            SendErrorKind::SerialInUse { .. } => ", use another serial",
            SendErrorKind::TooManyFdsInFlight { .. } => ", try again after the receivers have read",
            _ => "",
        })
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

/// Returns the error of the socket unchanged. The other errors become the payload.
impl From<SendErrorKind> for io::Error {
    fn from(kind: SendErrorKind) -> io::Error {
        match kind {
            SendErrorKind::Io(error) => error,
            kind => io::Error::new(kind.io_kind(), kind),
        }
    }
}
