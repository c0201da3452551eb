//! The socket options of Linux that rustix does not have.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use libc::c_int;

use super::own::own;

/// `SCM_PIDFD`, include/linux/socket.h; the message of `SO_PASSPIDFD`.
pub(super) const SCM_PIDFD: c_int = 4;
/// `SCM_INQ` has the number of its option.
pub(super) const SCM_INQ: c_int = SO_INQ;

// include/uapi/asm-generic/socket.h. libc has them for some architectures only, and Rust's
// Linux targets other than sparc64 share these numbers.
const SO_PEERPIDFD: c_int = if cfg!(target_arch = "sparc64") { 0x56 } else { 77 };
const SO_PASSRIGHTS: c_int = if cfg!(target_arch = "sparc64") { 0x5c } else { 83 };
const SO_INQ: c_int = if cfg!(target_arch = "sparc64") { 0x5d } else { 84 };

/// Makes every receive say how many bytes are still queued, or stop saying so. Linux 6.17.
pub(crate) fn set_inq(fd: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    set(fd, SO_INQ, on.into())
}

/// May peers send descriptors to this socket? Linux 6.16.
pub(crate) fn fd_passing(fd: BorrowedFd<'_>) -> io::Result<bool> {
    get(fd, SO_PASSRIGHTS).map(|value| value != 0)
}

/// Lets peers send descriptors to this socket, or makes the kernel refuse. Linux 6.16.
pub(crate) fn set_fd_passing(fd: BorrowedFd<'_>, on: bool) -> io::Result<()> {
    set(fd, SO_PASSRIGHTS, on.into())
}

/// A descriptor of the process that connected, close-on-exec. Linux 6.5.
pub(crate) fn peer_pidfd(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let pidfd = get(fd, SO_PEERPIDFD)?;
    // SAFETY: the kernel has just made this descriptor for us.
    unsafe { own(pidfd) }.map_err(io::Error::from_raw_os_error)
}

/// Returns how much of what was sent the peer has not read (`SIOCOUTQ`), in bytes of kernel memory: 0
/// if and only if it has read everything.
pub(crate) fn unsent_bytes(fd: BorrowedFd<'_>) -> io::Result<usize> {
    let mut value: c_int = 0;
    let target = ptr::from_mut(&mut value);
    // SAFETY: the kernel writes an int to `value`.
    let outcome = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCOUTQ, target) };
    checked(outcome).map(|()| value.try_into().unwrap_or(0))
}

fn get(fd: BorrowedFd<'_>, option: c_int) -> io::Result<c_int> {
    let mut value: c_int = 0;
    let mut length = size_of::<c_int>() as libc::socklen_t;
    let target = ptr::from_mut(&mut value).cast();
    // SAFETY: the kernel writes at most `length` bytes, which is the size of `value`.
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

/// An option that this kernel does not know is `Unsupported`, as everywhere else.
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
