//! The plan of outgoing calls: which bytes are sent with which descriptors.
//!
//! The plan is the next `sendmsg`: its number of bytes and of descriptors, by the [`Placement`] of the
//! protocol. Descriptors are sent with the first byte of a call or not at all. The kernel may take
//! fewer bytes than planned. So the state records what was sent, and each call is planned separately.
//!
//! This module uses no socket: its input is frames, and its output is calls.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::OwnedFd;

use bytes::{Buf, Bytes, BytesMut};

use super::encoder::Encoder;
use super::fd_queue::{claim, take};
use super::fd_set::FdSet;
use super::memory_charge::KEPT;
use super::policy::{Placement, WritePolicy};
use super::refused_frame::RefusedFrame;
use super::send_error::{SendError, SendErrorKind};
use crate::error::fd_error::FdError;
use crate::error::transfer_error::TransferError;

/// Payloads of fewer bytes are copied into the buffer, because a slice of their own costs more.
const COPIED: usize = 4 << 10;

/// Unsent bytes and descriptors.
#[derive(Debug, Default)]
pub(crate) struct Outbound {
    /// Bytes that are before those in `tail`.
    chunks: VecDeque<Bytes>,
    /// Where encoders write.
    tail: BytesMut,
    /// Number of bytes in `tail` that have been sent. They are removed together with the last byte, or
    /// before a payload: a buffer whose start moved with each call would never grow.
    left: usize,
    /// The largest memory that `tail` may share with chunks, or whose start has been sent.
    shared: usize,
    /// Position in the stream of the first unsent byte.
    position: u64,
    /// Position in the stream of the next frame.
    end: u64,
    /// The frames with descriptors of which a byte is unsent, in order.
    frames: VecDeque<PendingFrame>,
    /// The descriptors of all frames, in order.
    fds: VecDeque<OwnedFd>,
    /// Whether the kernel refused the descriptors of several frames. Until a call has been sent, each
    /// frame then has a call of its own, so that the refused frame is known.
    one_by_one: bool,
}

/// A frame with descriptors: its range of the stream, and the number of its unsent descriptors.
#[derive(Clone, Copy, Debug)]
struct PendingFrame {
    start: u64,
    end: u64,
    fds: usize,
}

/// One `sendmsg`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) bytes: usize,
    pub(crate) fds: usize,
}

impl Outbound {
    /// Adds a frame to the buffer, or returns it.
    #[inline]
    pub(crate) fn push<I, E: Encoder<I>>(
        &mut self,
        encoder: &mut E,
        mut frame: I,
        refusal: impl FnOnce(usize) -> Result<(), FdError>,
    ) -> Result<(), SendError<I, SendErrorKind<E::Error>>> {
        let borrowed = encoder.borrowed_fds(&frame).count();
        if borrowed > 0 {
            let kind = SendErrorKind::BorrowedFds { count: borrowed };
            return Err(SendError { unsent: Some(frame), kind });
        }
        let count = encoder.fds(&mut frame).map_or(0, |fds| fds.len());
        if let Err(error) = refusal(count) {
            let kind = TransferError::from(error).into();
            return Err(SendError { unsent: Some(frame), kind });
        }
        let length = match self.encode(encoder, &frame, count) {
            Ok(length) => length,
            Err(kind) => return Err(SendError { unsent: Some(frame), kind }),
        };
        let (start, end) = (self.end, self.end + length as u64);
        if count > 0 {
            self.frames.push_back(PendingFrame { start, end, fds: count });
            if let Some(fds) = encoder.fds(&mut frame) {
                fds.drain(..).for_each(|fd| self.fds.push_back(fd));
            }
        }
        self.end = end;
        Ok(())
    }

    /// Writes the bytes of a frame with `count` descriptors to the buffer, and returns how many there
    /// are. An error leaves none of them.
    #[inline]
    fn encode<I, E: Encoder<I>>(
        &mut self,
        encoder: &mut E,
        frame: &I,
        count: usize,
    ) -> Result<usize, SendErrorKind<E::Error>> {
        let before = self.tail.len();
        if let Err(error) = encoder.encode(frame, &mut self.tail) {
            self.tail.truncate(before);
            return Err(SendErrorKind::Codec(error));
        }
        // Bytes that it removed would be those of other frames, which would never be sent.
        assert!(self.tail.len() >= before, "an encoder only appends to the buffer");
        let payload = encoder.payload(frame);
        let length = self.tail.len() - before + payload.len();
        if length == 0 && count > 0 {
            return Err(SendErrorKind::FdsWithoutBytes { count });
        }

        if payload.is_empty() {
            return Ok(length);
        }
        if payload.len() < COPIED {
            self.tail.extend_from_slice(&payload);
        } else {
            self.shared = self.shared.max(self.tail.capacity());
            self.tail.advance(std::mem::take(&mut self.left));
            self.chunks.push_back(self.tail.split().freeze());
            self.chunks.push_back(payload);
        }
        Ok(length)
    }

