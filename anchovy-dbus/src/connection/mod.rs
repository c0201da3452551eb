//! A stream and a sink of messages, whole and in halves.
//!
//! A connection consists of its two halves. Each half works without the other, so that a task that
//! sends does not wait for a task that receives.

mod abandoned_calls;
mod call;
pub(crate) mod duplex;
mod kept_messages;
mod parts;
mod peer;
mod policies;
mod read_codec;
pub(crate) mod read_half;
mod unsent_fds;
mod write_codec;
pub(crate) mod write_half;

pub use duplex::Connection;
pub use parts::ConnectionParts;
pub use read_half::OwnedReadHalf;
pub use write_half::OwnedWriteHalf;
