//! Sockets that the program has closed while descriptors sent over them are unread.
//!
//! The kernel counts these descriptors until the peer has read them or closed its socket, even if
//! the sender has closed its own. Without a charge for them, a peer could accumulate unread
//! descriptors by reconnecting. So the socket is shut down and kept open, and its charge is kept
//! too.

use std::os::fd::{AsFd, OwnedFd};

use super::key::AccountKey;

/// One such socket. The amounts are plain numbers, because a `Charge` would keep its budget alive.
#[derive(Debug)]
pub(super) struct Lingering {
    pub(super) socket: OwnedFd,
    pub(super) key: AccountKey,
    pub(super) in_flight: usize,
    pub(super) held: usize,
}

impl Lingering {
    /// Returns whether the peer has read everything or has closed its socket.
    pub(super) fn is_over(&self) -> bool {
        crate::sys::options::unsent_bytes(self.socket.as_fd()).is_ok_and(|unsent| unsent == 0)
    }
}
