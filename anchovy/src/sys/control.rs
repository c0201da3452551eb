//! The layout of control messages.
//!
//! Parsing takes ownership of nothing: the descriptors of a message are ints here, and `receive`
//! owns them. So a fuzzer can run the parser on bytes that no kernel wrote.

use std::mem::MaybeUninit;
use std::ptr;
use std::slice::ChunksExact;

use libc::{c_int, cmsghdr};

/// The control messages of one receive, in order.
#[derive(Debug)]
pub(super) struct ControlMessages<'a> {
    /// Bytes from the next header on.
    bytes: &'a [MaybeUninit<u8>],
}

/// One control message.
#[derive(Debug)]
pub(super) struct ControlMessage<'a> {
    /// Protocol level of the message, such as `SOL_SOCKET`.
    pub(super) level: c_int,
    /// Type of the message, such as `SCM_RIGHTS`.
    pub(super) kind: c_int,
    /// The data, as far as it lies within the buffer.
    pub(super) ints: Ints<'a>,
}

/// The data of a control message as ints. Bytes after the last complete int are left out.
#[derive(Debug)]
pub(super) struct Ints<'a> {
    chunks: ChunksExact<'a, MaybeUninit<u8>>,
}

impl<'a> ControlMessages<'a> {
    /// Creates the control messages that a receive left in a buffer.
    ///
    /// # Safety
    ///
    /// The bytes must be those that a successful `recvmsg` reported in `msg_controllen`: headers and
    /// data are initialized, and padding between them may not be.
    pub(super) unsafe fn from_kernel(bytes: &'a [MaybeUninit<u8>]) -> ControlMessages<'a> {
        ControlMessages { bytes }
    }

    /// Creates the control messages in any bytes.
    #[cfg(any(test, fuzzing))]
    pub(super) fn from_bytes(bytes: &'a [u8]) -> ControlMessages<'a> {
        // SAFETY: `MaybeUninit<u8>` has the layout of `u8`.
        let bytes = unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), bytes.len()) };
        ControlMessages { bytes }
    }
}

impl<'a> Iterator for ControlMessages<'a> {
    type Item = ControlMessage<'a>;

    #[inline]
    fn next(&mut self) -> Option<ControlMessage<'a>> {
        let bytes = std::mem::take(&mut self.bytes);
        let header = bytes.get(..size_of::<cmsghdr>())?;
        // SAFETY: these are as many bytes as a header has. They are initialized, and a header
        // consists of integers, for which every bit pattern is valid.
        let header = unsafe { ptr::read_unaligned(header.as_ptr().cast::<cmsghdr>()) };
        // The type of the length differs between systems.
        let claimed = (header.cmsg_len as usize).checked_sub(HEADER)?;
        let data = bytes.get(HEADER..).unwrap_or_default();
        // On macOS, a truncated message can claim more bytes than the buffer has.
        let (data, rest) = data.split_at(claimed.min(data.len()));
        let padding = data.len().next_multiple_of(ALIGNMENT) - data.len();
        self.bytes = rest.get(padding..).unwrap_or_default();
        let ints = Ints { chunks: data.chunks_exact(size_of::<c_int>()) };
        Some(ControlMessage { level: header.cmsg_level, kind: header.cmsg_type, ints })
    }
}

impl Iterator for Ints<'_> {
    type Item = c_int;

    #[inline]
    fn next(&mut self) -> Option<c_int> {
        let int = self.chunks.next()?;
        // SAFETY: these are as many bytes as an int has, and all data of a message is initialized.
        Some(unsafe { ptr::read_unaligned(int.as_ptr().cast::<c_int>()) })
    }
}

/// Length of a header in bytes, with the padding before its data.
// SAFETY: this computes a length.
const HEADER: usize = unsafe { libc::CMSG_LEN(0) } as usize;

/// Alignment of headers in bytes.
// SAFETY: as above; a message with one byte of data is longer by one alignment.
const ALIGNMENT: usize = unsafe { libc::CMSG_SPACE(1) } as usize - HEADER;

#[cfg(all(test, target_os = "linux"))]
mod tests;
