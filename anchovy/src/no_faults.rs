//! Replacements for the functions of `faults` in a build without `--cfg anchovy_faults`. They make
//! the call as it is.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::BorrowedFd;

/// A system call of a transfer.
pub(crate) enum Call {
    Receive,
}

#[inline(always)]
pub(crate) fn before(_: Call, _: BorrowedFd<'_>, length: usize) -> io::Result<usize> {
    Ok(length)
}

#[inline(always)]
pub(crate) fn sending<T>(
    _: BorrowedFd<'_>,
    slices: &[IoSlice<'_>],
    _: usize,
    send: impl FnOnce(&[IoSlice<'_>]) -> io::Result<T>,
) -> io::Result<T> {
    send(slices)
}

#[inline(always)]
pub(crate) fn receiving<T>(
    _: BorrowedFd<'_>,
    bufs: &mut [IoSliceMut<'_>],
    receive: impl FnOnce(&mut [IoSliceMut<'_>]) -> io::Result<T>,
) -> io::Result<T> {
    receive(bufs)
}
