//! Failures of handing a descriptor to an exchange.

use std::error::Error;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;

/// The error of [`Exchange::send`](super::Exchange::send) and
/// [`Exchange::send_borrowed`](super::Exchange::send_borrowed).
///
/// No id was used up, and the exchange works on unless it is closed.
#[derive(Debug)]
pub struct SendError {
    /// The descriptor that was given to `send`. `None` for `send_borrowed`, which closes its duplicate.
    pub unsent: Option<OwnedFd>,
    /// The cause.
    pub kind: SendErrorKind,
}

/// The cause of a [`SendError`].
#[derive(Debug)]
#[non_exhaustive]
pub enum SendErrorKind {
    /// As many descriptors as [`max_queued`](super::ExchangeBuilder::max_queued) allows wait to leave.
    ///
    /// Write the requests of these descriptors first. [`io::ErrorKind::QuotaExceeded`].
    TooManyQueued {
        /// Number of descriptors that wait to leave.
        count: usize,
        /// The most that may wait.
        limit: usize,
    },
    /// The stream was dropped or its write side shut down. [`io::ErrorKind::BrokenPipe`].
    Closed,
    /// The borrowed descriptor could not be duplicated (`F_DUPFD_CLOEXEC`), for example because the
    /// descriptor table is full.
    Duplicate(io::Error),
}

impl fmt::Display for SendErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendErrorKind::TooManyQueued { count, limit } => write!(
                f,
                "{count} descriptors wait to leave, limit is {limit}; write their requests first"
            ),
            SendErrorKind::Closed => {
                f.write_str("the stream of the exchange is closed for writing; connect again")
            }
            SendErrorKind::Duplicate(_) => f.write_str("duplicating the descriptor failed"),
        }
    }
}

impl Error for SendErrorKind {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SendErrorKind::Duplicate(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.kind.source()
    }
}

impl From<SendErrorKind> for io::Error {
    fn from(kind: SendErrorKind) -> io::Error {
        match kind {
            SendErrorKind::TooManyQueued { .. } => {
                io::Error::new(io::ErrorKind::QuotaExceeded, kind)
            }
            SendErrorKind::Closed => io::Error::new(io::ErrorKind::BrokenPipe, kind),
            SendErrorKind::Duplicate(error) => error,
        }
    }
}

/// Closes the descriptor.
impl From<SendError> for io::Error {
    fn from(error: SendError) -> io::Error {
        error.kind.into()
    }
}
