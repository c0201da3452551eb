//! What goes wrong: in a message, in receiving, in sending.
//!
//! An error of the receiving side ends it: descriptors are a queue, and who has lost count of it
//! gives every later message the wrong ones. An error of the sending side is about one message,
//! which comes back whole, unless the socket itself has failed.

use std::error::Error;
use std::fmt;
use std::io;

use anchovy::Truncation;
use anchovy::codec;

use crate::wire::Message;

/// A message that breaks a rule of the wire format: which one, and which rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WireError {
    /// The number of its object, 0 included.
    pub object: u32,
    /// Which request or event of its interface, from 0.
    pub opcode: u16,
    /// What is wrong.
    pub fault: WireFault,
}

/// Which rule of the wire format a message breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WireFault {
    /// It is shorter than its header, which has 8 bytes.
    TooShort {
        /// What its header says, in bytes.
        length: usize,
    },
    /// Its length is no multiple of 4.
    Unaligned {
        /// What its header says, in bytes.
        length: usize,
    },
    /// It is longer than it may be.
    TooLong {
        /// Its length, in bytes.
        length: usize,
        /// The most.
        limit: usize,
    },
    /// Its object, or one that it names, is null where that is not allowed.
    NullObject,
    /// The interface of its object has no such request or event.
    UnknownOpcode,
    /// It ends before an argument does.
    EndsEarly {
        /// Bytes that the argument has.
        needed: u64,
        /// Bytes that are left for it.
        left: usize,
    },
    /// A string is null where that is not allowed.
    NullString,
    /// A string does not end with a NUL.
    StringWithoutNul,
    /// A string has a NUL before its end.
    StringWithNul,
    /// It has fewer descriptors than are read.
    NoFd,
    /// Bytes are left behind the last argument.
    BytesLeft {
        /// How many.
        bytes: usize,
    },
    /// Descriptors are left behind the last argument.
    FdsLeft {
        /// How many.
        count: usize,
    },
    /// Descriptors were taken out of it, and it cannot be sent without them.
    FdsTaken {
        /// How many there were.
        declared: usize,
        /// How many there are.
        present: usize,
    },
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {} of object {}: ", self.opcode, self.object)?;
        match self.fault {
            WireFault::TooShort { length } => {
                write!(f, "it has {length} bytes by its header, which alone has 8")
            }
            WireFault::Unaligned { length } => {
                write!(f, "it has {length} bytes, which is no multiple of 4")
            }
            WireFault::TooLong { length, limit } => {
                write!(f, "it has {length} bytes, and may have {limit}")
            }
            WireFault::NullObject => f.write_str("an object is null that may not be"),
            WireFault::UnknownOpcode => f.write_str("its interface has no such message"),
            WireFault::EndsEarly { needed, left } => {
                write!(f, "an argument has {needed} bytes, of which {left} are there")
            }
            WireFault::NullString => f.write_str("a string is null that may not be"),
            WireFault::StringWithoutNul => f.write_str("a string does not end with a NUL"),
            WireFault::StringWithNul => f.write_str("a string has a NUL before its end"),
            WireFault::NoFd => f.write_str("it has no descriptor left for an argument"),
            WireFault::BytesLeft { bytes } => {
                write!(f, "{bytes} bytes are left behind its last argument")
            }
            WireFault::FdsLeft { count } => {
                write!(f, "{count} descriptors are left behind its last argument")
            }
            WireFault::FdsTaken { declared, present } => {
                write!(f, "it had {declared} descriptors, and has {present}")
            }
        }
    }
}

impl Error for WireError {}

