//! The stream: a socket, a receiving side and a sending side.

pub(crate) mod anchovy_stream;
pub(crate) mod parts;
mod read;
mod socket;
mod write;

pub use anchovy_stream::AnchovyStream;
pub use parts::Parts;
