//! Tests with control messages that this kernel does not send, or not on demand.

use std::os::fd::IntoRawFd;
use std::ptr;

use super::*;

/// A control buffer as the kernel would leave it.
struct Written {
    control: Control,
    length: usize,
}

impl Written {
    fn new() -> Written {
        Written { control: [MaybeUninit::uninit(); CONTROL_HEADERS], length: 0 }
    }

    /// Adds a message with these ints. Its header claims `more` further ints, which do not exist.
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
        // SAFETY: as above; on Linux the data starts directly after the header.
        unsafe { ptr::copy_nonoverlapping(ints.as_ptr(), data, ints.len()) };
        self.length += length.next_multiple_of(size_of::<usize>());
        self
    }

    fn take(self) -> (Arrival, VecDeque<OwnedFd>) {
        // SAFETY: tests push far less than the buffer holds.
        let control = unsafe { slice::from_raw_parts(self.control.as_ptr().cast(), self.length) };
        // SAFETY: the messages are as the kernel would leave them.
        let messages = unsafe { ControlMessages::from_kernel(control) };
        let (mut arrival, mut queue) = (Arrival::default(), VecDeque::new());
        // SAFETY: as above, and they are decoded once.
        unsafe { take_control_messages(messages, &mut arrival, &mut queue) };
        (arrival, queue)
    }
}

fn null() -> c_int {
    std::fs::File::open("/dev/null").expect("a null device").into_raw_fd()
}

const RIGHTS: c_int = libc::SCM_RIGHTS;
const SOCKET: c_int = libc::SOL_SOCKET;

#[test]
fn an_errno_among_descriptors_is_not_a_descriptor() {
    let (first, last) = (null(), null());
    let written = Written::new().push(SOCKET, RIGHTS, &[first, -libc::EMFILE, last], 0);
    let (arrival, queue) = written.take();
    assert_eq!((arrival.fds, arrival.errno), (2, Some(libc::EMFILE)));
    let owned: Vec<_> = queue.iter().map(AsRawFd::as_raw_fd).collect();
    assert_eq!(owned, [first, last]);
}

#[test]
fn the_minimum_int_is_an_errno() {
    let (arrival, queue) = Written::new().push(SOCKET, RIGHTS, &[c_int::MIN], 0).take();
    assert_eq!((arrival.fds, queue.len()), (0, 0));
    assert!(arrival.errno.is_some());
}

#[test]
fn a_message_that_claims_too_many_bytes_ends_with_the_buffer() {
    let fd = null();
    let (arrival, queue) = Written::new().push(SOCKET, RIGHTS, &[fd, null()], 100).take();
    assert_eq!((arrival.fds, queue.len()), (2, 2));
    assert_eq!(queue[0].as_raw_fd(), fd);
}

#[test]
fn several_rights_messages_of_one_receive_are_one_set() {
    let written = Written::new().push(SOCKET, RIGHTS, &[null()], 0);
    let written = written.push(SOCKET, RIGHTS, &[null(), null()], 0);
    assert_eq!(written.take().1.len(), 3);
}

#[test]
fn other_control_messages_are_skipped_and_are_a_barrier() {
    let other = Written::new().push(libc::SOL_UDP, 7, &[1, 2, 3], 0);
    let (arrival, queue) = other.push(SOCKET, SCM_PIDFD, &[-libc::ESRCH], 0).take();
    assert_eq!((arrival.fds, queue.len(), arrival.errno), (0, 0, None));
    assert!(arrival.barrier);
}

#[test]
fn a_pidfd_after_descriptors_is_closed_and_not_counted() {
    let pidfd = null();
    let written = Written::new().push(SOCKET, RIGHTS, &[null()], 0);
    let (arrival, queue) = written.push(SOCKET, SCM_PIDFD, &[pidfd], 0).take();
    assert_eq!((arrival.fds, queue.len()), (1, 1));
}

#[test]
fn the_number_of_queued_bytes_is_reported_and_is_no_barrier() {
    let (arrival, _) = Written::new().push(SOCKET, SCM_INQ, &[42], 0).take();
    assert_eq!((arrival.queued, arrival.barrier), (Some(42), false));
}

#[test]
fn a_receive_without_control_messages_delivers_no_descriptors() {
    let (arrival, queue) = Written::new().take();
    assert_eq!((arrival.fds, queue.len(), arrival.barrier), (0, 0, false));
}