impl From<WireError> for io::Error {
    fn from(error: WireError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

/// A message, by its object and its opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The number of its object.
    pub object: u32,
    /// Which request or event of its interface, from 0.
    pub opcode: u16,
}

/// Why no more messages can be received.
///
/// All descriptors and bytes that had arrived and belong to no message that was handed over are
/// closed; drop the connection. A server may [tell](crate::DisplayError::message) its client first.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The socket failed.
    Io(io::Error),
    /// The peer sent what is no message.
    Wire(WireError),
    /// A message has arrived whole, and its descriptors have not.
    ///
    /// They may come early, and not late: what is not there when the message is will not come, or
    /// was taken for another message by a wrong [count](crate::Signatures).
    MissingFds {
        /// The message.
        place: Place,
        /// How many it has.
        declared: usize,
        /// How many were there for it.
        arrived: usize,
    },
    /// The peer sent more descriptors at once than libwayland does.
    TooManyFds {
        /// How many.
        count: usize,
        /// The most.
        limit: usize,
        /// The message that was received last, if there was one.
        after: Option<Place>,
    },
    /// More descriptors wait than may, and no message claims them
    /// ([`Limits::max_waiting_fds`](crate::Limits)).
    UnclaimedFds {
        /// How many.
        waiting: usize,
        /// The most.
        limit: usize,
        /// The message that was received last, if there was one.
        after: Option<Place>,
    },
    /// Descriptors waited too long for their message ([`Limits::fd_deadline`](crate::Limits)).
    FdsOverdue {
        /// How many.
        waiting: usize,
        /// The message that was received last, if there was one.
        after: Option<Place>,
    },
    /// The peer closed the connection, and descriptors were left that no message had claimed.
    FdsLeft {
        /// How many; they were closed.
        count: usize,
        /// The message that was received last, if there was one.
        after: Option<Place>,
    },
    /// The kernel did not hand over all descriptors: our table is full, or a security module said
    /// no. It is not the peer's doing.
    Truncated {
        /// Why.
        cause: Truncation,
        /// The message that was received last, if there was one.
        after: Option<Place>,
    },
    /// The peer closed the connection in the middle of a message.
    ClosedInsideMessage {
        /// Bytes of it that had arrived.
        bytes: usize,
        /// The message before it, if there was one.
        after: Option<Place>,
    },
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = match self {
            ReceiveError::Io(error) => {
                write!(f, "receiving failed: {error}")?;
                None
            }
            ReceiveError::Wire(error) => {
                write!(f, "the peer sent a bad message: {error}")?;
                None
            }
            ReceiveError::MissingFds { place, declared, arrived } => {
                write!(f, "{place} has {declared} descriptors, {arrived} have arrived")?;
                None
            }
            ReceiveError::TooManyFds { count, limit, after } => {
                write!(f, "the peer sent {count} descriptors at once, and may send {limit}")?;
                *after
            }
            ReceiveError::UnclaimedFds { waiting, limit, after } => {
                write!(f, "{waiting} descriptors wait for a message, and {limit} may")?;
                *after
            }
            ReceiveError::FdsOverdue { waiting, after } => {
                write!(f, "{waiting} descriptors waited too long for a message")?;
                *after
            }
            ReceiveError::FdsLeft { count, after } => {
                write!(f, "the peer left {count} descriptors that no message has")?;
                *after
            }
            ReceiveError::Truncated { cause, after } => {
                write!(f, "descriptors were cut off: {cause}")?;
                *after
            }
            ReceiveError::ClosedInsideMessage { bytes, after } => {
                write!(f, "the peer closed the connection {bytes} bytes into a message")?;
                *after
            }
        };
        if let Some(place) = after {
            write!(f, ", behind {place}")?;
        }
        f.write_str("; what had arrived was closed, and no more can be received")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {} of object {}", self.opcode, self.object)
    }
}

impl Error for ReceiveError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ReceiveError::Io(error) => Some(error),
            ReceiveError::Wire(error) => Some(error),
            _ => None,
        }
    }
}

impl From<WireError> for ReceiveError {
    fn from(error: WireError) -> ReceiveError {
        ReceiveError::Wire(error)
    }
}

