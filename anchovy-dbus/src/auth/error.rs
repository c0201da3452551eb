//! The error of a handshake.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use crate::descriptors::Descriptors;
use crate::guid::Guid;

/// The error of a handshake.
///
/// Every variant except [`OutOfOrder`](Self::OutOfOrder) ends the handshake. The socket and all
/// received descriptors are closed.
#[derive(Debug)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The socket failed.
    Io(io::Error),
    /// The peer closed the connection during the handshake.
    Closed {
        /// Whether this end is a client that sent the whole handshake at once. Some proxies do not support
        /// this.
        pipelined: bool,
    },
    /// The handshake took too long
    /// ([`HandshakeLimits::timeout`](crate::HandshakeLimits::timeout)).
    TimedOut {
        /// Maximum time of the handshake.
        after: Duration,
    },
    /// The listener ended the handshake in favor of a client whose uid had fewer clients in the
    /// handshake
    /// ([`Listener::with_max_unauthenticated`](crate::Listener::with_max_unauthenticated)).
    Displaced {
        /// Maximum number of clients in the handshake.
        limit: usize,
    },
    /// The server rejected the client.
    ///
    /// [`Client`](crate::Client) returns this error if it performs the whole handshake, and
    /// [`ClientAuth`](crate::auth::ClientAuth) if the handshake is pipelined. A program that performs the
    /// steps of the handshake itself gets [`client::Rejected`](crate::client::Rejected) instead, and can
    /// authenticate in another way.
    Rejected {
        /// The mechanisms that the server lists, separated by spaces.
        mechanisms: String,
    },
    /// The server sent a line that is not a valid reply.
    Unexpected {
        /// The replies that would be valid.
        expected: &'static str,
        /// The start of the line, with escapes.
        line: String,
    },
    /// The guid of the server is not the expected one.
    WrongServer {
        /// The guid of the address, or of [`Client::guid`](crate::Client::guid).
        expected: Guid,
        /// The guid of the server.
        found: Guid,
    },
    /// The first byte of the client was not NUL.
    NoNul {
        /// The first byte.
        found: u8,
    },
    /// The client sent `BEGIN` before `OK`.
    BeginTooEarly,
    /// The peer sent a line that is too long
    /// ([`HandshakeLimits::max_line_bytes`](crate::HandshakeLimits::max_line_bytes)).
    LineTooLong {
        /// Maximum length of a line, in bytes.
        limit: usize,
    },
    /// The lines of the peer have too many bytes
    /// ([`HandshakeLimits::max_bytes`](crate::HandshakeLimits::max_bytes)).
    TooManyBytes {
        /// Maximum number of bytes.
        limit: usize,
    },
    /// The client was rejected too often
    /// ([`HandshakeLimits::max_rejects`](crate::HandshakeLimits::max_rejects)).
    TooManyRejects {
        /// Maximum number of rejections.
        limit: usize,
    },
    /// The peer sent too many invalid lines
    /// ([`HandshakeLimits::max_errors`](crate::HandshakeLimits::max_errors)).
    TooManyErrors {
        /// Maximum number of invalid lines.
        limit: usize,
    },
    /// Descriptors arrived with bytes of the handshake only, or descriptor passing was not negotiated.
    Descriptors {
        /// Number of descriptors, which were closed.
        count: usize,
    },
    /// A method of [`ClientAuth`](crate::auth::ClientAuth) or
    /// [`ServerAuth`](crate::auth::ServerAuth) was called in the wrong order.
    ///
    /// This is an error of the caller, not of the peer. The call changed nothing, and the handshake can
    /// continue.
    OutOfOrder {
        /// The method.
        call: &'static str,
        /// The reason why it must not be called now.
        reason: &'static str,
    },
    /// The peer sent more descriptors than the account of its uid has room for
    /// ([`Listener::with_budget`](crate::Listener::with_budget)).
    FdsOverBudget {
        /// Number of descriptors, which were closed.
        count: usize,
        /// Number of descriptors that the account had room for.
        available: usize,
    },
    /// The peer sent too many descriptors at once
    /// ([`Limits::max_received_fds`](crate::Limits::max_received_fds)).
    TooManyFds {
        /// Number of descriptors, which were closed.
        count: usize,
        /// Maximum number of descriptors.
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

    /// Returns a copy of the error. An I/O error keeps only its kind.
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
                return f.write_str("the peer closed the connection during the handshake");
            }
            HandshakeError::Closed { pipelined: true } => {
                return f.write_str(
                    "the peer closed the connection during a pipelined handshake, which \
                     xdg-dbus-proxy before 0.1.6 does not support; use a stepwise client",
                );
            }
            HandshakeError::TimedOut { after } => {
                write!(f, "the peer did not finish the handshake within {after:?}")
            }
            HandshakeError::Displaced { limit } => write!(
                f,
                "a client of another uid displaced this one, the limit of clients in the handshake \
                 is {limit}"
            ),
            HandshakeError::Rejected { mechanisms } if mechanisms.is_empty() => {
                f.write_str("the server rejected the client and listed no mechanisms")
            }
            HandshakeError::Rejected { mechanisms } => {
                write!(f, "the server rejected the client, it supports {mechanisms}")
            }
            HandshakeError::Unexpected { expected, line } => {
                write!(f, "the server replied \"{line}\", expected {expected}")
            }
            HandshakeError::WrongServer { expected, found } => {
                write!(f, "the server has the guid {found}, expected {expected}")
            }
            HandshakeError::NoNul { found } => {
                write!(f, "the first byte of the client is {found:#04x}, expected NUL")
            }
            HandshakeError::BeginTooEarly => {
                f.write_str("the client sent BEGIN before the server sent OK")
            }
            HandshakeError::LineTooLong { limit } => {
                write!(f, "the peer sent a line that is too long, limit is {limit} bytes")
            }
            HandshakeError::TooManyBytes { limit } => {
                write!(f, "the peer sent too many lines, limit is {limit} bytes")
            }
            HandshakeError::TooManyRejects { limit } => {
                write!(f, "the client was rejected {limit} times, which is the limit")
            }
            HandshakeError::TooManyErrors { limit } => {
                write!(f, "the peer sent {limit} invalid lines, which is the limit")
            }
            HandshakeError::Descriptors { count } => {
                write!(
                    f,
                    "the peer sent {}, descriptor passing was not negotiated",
                    Descriptors(*count)
                )
            }
            HandshakeError::OutOfOrder { call, reason } => {
                return write!(f, "`{call}` was called in the wrong order: {reason}");
            }
            HandshakeError::FdsOverBudget { count, available } => write!(
                f,
                "the peer sent {}, its account has room for {available}",
                Descriptors(*count)
            ),
            HandshakeError::TooManyFds { count, limit } => {
                write!(f, "the peer sent {} at once, limit is {limit}", Descriptors(*count))
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
