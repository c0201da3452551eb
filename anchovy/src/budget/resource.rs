//! Resources that a budget divides.

/// A resource that a [`Budget`](super::Budget) divides among its accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Resource {
    /// Descriptors that this process holds for a peer: the socket of its connection, if a listener has
    /// charged it, and received descriptors that the program has not taken. Other crates can charge more:
    /// anchovy-dbus charges a pidfd of the peer.
    HeldFds,
    /// Descriptors that were sent to a peer and that it has not read. The kernel counts them
    /// against this user, over all processes (unix(7), `ETOOMANYREFS`).
    FdsInFlight,
    /// Bytes of memory for a peer: buffers, incomplete messages and unsent replies.
    Bytes,
}

/// Amounts of each resource.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Number of descriptors that this process holds.
    pub held_fds: usize,
    /// Number of descriptors that were sent and not yet read.
    pub fds_in_flight: usize,
    /// Number of bytes of memory.
    pub bytes: usize,
}
