//! `recvmsg` with its control messages.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::slice;

use libc::{c_int, cmsghdr, iovec, msghdr};
use rustix::net::RecvFlags;
use tokio::io::ReadBuf;

use super::control::{ControlMessage, ControlMessages};
use super::options::{SCM_INQ, SCM_PIDFD};
use super::own::own;
use crate::faults::{self, Call};
use crate::limits::DBUS_SCM_RIGHTS;
use crate::sender_credentials::SenderCredentials;

/// The result of one `recvmsg`, except for the descriptors, which are in the queue.
#[derive(Debug, Default)]
pub(crate) struct Arrival {
    /// Number of bytes written to the caller's memory.
    pub(crate) bytes: usize,
    /// Number of bytes that the kernel had room for.
    pub(crate) room: usize,
    /// Number of descriptors appended to the queue.
    pub(crate) fds: usize,
    /// Whether control messages, or parts of them, are missing (`MSG_CTRUNC`).
    pub(crate) truncated: bool,
    /// The errno that the kernel delivered instead of a descriptor.
    pub(crate) errno: Option<i32>,
    /// Whether there was a control message other than `SCM_INQ`. Only these make a read stop
    /// early.
    pub(crate) barrier: bool,
    /// Number of bytes that are still queued in the socket, if the kernel reports it (`SCM_INQ`).
    pub(crate) queued: Option<c_int>,
    /// The process that sent the bytes, if `SO_PASSCRED` is set.
    pub(crate) sender: Option<SenderCredentials>,
}

/// Receives into the unfilled part of `buf` and marks it as initialized, but does not advance it.
///
/// Descriptors are appended to `queue`. `arrival` must be the default value.
pub(crate) fn receive(
    fd: BorrowedFd<'_>,
    buf: &mut ReadBuf<'_>,
    queue: &mut VecDeque<OwnedFd>,
    arrival: &mut Arrival,
) -> io::Result<()> {
    // SAFETY: the kernel only writes to the memory, so no byte becomes uninitialized.
    let unfilled = unsafe { buf.unfilled_mut() };
    let length = faults::before(Call::Receive, fd, unfilled.len())?;
    arrival.room = length;
    let mut slice = iovec { iov_base: unfilled.as_mut_ptr().cast(), iov_len: length };
    // SAFETY: the slice is within the unfilled memory, which nothing else uses during the call.
    unsafe { recvmsg(fd, &mut slice, 1, queue, arrival) }?;
    // SAFETY: the kernel wrote this many bytes to the start of the unfilled memory.
    unsafe { buf.assume_init(arrival.bytes) };
    Ok(())
}

/// Receives as [`receive`] does, without control messages (recv(2)). The kernel closes descriptors that
/// were sent with the bytes.
pub(crate) fn receive_bytes(
    fd: BorrowedFd<'_>,
    buf: &mut ReadBuf<'_>,
    arrival: &mut Arrival,
) -> io::Result<()> {
    // SAFETY: the kernel only writes to the memory, so no byte becomes uninitialized.
    let unfilled = unsafe { buf.unfilled_mut() };
    let length = faults::before(Call::Receive, fd, unfilled.len())?;
    arrival.room = length;
    let (_, bytes) = rustix::net::recv(fd, &mut unfilled[..length], RecvFlags::empty())?;
    arrival.bytes = bytes;
    // SAFETY: the kernel wrote this many bytes to the start of the unfilled memory.
    unsafe { buf.assume_init(bytes) };
    Ok(())
}

