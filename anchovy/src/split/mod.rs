//! The read and write halves of a stream.

pub(crate) mod borrowed;
pub(crate) mod owned;
mod read_methods;
mod socket_methods;
mod write_methods;

pub use borrowed::{ReadHalf, WriteHalf};
pub use owned::{OwnedReadHalf, OwnedWriteHalf};