    /// Writes the bytes of a frame that borrows `count` descriptors, when nothing else is in the
    /// buffer. They are not planned until [`sent_borrowed`](Self::sent_borrowed).
    pub(crate) fn encode_borrowed<I, E: Encoder<I>>(
        &mut self,
        encoder: &mut E,
        frame: &I,
        count: usize,
    ) -> Result<usize, SendErrorKind<E::Error>> {
        debug_assert!(self.is_empty() && self.fds.is_empty(), "frames that wait are sent first");
        self.encode(encoder, frame, count)
    }

    /// Removes the bytes of [`encode_borrowed`](Self::encode_borrowed).
    pub(crate) fn discard_borrowed(&mut self) {
        self.chunks.clear();
        self.tail.clear();
        self.left = 0;
    }

    /// Notes that the first `bytes` of a frame of `length` bytes were sent with the descriptors that it
    /// borrows.
    pub(crate) fn sent_borrowed(&mut self, length: usize, bytes: usize) {
        // With `Placement::Alone`, the rest of the frame shares no call either.
        let (start, end) = (self.end, self.end + length as u64);
        self.frames.push_back(PendingFrame { start, end, fds: 0 });
        self.end = end;
        self.one_by_one = false;
        self.advance(bytes);
    }

    /// Returns the next `sendmsg`, with at most `most` descriptors, if there is anything to send.
    pub(crate) fn next(&self, placement: Placement, most: usize) -> Option<Call> {
        // The usual case: no frame has descriptors.
        if self.frames.is_empty() && self.fds.is_empty() {
            return (!self.is_empty()).then(|| Call { bytes: self.len(), fds: 0 });
        }
        // Descriptors without a byte can come from the parts of a caller. Sending them fails.
        if self.is_empty() && self.fds.is_empty() {
            return None;
        }
        // The rest of a frame of which a byte was sent has no descriptors. With `Placement::Alone`, it
        // still shares no call.
        let begun = self.frames.front().filter(|frame| frame.start < self.position);
        let mut waiting =
            self.frames.iter().filter(|frame| frame.start >= self.position).peekable();

        let alone = placement == Placement::Alone;
        let together = placement == Placement::Together && !self.one_by_one;
        let mut call = Call { bytes: 0, fds: 0 };
        let mut end = self.end;
        if let (Some(frame), true) = (begun, alone) {
            end = frame.end;
        } else if together {
            for frame in waiting {
                // The descriptors of the first frame fit: otherwise it was rejected.
                if call.fds + frame.fds > most && frame.start > self.position {
                    end = frame.start;
                    break;
                }
                call.fds += frame.fds;
            }
        } else {
            if let Some(frame) = waiting.next_if(|frame| frame.start == self.position) {
                call.fds = frame.fds;
                end = if alone { frame.end } else { end };
            }
            if let Some(frame) = waiting.peek() {
                end = end.min(frame.start);
            }
        }
        call.bytes = (end - self.position) as usize;
        Some(call)
    }

