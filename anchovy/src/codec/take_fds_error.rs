//! The error of taking descriptors for a frame.

use std::error::Error;
use std::fmt;

use super::receive_error::ReceiveError;
use crate::error::descriptors::Descriptors;
use crate::error::truncation::Truncation;

/// Why descriptors cannot be taken for a frame; from [`ReceivedFds::take`](super::ReceivedFds::take) and
/// [`ReceivedFds::take_all`](super::ReceivedFds::take_all).
///
/// It converts into [`ReceiveError<E>`] for every `E`, so a decoder can use `?`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TakeFdsError {
    /// The decoder asked for more descriptors than are available to the frame.
    Missing {
        /// Number of descriptors that the decoder asked for.
        declared: usize,
        /// Number of descriptors that are available to the frame.
        available: usize,
    },
    /// The decoder asked for only a part of a set (the descriptors that arrived together). A
    /// [discarded](super::ReceivedFds::discard) frame may have been sent with another part of the set. So it
    /// is not known which descriptors of the set belong to which frame.
    Ambiguous {
        /// Number of descriptors that the frame would take from the set. It is less than the number that the
        /// frame declares if the frame also takes descriptors of an earlier set.
        declared: usize,
        /// Number of descriptors of the set that no earlier frame has taken.
        available: usize,
    },
    /// The kernel dropped some of the descriptors that may belong to the frame (`MSG_CTRUNC`).
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
