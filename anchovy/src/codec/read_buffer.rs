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

use super::memory_charge::{KEPT, UNCHARGED};

/// Room for reads when a frame begins.
pub(super) const FIRST: usize = UNCHARGED;

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

    /// Returns how much memory there is at most after [`reserve`](Self::reserve).
    pub(crate) fn size_with(&self, additional: usize) -> usize {
        let decoded = self.allocated.saturating_sub(self.bytes.capacity());
        (2 * self.allocated).max(decoded + self.bytes.len() + additional)
    }

    /// Makes room for `additional` bytes, if there is as much in the same memory.
    pub(crate) fn try_reclaim(&mut self, additional: usize) -> bool {
        self.bytes.try_reclaim(additional)
    }

    /// Moves to memory of this size.
    pub(crate) fn move_to(&mut self, size: usize) {
        let mut bytes = BytesMut::with_capacity(size);
        bytes.extend_from_slice(&self.bytes);
        self.allocated = bytes.capacity();
        self.bytes = bytes;
    }

    /// Prepares the decoding of a frame. Returns whether the memory is large.
    #[inline]
    pub(crate) fn begin_decode(&mut self) -> bool {
        let is_large = self.allocated > KEPT;
        if is_large {
            self.copy_what_may_be_short();
        }
        is_large
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

    /// Notes that a frame was decoded out of large memory.
    #[cold]
    pub(crate) fn decoded(&mut self) {
        self.incomplete = 0;
        if self.original.take().is_some() {
            self.allocated = self.bytes.capacity();
        } else if self.allocated > REUSED && self.bytes.len() <= KEPT {
            self.leave_memory();
        }
    }

    /// Notes that there was no complete frame in the buffer, which had `length` bytes.
    #[inline]
    pub(crate) fn not_decoded(&mut self, length: usize) {
        if self.original.is_some() {
            self.read_on(length);
        }
        self.incomplete = self.bytes.len();
        // The decoder may have reserved memory.
        self.allocated = self.allocated.max(self.bytes.capacity());
    }

    /// Leaves the copy again, unless the decoder has taken something off it.
    #[cold]
    fn read_on(&mut self, length: usize) {
        match self.original.take() {
            Some(original) if self.bytes.len() == length => self.bytes = original,
            _ => self.allocated = self.bytes.capacity(),
        }
    }

    /// Notes that nothing more has arrived: memory above `kept` bytes is given up, unless a good part
    /// of it is used.
    #[inline]
    pub(crate) fn wait(&mut self, kept: usize) {
        if self.allocated > kept && self.bytes.len() < self.allocated / SHARE {
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