impl From<codec::ReceiveError<DecodeError>> for ReceiveError {
    fn from(error: codec::ReceiveError<DecodeError>) -> ReceiveError {
        let after = None;
        match error {
            codec::ReceiveError::Io(error) => ReceiveError::Io(error),
            codec::ReceiveError::UnclaimedFds { count } => ReceiveError::FdsLeft { count, after },
            codec::ReceiveError::TooManyFds { count, limit } => {
                ReceiveError::TooManyFds { count, limit, after }
            }
            codec::ReceiveError::TooManyWaitingFds { waiting, limit } => {
                ReceiveError::UnclaimedFds { waiting, limit, after }
            }
            codec::ReceiveError::FdsOverdue { waiting } => {
                ReceiveError::FdsOverdue { waiting, after }
            }
            codec::ReceiveError::Truncated { cause } => ReceiveError::Truncated { cause, after },
            codec::ReceiveError::ClosedInsideFrame { bytes } => {
                ReceiveError::ClosedInsideMessage { bytes, after }
            }
            codec::ReceiveError::Codec(DecodeError::Wire(error)) => ReceiveError::Wire(error),
            codec::ReceiveError::Codec(DecodeError::MissingFds { place, declared, arrived }) => {
                ReceiveError::MissingFds { place, declared, arrived }
            }
            // The codec reports missing descriptors and long messages itself, and nothing fills the
            // read queue of the stream.
            error @ (codec::ReceiveError::MissingFds { .. }
            | codec::ReceiveError::FrameTooLong { .. }
            | codec::ReceiveError::ReadQueueFull { .. }) => ReceiveError::Io(error.into()),
            error => ReceiveError::Io(error.into()),
        }
    }
}

impl ReceiveError {
    /// Says behind which message it happened, where that is known.
    pub(crate) fn behind(mut self, last: Option<Place>) -> ReceiveError {
        match &mut self {
            ReceiveError::TooManyFds { after, .. }
            | ReceiveError::UnclaimedFds { after, .. }
            | ReceiveError::FdsOverdue { after, .. }
            | ReceiveError::FdsLeft { after, .. }
            | ReceiveError::Truncated { after, .. }
            | ReceiveError::ClosedInsideMessage { after, .. } => *after = last,
            ReceiveError::Io(_) | ReceiveError::Wire(_) | ReceiveError::MissingFds { .. } => {}
        }
        self
    }
}

impl From<ReceiveError> for io::Error {
    fn from(error: ReceiveError) -> io::Error {
        let kind = match &error {
            ReceiveError::Io(inner) => inner.kind(),
            ReceiveError::FdsOverdue { .. } => io::ErrorKind::TimedOut,
            ReceiveError::Truncated { .. } | ReceiveError::UnclaimedFds { .. } => {
                io::ErrorKind::QuotaExceeded
            }
            ReceiveError::ClosedInsideMessage { .. } => io::ErrorKind::UnexpectedEof,
            _ => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, error)
    }
}

/// What the codec finds wrong with a message that arrives.
#[derive(Debug)]
pub(crate) enum DecodeError {
    /// The message is malformed.
    Wire(WireError),
    /// Fewer descriptors have arrived than the message has.
    MissingFds { place: Place, declared: usize, arrived: usize },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DecodeError::Wire(error) => error.fmt(f),
            DecodeError::MissingFds { place, declared, arrived } => {
                write!(f, "{place} has {declared} descriptors, {arrived} have arrived")
            }
        }
    }
}

impl Error for DecodeError {}

impl From<DecodeError> for io::Error {
    fn from(error: DecodeError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
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
    /// The message is too long for the peer, or descriptors were taken out of it.
    Wire(WireError),
    /// It has more descriptors than leave at once (28, as in libwayland).
    TooManyFds {
        /// How many.
        count: usize,
        /// The most.
        limit: usize,
    },
    /// The kernel refused to carry its descriptors to this peer (`EPERM`).
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
            SendErrorKind::Wire(error) => write!(f, "a message cannot be sent: {error}"),
            SendErrorKind::TooManyFds { count, limit } => {
                write!(f, "a message has {count} descriptors, and may have {limit}")
            }
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
            SendErrorKind::Wire(error) => Some(error),
            _ => None,
        }
    }
}

impl From<WireError> for SendErrorKind {
    fn from(error: WireError) -> SendErrorKind {
        SendErrorKind::Wire(error)
    }
}

impl From<codec::SendErrorKind<WireError>> for SendErrorKind {
    fn from(error: codec::SendErrorKind<WireError>) -> SendErrorKind {
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
            codec::SendErrorKind::Codec(error) => SendErrorKind::Wire(error),
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

#[cfg(test)]
mod tests;
