//! Replacements for the Linux options on other systems, which support none of them.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use libc::c_int;

// No control message has these types.
pub(super) const SCM_PIDFD: c_int = -1;
pub(super) const SCM_INQ: c_int = -2;

pub(crate) fn set_inq(_: BorrowedFd<'_>, _: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn fd_passing(_: BorrowedFd<'_>) -> io::Result<bool> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn set_fd_passing(_: BorrowedFd<'_>, _: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

pub(crate) fn peer_pidfd(_: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Returns `false`: descriptors cannot be refused.
pub(crate) fn receives_only_bytes(_: BorrowedFd<'_>) -> bool {
    false
}

/// Returns 0: these systems do not count descriptors in flight against the sender's user.
pub(crate) fn unsent_bytes(_: BorrowedFd<'_>) -> io::Result<usize> {
    Ok(0)
}