    /// Returns the bytes of a call if they are contiguous, which they are without large payloads.
    pub(crate) fn slice(&self, bytes: usize) -> Option<IoSlice<'_>> {
        let tail = &self.tail[self.left..];
        self.chunks.is_empty().then(|| IoSlice::new(&tail[..tail.len().min(bytes)]))
    }

    /// Fills `slices` with the bytes of a call, as far as they fit, and returns the number of
    /// slices.
    pub(crate) fn slices<'a>(&'a self, bytes: usize, slices: &mut [IoSlice<'a>]) -> usize {
        let (mut left, mut count) = (bytes, 0);
        for (slice, part) in slices.iter_mut().zip(self.parts()) {
            if left == 0 {
                break;
            }
            let part = &part[..part.len().min(left)];
            left -= part.len();
            *slice = IoSlice::new(part);
            count += 1;
        }
        count
    }

    /// Makes the descriptors contiguous, for [`fds`](Self::fds).
    pub(crate) fn make_contiguous(&mut self) {
        self.fds.make_contiguous();
    }

    /// Returns the unsent bytes, in order.
    fn parts(&self) -> impl Iterator<Item = &[u8]> {
        let parts = self.chunks.iter().map(|chunk| &chunk[..]);
        parts.chain([&self.tail[self.left..]]).filter(|part| !part.is_empty())
    }

    /// Returns the descriptors of a call, which are contiguous.
    pub(crate) fn fds(&self, count: usize) -> &[OwnedFd] {
        &self.fds.as_slices().0[..count]
    }

    /// Records that a call sent the first `bytes` of its bytes.
    pub(crate) fn sent(&mut self, call: Call, bytes: usize) {
        if call.fds > 0 {
            // The kernel holds its own references to the descriptors that are closed here.
            take(&mut self.fds, call.fds).for_each(drop);
            claim(self.frames.iter_mut().map(|frame| &mut frame.fds), call.fds);
            self.one_by_one = false;
        }
        self.advance(bytes);
    }

    /// Records that the kernel refused the descriptors of a call. Returns whether to try again with
    /// fewer frames in a call.
    pub(crate) fn refused(&mut self, call: Call) -> bool {
        let head = self
            .frames
            .front()
            .is_some_and(|frame| frame.start == self.position && frame.fds == call.fds);
        !head && !std::mem::replace(&mut self.one_by_one, true)
    }

    /// Removes the first frame and returns it with its descriptors, if none of its bytes was sent.
    pub(crate) fn take_back(&mut self) -> Option<RefusedFrame> {
        let frame = *self.frames.front()?;
        if frame.start != self.position || frame.fds == 0 {
            return None;
        }
        self.frames.pop_front();
        let fds = take(&mut self.fds, frame.fds).collect();
        let length = (frame.end - frame.start) as usize;
        let mut bytes = Vec::with_capacity(length);
        for part in self.parts() {
            bytes.extend_from_slice(&part[..part.len().min(length - bytes.len())]);
        }
        self.advance(length);
        self.one_by_one = false;
        Some(RefusedFrame { bytes: bytes.into(), fds })
    }

    fn advance(&mut self, bytes: usize) {
        self.position += bytes as u64;
        let mut left = bytes;
        while let Some(chunk) = self.chunks.front_mut() {
            let taken = chunk.len().min(left);
            chunk.advance(taken);
            left -= taken;
            if !chunk.is_empty() {
                break;
            }
            self.chunks.pop_front();
        }
        self.left += left;
        if self.left == self.tail.len() {
            self.tail.clear();
            self.left = 0;
        } else if self.left > self.tail.len() / 2 && self.left > COPIED {
            let sent = std::mem::take(&mut self.left);
            if self.tail.capacity() > KEPT && self.tail.len() - sent <= KEPT {
                self.tail = BytesMut::from(&self.tail[sent..]);
            } else {
                self.shared = self.shared.max(self.tail.capacity());
                self.tail.advance(sent);
            }
        }
        while self.frames.front().is_some_and(|frame| frame.end <= self.position && frame.fds == 0)
        {
            self.frames.pop_front();
        }
    }

    /// Returns whether the buffers keep more than `kept` bytes of memory.
    #[inline]
    pub(crate) fn has_memory(&self, kept: usize) -> bool {
        let chunks = self.chunks.capacity() * size_of::<Bytes>();
        self.tail.capacity().max(self.shared).max(chunks) > kept
    }

    /// Frees the memory of the empty buffers if it is more than `kept` bytes.
    pub(crate) fn release_memory(&mut self, kept: usize) {
        if self.has_memory(kept) {
            self.tail = BytesMut::new();
            self.shared = 0;
            self.chunks = VecDeque::new();
        }
    }

    /// Returns the number of unsent bytes.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        (self.end - self.position) as usize
    }

    /// Returns the capacity of the buffer, and of the list of chunks in bytes.
    #[cfg(test)]
    pub(crate) fn memory(&self) -> (usize, usize) {
        (self.tail.capacity(), self.chunks.capacity() * size_of::<Bytes>())
    }

    /// Returns the number of unsent descriptors.
    #[inline]
    pub(crate) fn unsent_fds(&self) -> usize {
        self.fds.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.end == self.position
    }

    /// Returns whether a limit of the policy is reached.
    #[inline]
    pub(crate) fn is_full(&self, policy: &WritePolicy) -> bool {
        self.len() >= policy.max_buffered_bytes || self.fds.len() >= policy.max_buffered_fds
    }

    /// Creates the state for bytes and descriptor sets that the caller has not sent.
    pub(crate) fn from_parts(bytes: BytesMut, sets: Vec<FdSet>) -> Outbound {
        let length = bytes.len();
        let mut outbound = Outbound { end: length as u64, tail: bytes, ..Outbound::default() };
        let mut before = 0;
        for FdSet { range, fds, .. } in sets {
            // A set that is out of order or overlaps another one would never be sent.
            let start = range.start.clamp(before, length);
            let end = range.end.clamp(start, length);
            before = end;
            outbound.frames.push_back(PendingFrame {
                start: start as u64,
                end: end as u64,
                fds: fds.len(),
            });
            outbound.fds.extend(fds);
        }
        outbound
    }

    /// Returns the unsent bytes and descriptor sets. The rest of a frame of which a byte was sent is an
    /// empty set, because it still shares no call with `Placement::Alone`. It stays one when these parts
    /// are put together and taken apart again: then it begins at the first unsent byte.
    pub(crate) fn into_parts(mut self) -> (BytesMut, Vec<FdSet>) {
        let position = self.position;
        let relative = |offset: u64| offset.saturating_sub(position) as usize;
        let sets = self
            .frames
            .iter()
            .filter(|frame| frame.fds > 0 || frame.start <= position)
            .map(|frame| {
                let range = relative(frame.start)..relative(frame.end);
                FdSet::new(range, take(&mut self.fds, frame.fds).collect())
            })
            .collect();
        let mut bytes = BytesMut::with_capacity((self.end - position) as usize);
        self.parts().for_each(|part| bytes.extend_from_slice(part));
        (bytes, sets)
    }
}
