//! What a budget divides.

/// A resource that a [`Budget`](super::Budget) divides among its accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resource {
    /// Descriptors that this process holds for a peer: its socket and pidfd, and received ones that
    /// nobody has taken.
    HeldFds,
    /// Descriptors that were sent to a peer and that it has not read yet. The kernel counts them
    /// against this user, over all processes (unix(7), `ETOOMANYREFS`).
    FdsInFlight,
    /// Bytes of memory for a peer: buffers, half messages, unread answers.
    Bytes,
}

/// How much of each resource is charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Descriptors that this process holds.
    pub held_fds: usize,
    /// Descriptors that were sent and not read yet.
    pub fds_in_flight: usize,
    /// Bytes of memory.
    pub bytes: usize,
}
