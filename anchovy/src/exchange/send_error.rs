//! Errors of passing a descriptor to an exchange.

use std::error::Error;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;

/// The error of [`Exchange::send`](super::Exchange::send) and
/// [`Exchange::send_borrowed`](super::Exchange::send_borrowed).
///
/// The exchange is unchanged.
#[derive(Debug)]
pub struct SendError {
    /// The descriptor that was passed to `send`. `None` for `send_borrowed`, which closes its
    /// duplicate.
    pub unsent: Option<OwnedFd>,
    /// The cause.
    pub kind: SendErrorKind,
}

/// The cause of a [`SendError`].
#[derive(Debug)]
#[non_exhaustive]
pub enum SendErrorKind {
    /// The queue already has [`max_queued`](super::ExchangeBuilder::max_queued) descriptors that have
    /// not been sent.
    ///
    /// Write the requests of these descriptors first. The kind is [`io::ErrorKind::QuotaExceeded`].
    TooManyQueued {
        /// Number of descriptors that are queued and not yet sent.
        count: usize,
        /// Maximum number of such descriptors.
        limit: usize,
    },
    /// The stream was dropped, or its write side was shut down. The kind is
    /// [`io::ErrorKind::BrokenPipe`].
    Closed,
    /// The borrowed descriptor could not be duplicated (`F_DUPFD_CLOEXEC`), for example because the
    /// descriptor table is full. The kind is that of the contained error.
    Duplicate(io::Error),
}

impl fmt::Display for SendErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendErrorKind::TooManyQueued { count, limit } => write!(
                f,
                "{count} descriptors are queued and not yet sent, limit is {limit}; write their \
                 requests first"
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
