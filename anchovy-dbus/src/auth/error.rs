//! How a handshake fails.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use crate::guid::Guid;

/// Why a handshake came to nothing.
///
/// Each but [`OutOfOrder`](Self::OutOfOrder) ends it: the socket is closed, with all that had
/// arrived, and no message was sent.
#[derive(Debug)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The socket failed.
    Io(io::Error),
    /// The other end closed the connection before the handshake was over.
    Closed {
        /// Whether the client had sent the whole handshake at once, which not every proxy takes.
        pipelined: bool,
    },
    /// The handshake took too long ([`HandshakeLimits::timeout`](crate::HandshakeLimits)).
    TimedOut {
        /// How long it was given.
        after: Duration,
    },
    /// The listener ended the handshake in favor of a client of another uid, which had fewer clients
    /// in their handshake
    /// ([`Listener::with_max_unauthenticated`](crate::Listener::with_max_unauthenticated)).
    Displaced {
        /// Number of clients that may be in their handshake.
        limit: usize,
    },
    /// The server takes none of what the client sent in one go, and reads the rest as lines.
    ///
    /// A stepwise client is told with a [type](crate::client::Rejected) instead, and can try
    /// something else.
    Rejected {
        /// The mechanisms that the server names, separated by blanks.
        mechanisms: String,
    },
    /// The server answered with a line that is no answer to what was sent.
    Unexpected {
        /// What would be.
        expected: &'static str,
        /// The line, cut and escaped.
        line: String,
    },
    /// The server is not the one that the address names.
    WrongServer {
        /// The guid of the address.
        expected: Guid,
        /// The guid of the server.
        found: Guid,
    },
    /// The client's first byte was not NUL.
    NoNul {
        /// What it was.
        found: u8,
    },
    /// The client sent `BEGIN` before it was told OK.
    BeginTooEarly,
    /// The other end sent a longer line than it may.
    LineTooLong {
        /// The longest line, in bytes.
        limit: usize,
    },
    /// The other end's lines are longer together than they may be.
    TooManyBytes {
        /// The most bytes.
        limit: usize,
    },
    /// The client was rejected for the last time.
    TooManyRejects {
        /// The most rejections.
        limit: usize,
    },
    /// The other end made its last mistake.
    TooManyErrors {
        /// The most errors.
        limit: usize,
    },
    /// Descriptors came with bytes of the handshake, or behind it without having been agreed on.
    Descriptors {
        /// How many; they were closed.
        count: usize,
    },
    /// A method of [`ClientAuth`](crate::auth::ClientAuth) or
    /// [`ServerAuth`](crate::auth::ServerAuth) was called when it must not be. This is a mistake of
    /// the caller, not of the peer; the call changed nothing, and the handshake can go on.
    OutOfOrder {
        /// The method.
        call: &'static str,
        /// Why it must not be called now.
        reason: &'static str,
    },
    /// Descriptors came for which the account of the client has no room
    /// ([`Listener::with_budget`](crate::Listener::with_budget)).
    FdsOverBudget {
        /// How many; they were closed.
        count: usize,
        /// How many the account had room for.
        available: usize,
    },
    /// More descriptors came at once than a message may have
    /// ([`Limits::max_received_fds`](crate::Limits)).
    TooManyFds {
        /// How many; they were closed.
        count: usize,
        /// The most.
        limit: usize,
    },
}

impl HandshakeError {
    pub(crate) fn io_kind(&self) -> io::ErrorKind {
        match self {
            HandshakeError::Io(error) => error.kind(),
            HandshakeError::Closed { .. } => io::ErrorKind::UnexpectedEof,
            HandshakeError::TimedOut { .. } => io::ErrorKind::TimedOut,
            HandshakeError::Displaced { .. } | HandshakeError::FdsOverBudget { .. } => {
                io::ErrorKind::QuotaExceeded
            }
            HandshakeError::Rejected { .. } | HandshakeError::TooManyRejects { .. } => {
                io::ErrorKind::PermissionDenied
            }
            HandshakeError::OutOfOrder { .. } => io::ErrorKind::InvalidInput,
            _ => io::ErrorKind::InvalidData,
        }
    }

