//! The halves of a stream: the same socket, seen by one side each.

pub(crate) mod borrowed;
pub(crate) mod owned;
mod read_methods;
mod socket_methods;
mod write_methods;

pub use borrowed::{ReadHalf, WriteHalf};
pub use owned::{OwnedReadHalf, OwnedWriteHalf};
