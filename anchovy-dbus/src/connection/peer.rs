//! The other end of a connection.

use std::sync::atomic::AtomicBool;

use crate::credentials::Credentials;
use crate::guid::Guid;

/// What both halves know of the other end.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) guid: Guid,
    pub(super) credentials: Credentials,
    pub(super) unix_fds: bool,
    /// It has sent a message, or need not have; before that, a server's client may be in its
    /// handshake still.
    pub(super) has_sent: AtomicBool,
}
