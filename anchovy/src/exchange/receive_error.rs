//! Errors of receiving the descriptor of an id.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use super::exchange_error::ExchangeError;
use super::fd_id::FdId;

/// The error of [`Exchange::receive`](super::Exchange::receive).
///
/// It concerns one id. [`EndOfStream`](Self::EndOfStream), [`Closed`](Self::Closed) and
/// [`StreamFailed`](Self::StreamFailed) also mean that no more descriptors arrive. The remaining errors do
/// not affect the stream and other descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The id belongs to another connection, or it is an id that [`Exchange::send`](super::Exchange::send) of
    /// this side returned.
    ///
    /// Ids of another connection are recognized once the first descriptor of the peer (the carrier), which
    /// contains the random number of the peer, has arrived. Before that, the call fails with
    /// [`OutOfRange`](Self::OutOfRange) if the number of the id is too high, and otherwise waits. If the
    /// carrier does not arrive within the timeout, the call fails with [`NotArrived`](Self::NotArrived). The
    /// kind is [`io::ErrorKind::InvalidInput`].
    ForeignId {
        /// The id.
        id: FdId,
    },
    /// The number of the id, which counts from 0, is `arrived + limit` or higher. The limit is
    /// [`max_unclaimed`](super::ExchangeBuilder::max_unclaimed).
    ///
    /// The kind is [`io::ErrorKind::InvalidInput`].
    OutOfRange {
        /// The id.
        id: FdId,
        /// Number of descriptors that have arrived on this connection.
        arrived: u64,
        /// Maximum number of descriptors that have arrived and were not taken.
        limit: usize,
    },
    /// The descriptor was taken before.
    ///
    /// This error is also returned for a descriptor that has [expired](Self::Expired), if 1,024 others have
    /// expired after it. The kind is [`io::ErrorKind::NotFound`].
    AlreadyTaken {
        /// The id.
        id: FdId,
    },
    /// The descriptor arrived, was not taken within the timeout, and was closed.
    ///
    /// The kind is [`io::ErrorKind::TimedOut`].
    Expired {
        /// The id.
        id: FdId,
        /// The time for which a descriptor may wait.
        timeout: Duration,
    },
    /// The descriptor did not arrive within the timeout. The kind is [`io::ErrorKind::TimedOut`].
    NotArrived {
        /// The id.
        id: FdId,
        /// The time for which a call waits.
        timeout: Duration,
    },
    /// The peer ended its side of the stream without sending the descriptor.
    ///
    /// The kind is [`io::ErrorKind::UnexpectedEof`].
    EndOfStream {
        /// The id.
        id: FdId,
    },
    /// The stream was dropped before the descriptor arrived. The kind is
    /// [`io::ErrorKind::NotConnected`].
    Closed {
        /// The id.
        id: FdId,
    },
    /// The read side failed before the descriptor arrived, or closed the descriptor when it failed.
    ///
    /// The kind is that of the contained error.
    StreamFailed {
        /// The id.
        id: FdId,
        /// The failure of the read side.
        error: ExchangeError,
    },
}

impl ReceiveError {
    /// Returns the id that was passed to [`Exchange::receive`](super::Exchange::receive).
    pub fn id(&self) -> FdId {
        match *self {
            ReceiveError::ForeignId { id }
            | ReceiveError::OutOfRange { id, .. }
            | ReceiveError::AlreadyTaken { id }
            | ReceiveError::Expired { id, .. }
            | ReceiveError::NotArrived { id, .. }
            | ReceiveError::EndOfStream { id }
            | ReceiveError::Closed { id }
            | ReceiveError::StreamFailed { id, .. } => id,
        }
    }

    /// Returns the [`io::ErrorKind`] of the [`io::Error`] that this error converts into.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            ReceiveError::ForeignId { .. } | ReceiveError::OutOfRange { .. } => {
                io::ErrorKind::InvalidInput
            }
            ReceiveError::AlreadyTaken { .. } => io::ErrorKind::NotFound,
            ReceiveError::Expired { .. } | ReceiveError::NotArrived { .. } => {
                io::ErrorKind::TimedOut
            }
            ReceiveError::EndOfStream { .. } => io::ErrorKind::UnexpectedEof,
            ReceiveError::Closed { .. } => io::ErrorKind::NotConnected,
            ReceiveError::StreamFailed { error, .. } => error.kind(),
        }
    }
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            ReceiveError::ForeignId { id } => write!(
                f,
                "descriptor {id} is not one that the peer of this connection sends; \
                 receive it on the connection that its request came from"
            ),
            ReceiveError::OutOfRange { id, arrived, limit } => write!(
                f,
                "descriptor {id} is out of range, {arrived} descriptors have arrived and at most \
                 {limit} more are awaited"
            ),
            ReceiveError::AlreadyTaken { id } => write!(f, "descriptor {id} was taken before"),
            ReceiveError::Expired { id, timeout } => {
                write!(f, "descriptor {id} was not taken within {timeout:?} and was closed")
            }
            ReceiveError::NotArrived { id, timeout } => {
                write!(f, "descriptor {id} did not arrive within {timeout:?}")
            }
            ReceiveError::EndOfStream { id } => {
                write!(f, "the peer ended the stream without descriptor {id}")
            }
            ReceiveError::Closed { id } => {
                write!(f, "the stream was dropped before descriptor {id} arrived")
            }
            ReceiveError::StreamFailed { id, .. } => {
                write!(f, "descriptor {id} cannot be received any more")
            }
        }
    }
}

impl Error for ReceiveError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ReceiveError::StreamFailed { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl From<ReceiveError> for io::Error {
    fn from(error: ReceiveError) -> io::Error {
        io::Error::new(error.kind(), error)
    }
}
