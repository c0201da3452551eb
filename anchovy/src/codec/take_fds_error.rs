//! The error of claiming descriptors for a frame.

use std::error::Error;
use std::fmt;

use super::receive_error::ReceiveError;
use crate::error::descriptors::Descriptors;
use crate::error::truncation::Truncation;

/// Why a frame cannot claim descriptors; from [`ReceivedFds::take`](super::ReceivedFds::take) and
/// [`ReceivedFds::take_all`](super::ReceivedFds::take_all).
///
/// It converts into [`ReceiveError<E>`] for every `E`, so a decoder can use `?`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TakeFdsError {
    /// The frame declares more descriptors than it can claim.
    Missing {
        /// Number of descriptors that the frame declares.
        declared: usize,
        /// Number of descriptors that the frame can claim.
        available: usize,
    },
    /// The frame declares a part of a descriptor set that may belong to a discarded frame
    /// ([`ReceivedFds::discard`](super::ReceivedFds::discard)).
    Ambiguous {
        /// Number of descriptors of the set that the frame declares.
        declared: usize,
        /// Number of descriptors of the set.
        available: usize,
    },
    /// The kernel truncated a descriptor set that may belong to the frame.
    Truncated {
        /// The cause, as far as it is known.
        cause: Truncation,
    },
}

impl fmt::Display for TakeFdsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TakeFdsError::Missing { declared, available } => {
                write!(f, "a frame declares {}, {available} are available", Descriptors(*declared))
            }
            TakeFdsError::Ambiguous { declared, available } => write!(
                f,
                "a frame declares {declared} of {} that arrived together, some of which may belong to a \
                 discarded frame",
                Descriptors(*available)
            ),
            TakeFdsError::Truncated { cause } => {
                write!(f, "the kernel did not deliver all descriptors of a frame: {cause}")
            }
        }
    }
}

impl Error for TakeFdsError {}

impl<E> From<TakeFdsError> for ReceiveError<E> {
    // Out of line, so that a decoder in which nothing fails stays small enough to be inlined.
    #[cold]
    #[inline(never)]
    fn from(error: TakeFdsError) -> ReceiveError<E> {
        match error {
            TakeFdsError::Missing { declared, available } => {
                ReceiveError::MissingFds { declared, available }
            }
            TakeFdsError::Ambiguous { declared, available } => {
                ReceiveError::AmbiguousFds { declared, available }
            }
            TakeFdsError::Truncated { cause } => ReceiveError::Truncated { cause },
        }
    }
}
