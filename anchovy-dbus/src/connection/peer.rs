//! The state of a peer that both halves of a connection share.

use std::num::NonZeroU32;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use anchovy::Account;

use crate::credentials::Credentials;
use crate::guid::Guid;
use crate::handshake::outcome::Role;

/// The peer of a connection, shared by both halves.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) guid: Guid,
    pub(super) credentials: Credentials,
    pub(super) unix_fds: bool,
    /// Whether this end is the server.
    pub(super) is_server: bool,
    /// Whether descriptors may be sent before the peer has sent a message. If not, a client may not
    /// have finished its handshake.
    pub(super) fds_at_once: bool,
    /// The account of the peer, if it has one.
    pub(super) account: Option<Account>,
    /// Whether the peer has sent a message.
    pub(super) has_sent: AtomicBool,
    /// Whether the first message of this client with a destination was not `Hello`.
    pub(super) without_hello: AtomicBool,
    /// Serial of the call of `Hello` that has no reply yet, or 0.
    hello: AtomicU32,
    /// Name of this client on the bus.
    pub(super) unique_name: OnceLock<Box<str>>,
}

impl Peer {
    pub(super) fn new(
        guid: Guid,
        credentials: Credentials,
        unix_fds: bool,
        role: &Role,
        account: Option<Account>,
    ) -> Peer {
        let (is_server, fds_at_once) = match *role {
            Role::Client => (false, true),
            Role::Server { fds_at_once } => (true, fds_at_once),
        };
        Peer {
            guid,
            credentials,
            unix_fds,
            is_server,
            fds_at_once,
            account,
            has_sent: AtomicBool::new(false),
            without_hello: AtomicBool::new(false),
            hello: AtomicU32::new(0),
            unique_name: OnceLock::new(),
        }
    }

    /// Returns the serial of the call of `Hello` that has no reply yet.
    pub(super) fn hello(&self) -> Option<NonZeroU32> {
        NonZeroU32::new(self.hello.load(Ordering::Acquire))
    }

    pub(super) fn set_hello(&self, serial: Option<NonZeroU32>) {
        self.hello.store(serial.map_or(0, NonZeroU32::get), Ordering::Release);
    }

    /// Returns whether the peer can only be a bus that closed the connection because the first message
    /// was not `Hello`.
    pub(super) fn has_missed_hello(&self) -> bool {
        self.without_hello.load(Ordering::Acquire) && !self.has_sent.load(Ordering::Acquire)
    }
}
