//! The point that every system call of a transfer passes, for tests that inject faults.
//!
//! This file is part of a build with `--cfg anchovy_faults` only. In every other build, `no_faults`
//! takes its place, whose functions do nothing. The tests are in `interop-tests/faults`.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::BorrowedFd;

/// A system call of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `recvmsg`.
    Receive,
    /// `send`, or `sendmsg` with this number of descriptors.
    Send {
        /// Number of descriptors.
        fds: usize,
    },
}

type Hook = dyn FnMut(Call, BorrowedFd<'_>, usize) -> io::Result<usize>;

thread_local! {
    static HOOK: RefCell<Option<Box<Hook>>> = const { RefCell::new(None) };
}

/// Calls `hook` before each system call of this thread, until the result is dropped.
///
/// The arguments are the call, its socket, and the number of bytes that the call has or has room
/// for. An error is returned in place of the system call. Otherwise the call is made with at most
/// the returned number of bytes.
pub fn inject(
    hook: impl FnMut(Call, BorrowedFd<'_>, usize) -> io::Result<usize> + 'static,
) -> Injection {
    HOOK.set(Some(Box::new(hook)));
    Injection(())
}

/// Faults are injected until this is dropped.
#[must_use = "faults are injected until this is dropped"]
pub struct Injection(());

impl fmt::Debug for Injection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Injection")
    }
}

impl Drop for Injection {
    fn drop(&mut self) {
        HOOK.set(None);
    }
}

/// Returns how many of `length` bytes the call may transfer, or the error to return in its place.
pub(crate) fn before(call: Call, fd: BorrowedFd<'_>, length: usize) -> io::Result<usize> {
    HOOK.with_borrow_mut(|hook| match hook {
        Some(hook) => hook(call, fd, length).map(|limit| limit.min(length)),
        None => Ok(length),
    })
}

/// Calls `send` with the bytes that the call may send.
pub(crate) fn sending<T>(
    fd: BorrowedFd<'_>,
    slices: &[IoSlice<'_>],
    fds: usize,
    send: impl FnOnce(&[IoSlice<'_>]) -> io::Result<T>,
) -> io::Result<T> {
    let length = slices.iter().map(|slice| slice.len()).sum();
    let limit = before(Call::Send { fds }, fd, length)?;
    if limit == length {
        return send(slices);
    }
    let mut left = limit;
    let cut: Vec<_> = slices
        .iter()
        .map(|slice| {
            let count = slice.len().min(left);
            left -= count;
            IoSlice::new(&slice[..count])
        })
        .collect();
    send(&cut)
}

/// Calls `receive` with the memory that the call may write to.
pub(crate) fn receiving<T>(
    fd: BorrowedFd<'_>,
    bufs: &mut [IoSliceMut<'_>],
    receive: impl FnOnce(&mut [IoSliceMut<'_>]) -> io::Result<T>,
) -> io::Result<T> {
    let length = bufs.iter().map(|buf| buf.len()).sum();
    let limit = before(Call::Receive, fd, length)?;
    if limit == length {
        return receive(bufs);
    }
    let mut left = limit;
    let mut cut: Vec<_> = bufs
        .iter_mut()
        .map(|buf| {
            let count = buf.len().min(left);
            left -= count;
            IoSliceMut::new(&mut buf[..count])
        })
        .collect();
    receive(&mut cut)
}
