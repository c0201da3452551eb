//! The limits on kept messages.

use std::fmt;

/// A limit that was reached by messages that arrived while a [call](crate::Connection::call) waited
/// for its reply and that have not been received since.
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
        /// Number of them for which the account has no room.
        missing: usize,
    },
}

impl fmt::Display for KeptLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeptLimit::Messages { count, limit } => {
                write!(f, "{count} messages wait to be received, limit is {limit}")
            }
            KeptLimit::Bytes { count, limit } => {
                write!(f, "messages of {count} bytes wait to be received, limit is {limit}")
            }
            KeptLimit::Fds { count, limit } => {
                write!(f, "messages with {count} descriptors wait to be received, limit is {limit}")
            }
            KeptLimit::Budget { bytes, missing } => write!(
                f,
                "messages that wait to be received need {bytes} bytes of memory, the account of \
                 the peer has no room for {missing} of them"
            ),
        }
    }
}
