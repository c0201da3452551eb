//! How much was copied.

/// Number of bytes and descriptors that were copied in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Copied {
    /// Number of bytes written.
    pub bytes: u64,
    /// Number of descriptors sent.
    pub fds: u64,
}
