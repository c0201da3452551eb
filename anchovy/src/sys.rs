//! The only unsafe code of the crate: `recvmsg` with its control messages, reading into
//! uninitialised memory, and the socket options that rustix has no word for.
//!
//! rustix sends for us, but cannot receive for us: its decoder passes over `SCM_PIDFD`, which
//! leaks a descriptor per message, and over `SCM_INQ`, and it takes no uninitialised memory.
//! Differences between operating systems end in this file.

#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::mem::{self, MaybeUninit};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

use libc::{c_int, cmsghdr, iovec, msghdr};
use tokio::io::ReadBuf;

use crate::limits::DBUS_SCM_RIGHTS;

pub(crate) use options::{fd_passing, peer_pidfd, set_fd_passing, set_inq};

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
            (libc::SOL_SOCKET, options::SCM_PIDFD) => {
                arrival.barrier = true;
                for int in ints {
                    // SAFETY: as above.
                    drop(unsafe { own(int) });
                }
            }
            (libc::SOL_SOCKET, options::SCM_INQ) => arrival.queued = ints.next(),
            _ => arrival.barrier = true,
        }

        // SAFETY: `next` is a header of this message.
        next = unsafe { libc::CMSG_NXTHDR(message, next) };
    }
}

/// Takes ownership of a descriptor that the kernel has just made; an int below 0 is an errno.
///
/// # Safety
///
/// A non-negative `int` must be an open descriptor that nothing else owns.
unsafe fn own(int: RawFd) -> Result<OwnedFd, i32> {
    if int < 0 {
        return Err(int.wrapping_neg());
    }
    // SAFETY: open and owned by nothing else, says the caller.
    let fd = unsafe { OwnedFd::from_raw_fd(int) };
    // Another thread may fork in between; there is no better way on these systems.
    #[cfg(target_vendor = "apple")]
    let _ = rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC);
    Ok(fd)
}

/// What Linux offers beyond the common.
#[cfg(any(target_os = "linux", target_os = "android"))]
mod options {
    use super::*;

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

    fn get(fd: BorrowedFd<'_>, option: c_int) -> io::Result<c_int> {
        let mut value: c_int = 0;
        let mut length = size_of::<c_int>() as libc::socklen_t;
        let target = ptr::from_mut(&mut value).cast();
        // SAFETY: the kernel writes at most `length` bytes, which is the size of `value`.
        let outcome = unsafe {
            libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, option, target, &mut length)
        };
        checked(outcome).map(|()| value)
    }

    fn set(fd: BorrowedFd<'_>, option: c_int, value: c_int) -> io::Result<()> {
        let length = size_of::<c_int>() as libc::socklen_t;
        let source = ptr::from_ref(&value).cast();
        // SAFETY: the kernel reads `length` bytes, which is the size of `value`.
        checked(unsafe {
            libc::setsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, option, source, length)
        })
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
}

