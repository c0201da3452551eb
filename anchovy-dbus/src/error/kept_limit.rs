//! The limits on kept messages.

use std::fmt;

use crate::descriptors::Descriptors;

/// A limit on kept messages that was reached.
///
/// A *kept message* is one that arrived while a [call](crate::Connection::call) waited for its reply, and
/// that has not been received since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeptLimit {
    /// [`Limits::max_kept_messages`](crate::Limits::max_kept_messages).
    Messages {
        /// Number of kept messages.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// [`Limits::max_kept_bytes`](crate::Limits::max_kept_bytes).
    Bytes {
        /// Number of bytes of the kept messages.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// [`Limits::max_kept_fds`](crate::Limits::max_kept_fds).
    Fds {
        /// Number of descriptors of the kept messages.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// The account of the peer ([`Listener::with_budget`](crate::Listener::with_budget)).
    Budget {
        /// Number of bytes of memory of the kept messages.
        bytes: usize,
        /// Number of these bytes for which the account has no room.
        missing: usize,
    },
}

impl fmt::Display for KeptLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeptLimit::Messages { count, limit } => {
                write!(
                    f,
                    "the number of messages that wait to be received is {count}, limit is {limit}"
                )
            }
            KeptLimit::Bytes { count, limit } => {
                write!(
                    f,
                    "the messages that wait to be received have {count} bytes, limit is {limit}"
                )
            }
            KeptLimit::Fds { count, limit } => {
                write!(
                    f,
                    "the messages that wait to be received have {}, limit is {limit}",
                    Descriptors(*count)
                )
            }
            KeptLimit::Budget { bytes, missing } => write!(
                f,
                "the messages that wait to be received need {bytes} bytes of memory, the account of \
                 the peer has no room for {missing} of them"
            ),
        }
    }
}
