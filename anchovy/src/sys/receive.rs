//! `recvmsg` with its control messages.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;

use libc::{c_int, cmsghdr, iovec, msghdr};
use tokio::io::ReadBuf;

use super::options::{SCM_INQ, SCM_PIDFD};
use super::own::own;
use crate::limits::DBUS_SCM_RIGHTS;

/// What one `recvmsg` brought, beside the descriptors that it put into the queue.
#[derive(Debug, Default)]
pub(crate) struct Arrival {
    /// Bytes that were written to the caller's memory.
    pub(crate) bytes: usize,
    /// Descriptors that were appended to the queue.
    pub(crate) fds: usize,
    /// The kernel said that control messages, or parts of them, are missing (`MSG_CTRUNC`).
    pub(crate) truncated: bool,
    /// An errno that stood in the place of a descriptor.
    pub(crate) errno: Option<i32>,
    /// A control message other than `SCM_INQ` came. Only such make a read stop early.
    pub(crate) barrier: bool,
    /// Bytes that are still queued in the socket, where the kernel tells (`SCM_INQ`).
    pub(crate) queued: Option<c_int>,
}

/// Receives into the unfilled part of `buf`, which it marks as initialised but does not advance.
///
/// Descriptors go to the back of `queue`; `arrival` comes in as its default.
pub(crate) fn receive(
    fd: BorrowedFd<'_>,
    buf: &mut ReadBuf<'_>,
    queue: &mut VecDeque<OwnedFd>,
    arrival: &mut Arrival,
) -> io::Result<()> {
    // SAFETY: the kernel only ever writes to the memory, so nothing becomes uninitialised.
    let unfilled = unsafe { buf.unfilled_mut() };
    let mut slice = iovec { iov_base: unfilled.as_mut_ptr().cast(), iov_len: unfilled.len() };
    // SAFETY: the slice is the unfilled memory, which `buf` lends us alone until we return.
    unsafe { recvmsg(fd, &mut slice, 1, queue, arrival) }?;
    // SAFETY: the kernel wrote this many bytes to the start of the unfilled memory.
    unsafe { buf.assume_init(arrival.bytes) };
    Ok(())
}

/// Receives into several buffers, one after the other.
pub(crate) fn receive_vectored(
    fd: BorrowedFd<'_>,
    bufs: &mut [IoSliceMut<'_>],
    queue: &mut VecDeque<OwnedFd>,
    arrival: &mut Arrival,
) -> io::Result<()> {
    // SAFETY: `IoSliceMut` is guaranteed to have the layout of `iovec`, and each of them is
    // memory that the caller lends us alone.
    unsafe { recvmsg(fd, bufs.as_mut_ptr().cast(), bufs.len(), queue, arrival) }
}

/// One `recvmsg`.
///
/// # Safety
///
/// `slices` must point to `count` slices, each of memory that the kernel may write to.
unsafe fn recvmsg(
    fd: BorrowedFd<'_>,
    slices: *mut iovec,
    count: usize,
    queue: &mut VecDeque<OwnedFd>,
    arrival: &mut Arrival,
) -> io::Result<()> {
    let mut control: Control = [MaybeUninit::uninit(); CONTROL_HEADERS];
    // SAFETY: zero is a valid value of every field, and some systems have private ones.
    let mut message: msghdr = unsafe { mem::zeroed() };
    message.msg_iov = slices;
    message.msg_iovlen = count as _;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;

    // SAFETY: the slices are the caller's promise; the control buffer is as long as it says.
    let bytes = unsafe { libc::recvmsg(fd.as_raw_fd(), &mut message, RECEIVE) };
    // A negative return is the only one that is no count, and means an error.
    let Ok(bytes) = usize::try_from(bytes) else {
        return failed(io::Error::last_os_error(), arrival);
    };
    arrival.bytes = bytes;
    arrival.truncated = message.msg_flags & libc::MSG_CTRUNC != 0;
    // SAFETY: `message` is as `recvmsg` left it, and `control` still stands behind it.
    unsafe { take_control_messages(&message, arrival, queue) };
    Ok(())
}

/// A receive that failed brought nothing.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn failed(error: io::Error, _: &mut Arrival) -> io::Result<()> {
    Err(error)
}