/// Elsewhere there is none of it.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod options {
    use super::*;

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
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    //! Control messages that this kernel does not send, or not to order.

    use std::os::fd::IntoRawFd;

    use super::*;

    /// A control buffer as the kernel leaves it.
    struct Written {
        control: Control,
        length: usize,
    }

    impl Written {
        fn new() -> Written {
            Written { control: [MaybeUninit::uninit(); CONTROL_HEADERS], length: 0 }
        }

        /// Adds a message of these ints, whose header claims that many more than there are.
        fn push(mut self, level: c_int, kind: c_int, ints: &[c_int], more: usize) -> Written {
            // SAFETY: this computes a length.
            let length = unsafe { libc::CMSG_LEN(size_of_val(ints) as u32) } as usize;
            // SAFETY: `cmsghdr` is plain integers, for which zero is valid.
            let mut header: cmsghdr = unsafe { mem::zeroed() };
            header.cmsg_len = length + more * size_of::<c_int>();
            header.cmsg_level = level;
            header.cmsg_type = kind;
            let start = self.control.as_mut_ptr().cast::<u8>().wrapping_add(self.length);
            // SAFETY: tests push far less than the buffer holds, and `start` is aligned.
            unsafe { start.cast::<cmsghdr>().write(header) };
            let data = start.wrapping_add(size_of::<cmsghdr>()).cast();
            // SAFETY: as above; on Linux the data starts right behind the header.
            unsafe { ptr::copy_nonoverlapping(ints.as_ptr(), data, ints.len()) };
            self.length += length.next_multiple_of(size_of::<usize>());
            self
        }

        fn take(mut self) -> (Arrival, VecDeque<OwnedFd>) {
            // SAFETY: zero is a valid value of every field.
            let mut message: msghdr = unsafe { mem::zeroed() };
            message.msg_control = self.control.as_mut_ptr().cast();
            message.msg_controllen = self.length;
            let (mut arrival, mut queue) = (Arrival::default(), VecDeque::new());
            // SAFETY: it is as the kernel would have left it, and is decoded once.
            unsafe { take_control_messages(&message, &mut arrival, &mut queue) };
            (arrival, queue)
        }
    }

    fn null() -> c_int {
        std::fs::File::open("/dev/null").expect("a null device").into_raw_fd()
    }

    const RIGHTS: c_int = libc::SCM_RIGHTS;
    const SOCKET: c_int = libc::SOL_SOCKET;

    #[test]
    fn an_errno_among_descriptors_is_none_and_the_others_are_owned() {
        let (first, last) = (null(), null());
        let written = Written::new().push(SOCKET, RIGHTS, &[first, -libc::EMFILE, last], 0);
        let (arrival, queue) = written.take();
        assert_eq!((arrival.fds, arrival.errno), (2, Some(libc::EMFILE)));
        let owned: Vec<_> = queue.iter().map(AsRawFd::as_raw_fd).collect();
        assert_eq!(owned, [first, last]);
    }

    #[test]
    fn the_least_int_is_an_errno_too() {
        let (arrival, queue) = Written::new().push(SOCKET, RIGHTS, &[c_int::MIN], 0).take();
        assert_eq!((arrival.fds, queue.len()), (0, 0));
        assert!(arrival.errno.is_some());
    }

    #[test]
    fn a_message_that_claims_more_than_there_is_ends_with_the_buffer() {
        let fd = null();
        let (arrival, queue) = Written::new().push(SOCKET, RIGHTS, &[fd, null()], 100).take();
        assert_eq!((arrival.fds, queue.len()), (2, 2));
        assert_eq!(queue[0].as_raw_fd(), fd);
    }

    #[test]
    fn several_sets_of_one_receive_are_one() {
        let written = Written::new().push(SOCKET, RIGHTS, &[null()], 0);
        let written = written.push(SOCKET, RIGHTS, &[null(), null()], 0);
        assert_eq!(written.take().1.len(), 3);
    }

    #[test]
    fn what_else_comes_is_passed_over_and_is_a_barrier() {
        let other = Written::new().push(libc::SOL_UDP, 7, &[1, 2, 3], 0);
        let (arrival, queue) = other.push(SOCKET, options::SCM_PIDFD, &[-libc::ESRCH], 0).take();
        assert_eq!((arrival.fds, queue.len(), arrival.errno), (0, 0, None));
        assert!(arrival.barrier);
    }

    #[test]
    fn a_pidfd_behind_a_set_is_closed_and_not_counted() {
        let pidfd = null();
        let written = Written::new().push(SOCKET, RIGHTS, &[null()], 0);
        let (arrival, queue) = written.push(SOCKET, options::SCM_PIDFD, &[pidfd], 0).take();
        assert_eq!((arrival.fds, queue.len()), (1, 1));
    }

    #[test]
    fn what_is_queued_is_told_and_is_no_barrier() {
        let (arrival, _) = Written::new().push(SOCKET, options::SCM_INQ, &[42], 0).take();
        assert_eq!((arrival.queued, arrival.barrier), (Some(42), false));
    }

    #[test]
    fn no_control_message_at_all_is_nothing() {
        let (arrival, queue) = Written::new().take();
        assert_eq!((arrival.fds, queue.len(), arrival.barrier), (0, 0, false));
    }
}
