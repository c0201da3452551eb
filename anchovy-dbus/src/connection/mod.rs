//! A stream and a sink of messages, whole and in halves.
//!
//! A connection is its two halves, held together: each does its side's work alone, so that a task
//! that writes never waits for one that reads.

mod abandoned_calls;
mod call;
pub(crate) mod duplex;
mod kept_messages;
mod parts;
mod peer;
mod policies;
pub(crate) mod read_half;
pub(crate) mod write_half;

pub use duplex::Connection;
pub use parts::ConnectionParts;
pub use read_half::OwnedReadHalf;
pub use write_half::OwnedWriteHalf;
