//! Sockets that are closed for their owner while descriptors that were sent over them are unread.
//!
//! The kernel counts those descriptors on after the sender has closed its socket, until the peer has
//! read them or has closed its own. A peer could otherwise have a connection ended again and again,
//! and keep the descriptors of each. So the socket stays, shut down, and the charge with it.

use std::os::fd::{AsFd, OwnedFd};

use super::key::AccountKey;

/// One such socket. Its amounts are numbers and no charges, which would keep their budget alive.
#[derive(Debug)]
pub(super) struct Lingering {
    pub(super) socket: OwnedFd,
    pub(super) key: AccountKey,
    pub(super) in_flight: usize,
    pub(super) held: usize,
}

impl Lingering {
    /// Returns whether the peer has read everything, or has closed its end.
    pub(super) fn is_over(&self) -> bool {
        crate::sys::options::unsent_bytes(self.socket.as_fd()).is_ok_and(|unsent| unsent == 0)
    }
}