/// Receives into several buffers in order.
pub(crate) fn receive_vectored(
    fd: BorrowedFd<'_>,
    bufs: &mut [IoSliceMut<'_>],
    queue: &mut VecDeque<OwnedFd>,
    arrival: &mut Arrival,
) -> io::Result<()> {
    faults::receiving(fd, bufs, |bufs| {
        arrival.room = bufs.iter().map(|buf| buf.len()).sum();
        // SAFETY: `IoSliceMut` is guaranteed to have the layout of `iovec`, and each of them is
        // memory that nothing else uses during the call.
        unsafe { recvmsg(fd, bufs.as_mut_ptr().cast(), bufs.len(), queue, arrival) }
    })
}

/// Calls `recvmsg` once.
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

    // SAFETY: the caller guarantees the slices; the control buffer has the given length.
    let bytes = unsafe { libc::recvmsg(fd.as_raw_fd(), &mut message, RECEIVE) };
    // Every negative return value is an error.
    let Ok(bytes) = usize::try_from(bytes) else {
        return failed(io::Error::last_os_error(), arrival);
    };
    arrival.bytes = bytes;
    arrival.truncated = message.msg_flags & libc::MSG_CTRUNC != 0;
    // The cast differs between systems; no system reports more than the buffer has.
    let length = size_of_val(&control).min(message.msg_controllen as usize);
    // SAFETY: the control buffer has at least this length.
    let control = unsafe { slice::from_raw_parts(control.as_ptr().cast(), length) };
    // SAFETY: these are the bytes that `recvmsg` left in the control buffer.
    let messages = unsafe { ControlMessages::from_kernel(control) };
    // SAFETY: as above, and they are decoded once.
    unsafe { take_control_messages(messages, arrival, queue) };
    Ok(())
}

/// Returns the error: a failed receive delivers nothing.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn failed(error: io::Error, _: &mut Arrival) -> io::Result<()> {
    Err(error)
}

/// Returns the error: a failed receive delivers nothing. One case is different: if a descriptor
/// table is full, FreeBSD fails the whole receive and closes the descriptors, which corresponds to
/// a truncated receive on Linux.
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
/// The messages must be those of a successful `recvmsg`, and must not be decoded twice: the
/// descriptors in them are owned once.
unsafe fn take_control_messages(
    messages: ControlMessages<'_>,
    arrival: &mut Arrival,
    queue: &mut VecDeque<OwnedFd>,
) {
    // SAFETY: the kernel has just created a descriptor of this process for each int of the two
    // messages below, or the int is an errno.
    let own = |int| unsafe { own(int) };
    for ControlMessage { level, kind, mut ints } in messages {
        match (level, kind) {
            (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                arrival.barrier = true;
                for int in ints {
                    match own(int) {
                        Ok(fd) => {
                            queue.push_back(fd);
                            arrival.fds += 1;
                        }
                        Err(errno) => arrival.errno = Some(errno),
                    }
                }
            }
            // A pidfd is a descriptor too, and is closed because it was not requested. An errno
            // instead of it (the table is full, or the process has ended) loses nothing.
            (libc::SOL_SOCKET, SCM_PIDFD) => {
                arrival.barrier = true;
                ints.for_each(|int| drop(own(int)));
            }
            (libc::SOL_SOCKET, SCM_INQ) => arrival.queued = ints.next(),
            // struct ucred: pid, uid and gid.
            #[cfg(any(target_os = "linux", target_os = "android"))]
            (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) => {
                arrival.barrier = true;
                if let (Some(pid), Some(uid), Some(gid)) = (ints.next(), ints.next(), ints.next()) {
                    arrival.sender = SenderCredentials::from_kernel(pid, uid, gid);
                }
            }
            _ => arrival.barrier = true,
        }
    }
}

/// Room for the maximum number of descriptors, and 1 KiB for every other control message:
/// credentials (32 bytes), a pidfd (24), `SCM_INQ` (24) and a security label (`SO_PASSSEC`; the
/// labels in use are much smaller than the rest).
///
/// So a small buffer never causes truncation, whatever options the owner of the socket has set.
/// The buffer is not initialized as a whole, so its size costs nothing.
const CONTROL_BYTES: usize = DBUS_SCM_RIGHTS + 1024;

/// The control buffer. The element type aligns it for the first header.
type Control = [MaybeUninit<cmsghdr>; CONTROL_HEADERS];

const CONTROL_HEADERS: usize = CONTROL_BYTES / size_of::<cmsghdr>();

/// Makes descriptors close-on-exec atomically, on systems that support it.
#[cfg(not(target_vendor = "apple"))]
const RECEIVE: c_int = libc::MSG_CMSG_CLOEXEC;
#[cfg(target_vendor = "apple")]
const RECEIVE: c_int = 0;

#[cfg(all(test, target_os = "linux"))]
mod tests;
