//! Who is at the other end, by the kernel.
//!
//! The numbers are those of the moment when the two ends met (`SO_PEERCRED`, unix(7)). A process
//! may have handed its end on since, or be gone and its number be another's, so decide by uid; the
//! pidfd names the process itself, whatever becomes of its number.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anchovy::{Charge, Resource};

use crate::socket::Socket;

/// Who is at the other end of a connection.
#[derive(Debug)]
pub struct Credentials {
    uid: u32,
    gid: u32,
    pid: Option<i32>,
    pidfd: Option<OwnedFd>,
    /// For the pidfd, if the peer has an account.
    charge: Option<Charge>,
}

impl Credentials {
    /// Asks the kernel for the credentials of the peer, without a pidfd.
    pub(crate) fn from_socket(socket: &Socket) -> io::Result<Credentials> {
        let peer = socket.peer_cred()?;
        let (uid, gid, pid) = (peer.uid(), peer.gid(), peer.pid());
        Ok(Credentials { uid, gid, pid, pidfd: None, charge: None })
    }

    /// Asks the kernel for the pidfd, too, and goes without if there is none: an old kernel, a
    /// process that is gone, a full table, an account that has no room for it.
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

    /// Asks the kernel for the pidfd, which is charged already.
    pub(crate) fn add_charged_pidfd(&mut self, socket: &Socket, charge: Charge) {
        if let Ok(pidfd) = socket.peer_pidfd() {
            (self.pidfd, self.charge) = (Some(pidfd), Some(charge.pin()));
        }
    }

    /// The user, in our user namespace; 65534 for one that is not known there
    /// (user_namespaces(7)).
    pub fn uid(&self) -> u32 {
        self.uid
    }

    /// The group.
    pub fn gid(&self) -> u32 {
        self.gid
    }

    /// The process, in our pid namespace, if it is known there.
    pub fn pid(&self) -> Option<i32> {
        self.pid
    }

    /// The process itself (`SO_PEERPIDFD`, Linux 6.5; pidfd_open(2)), if a server could get it.
    pub fn pidfd(&self) -> Option<BorrowedFd<'_>> {
        self.pidfd.as_ref().map(AsFd::as_fd)
    }
}
