//! The credentials of a peer, as reported by the kernel.
//!
//! They are those at the time of the connection (`SO_PEERCRED`, unix(7)).

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anchovy::{Charge, PeerCredentials, Resource};

use crate::socket::Socket;

/// The credentials of a peer, as reported by the kernel at the time of the connection (`SO_PEERCRED`,
/// unix(7)).
///
/// Base decisions on the uid or the pidfd. The process may have passed its socket to another process,
/// and after it exits, another process can get its pid. The pidfd always refers to the original process.
#[derive(Debug)]
pub struct Credentials {
    peer: PeerCredentials,
    pidfd: Option<OwnedFd>,
    /// The charge for the pidfd, if the peer has an account.
    charge: Option<Charge>,
}

impl Credentials {
    /// Reads the credentials of the peer, without a pidfd.
    pub(crate) fn from_socket(socket: &Socket) -> io::Result<Credentials> {
        Ok(Credentials { peer: socket.peer_cred()?, pidfd: None, charge: None })
    }

    /// Adds the pidfd, if it is available. It is not available on an old kernel, after the process has
    /// exited, if the descriptor table is full, or if the account has no room.
    pub(crate) fn add_pidfd(&mut self, socket: &Socket) {
        match socket.account() {
            None => self.pidfd = socket.peer_pidfd().ok(),
            Some(account) => {
                if let Some(charge) = account.try_charge(Resource::HeldFds, 1) {
                    self.add_charged_pidfd(socket, charge);
                }
            }
        }
    }

    /// Adds the pidfd, which has been charged.
    pub(crate) fn add_charged_pidfd(&mut self, socket: &Socket, charge: Charge) {
        if let Ok(pidfd) = socket.peer_pidfd() {
            (self.pidfd, self.charge) = (Some(pidfd), Some(charge.pin()));
        }
    }

    /// Returns the effective user id in the user namespace of this process. It is 65534 for a user
    /// without an id in this namespace (user_namespaces(7)).
    pub fn uid(&self) -> u32 {
        self.peer.uid()
    }

    /// Returns the effective group id in the user namespace of this process.
    pub fn gid(&self) -> u32 {
        self.peer.gid()
    }

    /// Returns the process id in the pid namespace of this process, if it has one there.
    pub fn pid(&self) -> Option<i32> {
        self.peer.pid()
    }

    /// Returns a descriptor of the process (`SO_PEERPIDFD`, Linux 6.5; pidfd_open(2)).
    ///
    /// Returns `None` on a client, on an old kernel, if the process had exited, if the descriptor table
    /// was full, or if the [`Budget`](crate::Budget) of the listener had no room for another descriptor of
    /// this uid.
    pub fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(AsFd::as_fd)
    }
}
