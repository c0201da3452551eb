//! The memory that received bytes are in.
//!
//! Frames usually share the memory of the buffer that they are decoded out of. That of a long frame
//! should go with it: neither an empty buffer nor a short frame after it should keep it. But if long
//! frames follow each other, the same memory should do for all of them, since new memory costs more
//! than all else that is done for a frame.
//!
//! So while the memory is large, a frame that may be short is decoded out of a copy. If it is one, the
//! copy becomes the buffer, and the large memory is given up. If it is not complete, more of it is
//! read into the large memory.

use bytes::BytesMut;

use super::memory::KEPT;

/// Room for reads when a frame begins.
pub(super) const FIRST: usize = 8 << 10;

/// The most memory that is used again for the next frame; larger memory is given up with its frame.
const REUSED: usize = 2 << 20;

/// How much longer than a frame the memory may be that it shares.
const SHARE: usize = 8;

/// Bytes that have arrived and are not decoded, and how much memory they keep.
#[derive(Debug, Default)]
pub(crate) struct ReadBuffer {
    pub(crate) bytes: BytesMut,
    /// The size of the memory behind `bytes`, whose capacity is only the rest of it: what was decoded
    /// is in the same memory, and keeps it alive.
    allocated: usize,
    /// Bytes of the frame that arrives which were found not to be all of it.
    incomplete: usize,
    /// The buffer itself, while `bytes` is a copy of it.
    original: Option<BytesMut>,
}

impl ReadBuffer {
    pub(crate) fn new(bytes: BytesMut) -> ReadBuffer {
        let allocated = bytes.capacity();
        ReadBuffer { bytes, allocated, ..ReadBuffer::default() }
    }

    /// Returns how much memory the buffer keeps.
    #[cfg(test)]
    pub(crate) fn allocated(&self) -> usize {
        self.allocated
    }

    /// Makes room for `additional` bytes, in the same memory if it is to be had.
    pub(crate) fn reserve(&mut self, additional: usize) {
        let before = self.end();
        let decoded = self.allocated.saturating_sub(self.bytes.capacity());
        self.bytes.reserve(additional);
        // The room that the buffer has ends with its memory, whatever was taken off its start.
        if self.end() != before {
            let capacity = self.bytes.capacity();
            // Memory that is enlarged is at least doubled, and still has room for what was decoded.
            // Otherwise it was left to the frames that share it.
            let is_enlarged = decoded + capacity >= 2 * self.allocated;
            self.allocated = if is_enlarged { decoded + capacity } else { capacity };
        }
    }

    /// Prepares the decoding of a frame.
    #[inline]
    pub(crate) fn begin_decode(&mut self) {
        if self.allocated > KEPT {
            self.copy_what_may_be_short();
        }
    }

    #[cold]
    fn copy_what_may_be_short(&mut self) {
        let length = self.bytes.len();
        let is_long = self.incomplete >= self.allocated / SHARE;
        // Of a buffer that was filled by others, more may be there than is worth a copy.
        if length > 0 && length <= KEPT && !is_long {
            let copy = self.copy();
            self.original = Some(std::mem::replace(&mut self.bytes, copy));
        }
    }

    /// Notes that a frame was decoded.
    #[inline]
    pub(crate) fn decoded(&mut self) {
        self.incomplete = 0;
        if self.allocated > KEPT {
            self.leave_memory_of_frame();
        }
    }

    #[cold]
    fn leave_memory_of_frame(&mut self) {
        if self.original.take().is_some() {
            self.allocated = self.bytes.capacity();
        } else if self.allocated > REUSED && self.bytes.len() <= KEPT {
            self.leave_memory();
        }
    }

    /// Notes that there was no complete frame in the buffer, which had `length` bytes.
    pub(crate) fn not_decoded(&mut self, length: usize) {
        match self.original.take() {
            Some(original) if self.bytes.len() == length => self.bytes = original,
            Some(_) => self.allocated = self.bytes.capacity(),
            None => {}
        }
        self.incomplete = self.bytes.len();
        // The decoder may have reserved memory.
        self.allocated = self.allocated.max(self.bytes.capacity());
    }

    /// Notes that nothing more has arrived: large memory is given up, unless a good part of it is
    /// used.
    #[inline]
    pub(crate) fn wait(&mut self) {
        if self.allocated > KEPT && self.bytes.len() < self.allocated / SHARE {
            self.leave_memory();
        }
    }

    #[cold]
    fn leave_memory(&mut self) {
        let incomplete = self.incomplete;
        *self = ReadBuffer { incomplete, ..ReadBuffer::new(self.copy()) };
    }

    fn copy(&self) -> BytesMut {
        let mut copy = BytesMut::new();
        if !self.bytes.is_empty() {
            copy.reserve(self.bytes.len().max(FIRST));
            copy.extend_from_slice(&self.bytes);
        }
        copy
    }

    fn end(&self) -> usize {
        self.bytes.as_ptr() as usize + self.bytes.capacity()
    }
}