/// A receive that failed brought nothing; but FreeBSD fails it as a whole when a table is full,
/// and the set is lost, which is what Linux calls a truncated one.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn failed(error: io::Error, arrival: &mut Arrival) -> io::Result<()> {
    match error.raw_os_error() {
        Some(errno @ (libc::EMFILE | libc::ENFILE)) => {
            arrival.errno = Some(errno);
            Ok(())
        }
        _ => Err(error),
    }
}

/// Takes ownership of every descriptor in the control messages of a receive.
///
/// # Safety
///
/// `message` must be as a successful `recvmsg` left it, over a live control buffer, and must not
/// be decoded twice: the descriptors in it are owned once.
unsafe fn take_control_messages(
    message: &msghdr,
    arrival: &mut Arrival,
    queue: &mut VecDeque<OwnedFd>,
) {
    let end = message.msg_control.cast::<u8>().wrapping_add(message.msg_controllen as _);
    // SAFETY: the kernel wrote whole headers, or none.
    let mut next = unsafe { libc::CMSG_FIRSTHDR(message) };
    while !next.is_null() {
        // SAFETY: `CMSG_FIRSTHDR` and `CMSG_NXTHDR` return headers within the buffer, or null.
        let header = unsafe { ptr::read_unaligned(next) };
        // SAFETY: the data starts right behind the header; this only computes where.
        let data = unsafe { libc::CMSG_DATA(next) };
        // A truncated message may claim more than there is (macOS), so its end is the nearer one.
        let claimed = next.cast::<u8>().wrapping_add(header.cmsg_len as _);
        let length = (claimed.min(end) as usize).saturating_sub(data as usize);
        let mut ints = (0..length / size_of::<c_int>()).map(|index| {
            // SAFETY: all `length` bytes of data lie within the buffer, written by the kernel.
            unsafe { ptr::read_unaligned(data.cast::<c_int>().wrapping_add(index)) }
        });

        match (header.cmsg_level, header.cmsg_type) {
            (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                arrival.barrier = true;
                for int in ints {
                    // SAFETY: the kernel has just made this descriptor for us, or an errno.
                    match unsafe { own(int) } {
                        Ok(fd) => {
                            queue.push_back(fd);
                            arrival.fds += 1;
                        }
                        Err(errno) => arrival.errno = Some(errno),
                    }
                }
            }
            // A pidfd is a descriptor as any other; nobody asked for it, so it is closed. An errno
            // in its place (the table is full, the process is gone) is no loss.
            (libc::SOL_SOCKET, SCM_PIDFD) => {
                arrival.barrier = true;
                for int in ints {
                    // SAFETY: as above.
                    drop(unsafe { own(int) });
                }
            }
            (libc::SOL_SOCKET, SCM_INQ) => arrival.queued = ints.next(),
            _ => arrival.barrier = true,
        }

        // SAFETY: `next` is a header of this message.
        next = unsafe { libc::CMSG_NXTHDR(message, next) };
    }
}

/// Room for a full set, and 1 KiB for all that can come with it: credentials (32 bytes), a pidfd
/// (24), `SCM_INQ` (24) and a security label (`SO_PASSSEC`; labels in use are far below the rest).
///
/// So a cut set is never ours to blame on a small buffer, whatever the owner of the socket
/// switched on. The buffer is never initialised as a whole, so its size costs nothing.
const CONTROL_BYTES: usize = DBUS_SCM_RIGHTS + 1024;

/// The control buffer, in units that align it for its first header.
type Control = [MaybeUninit<cmsghdr>; CONTROL_HEADERS];

const CONTROL_HEADERS: usize = CONTROL_BYTES / size_of::<cmsghdr>();

/// Descriptors are close-on-exec from the start, where the kernel can do that.
#[cfg(not(target_vendor = "apple"))]
const RECEIVE: c_int = libc::MSG_CMSG_CLOEXEC;
#[cfg(target_vendor = "apple")]
const RECEIVE: c_int = 0;

#[cfg(all(test, target_os = "linux"))]
mod tests;
