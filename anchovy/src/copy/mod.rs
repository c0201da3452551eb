//! Copying from one stream to another, bytes and descriptors.

pub(crate) mod bidirectional;
pub(crate) mod copied;
pub(crate) mod copier;
pub(crate) mod one_way;
pub(crate) mod sides;

pub use bidirectional::copy_bidirectional;
pub use copied::Copied;
pub use copier::{Copier, Unsent};
pub use one_way::copy;
pub use sides::{FdReader, FdWriter};
