//! Linux socket options that rustix does not support.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use libc::c_int;

use super::own::own;
use crate::peer_credentials::PeerCredentials;

/// `SCM_PIDFD` (include/linux/socket.h), the control message of `SO_PASSPIDFD`.
pub(super) const SCM_PIDFD: c_int = 4;
/// `SCM_INQ` has the same number as its option.
pub(super) const SCM_INQ: c_int = SO_INQ;

// include/uapi/asm-generic/socket.h. libc has them for some architectures only, and Rust's
// Linux targets other than sparc64 share these numbers.
const SO_PASSPIDFD: c_int = if cfg!(target_arch = "sparc64") { 0x55 } else { 76 };
const SO_PEERPIDFD: c_int = if cfg!(target_arch = "sparc64") { 0x56 } else { 77 };
const SO_PASSRIGHTS: c_int = if cfg!(target_arch = "sparc64") { 0x5c } else { 83 };
const SO_INQ: c_int = if cfg!(target_arch = "sparc64") { 0x5d } else { 84 };

/// Sets whether every receive reports the number of bytes that are still queued (Linux 6.17).
pub(crate) fn set_inq(fd: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    set(fd, SO_INQ, on.into())
}

/// Returns whether peers can send descriptors to this socket (Linux 6.16).
pub(crate) fn fd_passing(fd: BorrowedFd<'_>) -> io::Result<bool> {
    get(fd, SO_PASSRIGHTS).map(|value| value != 0)
}

/// Sets whether peers can send descriptors to this socket (Linux 6.16).
pub(crate) fn set_fd_passing(fd: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    set(fd, SO_PASSRIGHTS, on.into())
}

/// Returns a descriptor of the peer's process, close-on-exec (Linux 6.5).
pub(crate) fn peer_pidfd(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let pidfd = get(fd, SO_PEERPIDFD)?;
    // SAFETY: the kernel has just created this descriptor for this process.
    unsafe { own(pidfd) }.map_err(io::Error::from_raw_os_error)
}

/// Returns the credentials of the peer (`SO_PEERCRED`, unix(7)).
pub(crate) fn peer_cred(fd: BorrowedFd<'_>) -> io::Result<PeerCredentials> {
    let none = libc::ucred { pid: 0, uid: 0, gid: 0 };
    let found = get_as(fd, libc::SO_PEERCRED, none)?;
    Ok(PeerCredentials::from_kernel(found.pid, found.uid, found.gid))
}

/// Returns whether peers cannot send descriptors to this socket, and whether received bytes have no
/// control messages about their sender.
pub(crate) fn receives_only_bytes(fd: BorrowedFd<'_>) -> bool {
    let is_off = |option| get(fd, option).is_ok_and(|value| value == 0);
    // A kernel without SO_PASSPIDFD has no SO_PASSRIGHTS either.
    is_off(SO_PASSRIGHTS) && is_off(libc::SO_PASSCRED) && is_off(SO_PASSPIDFD)
}

/// Returns the kernel memory, in bytes, of data that the peer has not read (`SIOCOUTQ`). It is 0
/// if and only if the peer has read everything.
pub(crate) fn unsent_bytes(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let mut value: c_int = 0;
    let target = ptr::from_mut(&mut value);
    // SAFETY: the kernel writes an int to `value`.
    let outcome = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCOUTQ, target) };
    checked(outcome).map(|()| value.try_into().unwrap_or(0))
}

fn get(fd: BorrowedFd<'_>, option: c_int) -> io::Result<c_int> {
    get_as(fd, option, 0)
}

/// A value of a socket option.
///
/// # Safety
///
/// All bytes must be valid for the type.
unsafe trait OptionValue: Copy {}
// SAFETY: an int.
unsafe impl OptionValue for c_int {}
// SAFETY: a struct of three ints.
unsafe impl OptionValue for libc::ucred {}

fn get_as<T: OptionValue>(fd: BorrowedFd<'_>, option: c_int, mut value: T) -> io::Result<T> {
    let mut length = size_of::<T>() as libc::socklen_t;
    let target = ptr::from_mut(&mut value).cast();
    // SAFETY: the kernel writes at most `length` bytes, which is the size of `value`. All bytes are valid.
    let outcome =
        unsafe { libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, option, target, &mut length) };
    checked(outcome).map(|()| value)
}

fn set(fd: BorrowedFd<'_>, option: c_int, value: c_int) -> io::Result<()> {
    let length = size_of::<c_int>() as libc::socklen_t;
    let source = ptr::from_ref(&value).cast();
    // SAFETY: the kernel reads `length` bytes, which is the size of `value`.
    checked(unsafe { libc::setsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, option, source, length) })
}

/// Converts the return value. An option that this kernel does not have is `Unsupported`.
fn checked(outcome: c_int) -> io::Result<()> {
    if outcome == 0 {
        return Ok(());
    }
    let error = io::Error::last_os_error();
    match error.raw_os_error() {
        Some(libc::ENOPROTOOPT) => Err(io::ErrorKind::Unsupported.into()),
        _ => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_socket_that_refuses_descriptors_receives_only_bytes() {
        let (socket, _peer) = UnixStream::pair().expect("a pair");
        assert!(!receives_only_bytes(socket.as_fd()));
        // Before Linux 6.16, every socket receives descriptors.
        let is_off = set_fd_passing(socket.as_fd(), false).is_ok();
        assert_eq!(receives_only_bytes(socket.as_fd()), is_off);
    }
}
