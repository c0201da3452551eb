//! Failures of the read side of an exchange.

use std::error::Error;
use std::fmt;
use std::io;

use crate::error::descriptors::Descriptors;
use crate::error::fd_error::FdError;

/// The error of an [`ExchangeStream`](super::ExchangeStream) whose read side failed because of
/// descriptors.
///
/// The [`io::Error`] of the read contains it; [`from_io_error`](Self::from_io_error) returns it. Every
/// later read fails with the same error. For a descriptor that can no longer be received,
/// [`Exchange::receive`](super::Exchange::receive) returns
/// [`ReceiveError::StreamFailed`](super::ReceiveError::StreamFailed), which contains this error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The first descriptor that the peer sent is not a
    /// [carrier](super#which-bytes-carry-which-descriptor), which every exchange sends first.
    ///
    /// The peer does not use this module, or has sent other descriptors before it created its exchange.
    /// All descriptors that the read returned were closed, and the bytes of the read are lost. The kind is
    /// [`io::ErrorKind::InvalidData`].
    NotAnExchange {
        /// Number of descriptors received.
        count: usize,
    },
    /// The number of descriptors that have arrived and were not taken exceeds
    /// [`max_unclaimed`](super::ExchangeBuilder::max_unclaimed).
    ///
    /// All of them were closed, including those that arrived with earlier reads, and the bytes of the
    /// read are lost. The kind is [`io::ErrorKind::QuotaExceeded`].
    TooManyUnclaimed {
        /// Number of descriptors, including those that arrived last.
        count: usize,
        /// Maximum number of such descriptors.
        limit: usize,
    },
    /// The read side of the [`AnchovyStream`](crate::AnchovyStream) failed. Descriptors that had
    /// arrived before can still be taken.
    ///
    /// The [`io::Error`] of the read contains the [`FdError`] itself.
    Stream(FdError),
}

impl ExchangeError {
    /// Returns the `ExchangeError` in the error of a read, if there is one. If `error` contains an
    /// [`FdError`], returns it as [`Stream`](Self::Stream).
    ///
    /// # Examples
    ///
    /// ```
    /// use anchovy::exchange::ExchangeError;
    ///
    /// let failed = ExchangeError::TooManyUnclaimed { count: 1300, limit: 1277 };
    /// assert_eq!(ExchangeError::from_io_error(&failed.into()), Some(failed));
    /// ```
    pub fn from_io_error(error: &io::Error) -> Option<ExchangeError> {
        let inner = error.get_ref()?;
        let failed = inner.downcast_ref().copied();
        failed.or_else(|| inner.downcast_ref().copied().map(ExchangeError::Stream))
    }

    /// Returns the [`io::ErrorKind`] of the [`io::Error`] that this error converts into.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            ExchangeError::NotAnExchange { .. } => io::ErrorKind::InvalidData,
            ExchangeError::TooManyUnclaimed { .. } => io::ErrorKind::QuotaExceeded,
            ExchangeError::Stream(error) => error.kind(),
        }
    }
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            ExchangeError::NotAnExchange { count } => write!(
                f,
                "received {} from a peer without an exchange; they were closed and every later read \
                 fails, use an exchange on both sides",
                Descriptors(count)
            ),
            ExchangeError::TooManyUnclaimed { count, limit } => write!(
                f,
                "{count} descriptors wait to be taken, limit is {limit}; they were closed and every later \
                 read fails, take descriptors earlier or raise max_unclaimed"
            ),
            ExchangeError::Stream(_) => f.write_str("the read side of the stream failed"),
        }
    }
}

impl Error for ExchangeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ExchangeError::Stream(error) => Some(error),
            _ => None,
        }
    }
}

impl From<ExchangeError> for io::Error {
    fn from(error: ExchangeError) -> io::Error {
        match error {
            ExchangeError::Stream(error) => error.into(),
            _ => io::Error::new(error.kind(), error),
        }
    }
}