    /// The same error once more. Of an error of the system, only the kind is kept.
    pub(super) fn repeated(&self) -> HandshakeError {
        use HandshakeError::*;

        match *self {
            Io(ref error) => Io(error.kind().into()),
            Closed { pipelined } => Closed { pipelined },
            TimedOut { after } => TimedOut { after },
            Rejected { ref mechanisms } => Rejected { mechanisms: mechanisms.clone() },
            Unexpected { expected, ref line } => Unexpected { expected, line: line.clone() },
            WrongServer { expected, found } => WrongServer { expected, found },
            NoNul { found } => NoNul { found },
            BeginTooEarly => BeginTooEarly,
            LineTooLong { limit } => LineTooLong { limit },
            TooManyBytes { limit } => TooManyBytes { limit },
            TooManyRejects { limit } => TooManyRejects { limit },
            TooManyErrors { limit } => TooManyErrors { limit },
            Descriptors { count } => Descriptors { count },
            OutOfOrder { call, reason } => OutOfOrder { call, reason },
            Displaced { limit } => Displaced { limit },
            FdsOverBudget { count, available } => FdsOverBudget { count, available },
            TooManyFds { count, limit } => TooManyFds { count, limit },
        }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HandshakeError::Io(_) => f.write_str("the socket failed during the handshake"),
            HandshakeError::Closed { pipelined: false } => {
                f.write_str("the peer closed the connection during the handshake")
            }
            HandshakeError::Closed { pipelined: true } => f.write_str(
                "the peer closed the connection during a pipelined handshake; \
                 xdg-dbus-proxy before 0.1.6 does that: use a stepwise client",
            ),
            HandshakeError::TimedOut { after } => {
                write!(f, "the peer did not finish the handshake within {after:?}")
            }
            HandshakeError::Displaced { limit } => write!(
                f,
                "{limit} clients were in their handshake, which is the limit, \
                 and a client of another uid needed the place"
            ),
            HandshakeError::Rejected { mechanisms } => {
                write!(f, "the server rejected the client; it takes: {mechanisms}")
            }
            HandshakeError::Unexpected { expected, line } => {
                write!(f, "the server answered \"{line}\" where {expected} was expected")
            }
            HandshakeError::WrongServer { expected, found } => {
                write!(f, "the server is {found}, the address is of {expected}")
            }
            HandshakeError::NoNul { found } => {
                write!(f, "the client began with the byte {found:#04x}, not with NUL")
            }
            HandshakeError::BeginTooEarly => {
                f.write_str("the client sent BEGIN before it was let in")
            }
            HandshakeError::LineTooLong { limit } => {
                write!(f, "the peer sent a line of the handshake of {limit} bytes or more")
            }
            HandshakeError::TooManyBytes { limit } => {
                write!(f, "the peer sent more than {limit} bytes of handshake")
            }
            HandshakeError::TooManyRejects { limit } => {
                write!(f, "the client was rejected {limit} times")
            }
            HandshakeError::TooManyErrors { limit } => {
                write!(f, "the peer sent {limit} lines that are none of the protocol")
            }
            HandshakeError::Descriptors { count } => {
                write!(f, "the peer sent {count} descriptors before they were agreed on")
            }
            HandshakeError::OutOfOrder { call, reason } => {
                return write!(f, "{call} was called out of order: {reason}");
            }
            HandshakeError::FdsOverBudget { count, available } => write!(
                f,
                "the peer sent {count} descriptors, and its account has room for {available}"
            ),
            HandshakeError::TooManyFds { count, limit } => {
                write!(f, "the peer sent {count} descriptors at once, and may send {limit}")
            }
        }?;
        f.write_str("; the connection was closed")
    }
}

impl Error for HandshakeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            HandshakeError::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> HandshakeError {
        HandshakeError::Io(error)
    }
}

impl From<HandshakeError> for io::Error {
    fn from(error: HandshakeError) -> io::Error {
        io::Error::new(error.io_kind(), error)
    }
}
