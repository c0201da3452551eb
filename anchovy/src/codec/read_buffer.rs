//! The memory of received bytes.
//!
//! Frames usually share the memory of the buffer that they are decoded from. The memory of a long frame
//! must be freed with the frame: neither an empty buffer nor a later short frame may keep it. But
//! consecutive long frames must use the same memory, because allocating costs more than everything else
//! that is done for a frame.
//!
//! So while the memory is large, a frame that may be short is decoded from a copy. If it is short, the
//! copy becomes the buffer, and the buffer releases the large memory. If it is incomplete, the rest of it
//! is read into the large memory.

use bytes::BytesMut;

use super::memory_charge::{KEPT, UNCHARGED};

/// Room in bytes for reads when a frame begins.
pub(super) const FIRST: usize = UNCHARGED;

/// The most memory in bytes that is used again for the next frame. Larger memory is released with its
/// frame.
const REUSED: usize = 2 << 20;

/// Ratio of the memory to a frame up to which the frame shares the memory.
const SHARE: usize = 8;

/// Bytes that have arrived and are not decoded, and the size of their memory.
#[derive(Debug, Default)]
pub(crate) struct ReadBuffer {
    pub(crate) bytes: BytesMut,
    /// Size of the whole memory of `bytes`. Its capacity is only the part after the decoded bytes, and
    /// decoded frames share the memory and keep it alive.
    allocated: usize,
    /// Number of bytes of the current frame that were found to be incomplete.
    incomplete: usize,
    /// The buffer itself, while `bytes` is a copy of it. Boxed, because most connections never have large
    /// memory.
    original: Option<Box<BytesMut>>,
}

impl ReadBuffer {
    pub(crate) fn new(bytes: BytesMut) -> ReadBuffer {
        let allocated = bytes.capacity();
        ReadBuffer { bytes, allocated, ..ReadBuffer::default() }
    }

    /// Returns the size of the memory of the buffer.
    pub(crate) fn allocated(&self) -> usize {
        self.allocated
    }

    /// Makes room for `additional` bytes, in the same memory if possible.
    pub(crate) fn reserve(&mut self, additional: usize) {
        let before = self.end();
        let decoded = self.allocated.saturating_sub(self.bytes.capacity());
        self.bytes.reserve(additional);
        // The end of the room is the end of the memory, however many bytes were decoded.
        if self.end() != before {
            let capacity = self.bytes.capacity();
            // `BytesMut` at least doubles memory that it enlarges, and keeps the decoded bytes in it.
            // Otherwise it has allocated new memory, and frames keep the old one.
            let is_enlarged = decoded + capacity >= 2 * self.allocated;
            self.allocated = if is_enlarged { decoded + capacity } else { capacity };
        }
    }

    /// Returns the most memory in bytes that the buffer has after [`reserve`](Self::reserve).
    pub(crate) fn size_with(&self, additional: usize) -> usize {
        let decoded = self.allocated.saturating_sub(self.bytes.capacity());
        (2 * self.allocated).max(decoded + self.bytes.len() + additional)
    }

    /// Makes room for `additional` bytes if the same memory has it.
    pub(crate) fn try_reclaim(&mut self, additional: usize) -> bool {
        self.bytes.try_reclaim(additional)
    }

    /// Moves the bytes to memory of this size.
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
        // A buffer from the parts of a caller may hold more bytes than are worth a copy.
        if length > 0 && length <= KEPT && !is_long {
            let copy = self.copy();
            self.original = Some(Box::new(std::mem::replace(&mut self.bytes, copy)));
        }
    }

    /// Records that a frame was decoded from large memory.
    #[cold]
    pub(crate) fn decoded(&mut self) {
        self.incomplete = 0;
        if self.original.take().is_some() {
            self.allocated = self.bytes.capacity();
        } else if self.allocated > REUSED && self.bytes.len() <= KEPT {
            self.leave_memory();
        }
    }

    /// Records that there was no complete frame in the buffer, which had `length` bytes.
    #[inline]
    pub(crate) fn not_decoded(&mut self, length: usize) {
        if self.original.is_some() {
            self.read_on(length);
        }
        self.incomplete = self.bytes.len();
        // The decoder may have reserved memory.
        self.allocated = self.allocated.max(self.bytes.capacity());
    }

    /// Returns to the original memory, unless the decoder has removed bytes from the copy.
    #[cold]
    fn read_on(&mut self, length: usize) {
        match self.original.take() {
            Some(original) if self.bytes.len() == length => self.bytes = *original,
            _ => self.allocated = self.bytes.capacity(),
        }
    }

    /// Records that nothing more has arrived. Memory of more than `kept` bytes is released, unless at
    /// least an eighth of it is in use.
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
