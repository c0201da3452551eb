//! How much memory a framed stream keeps.

/// The most memory that a buffer keeps when it is empty; larger memory is given back.
pub(super) const KEPT: usize = 256 << 10;
