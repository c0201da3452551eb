//! The attribution of received descriptors to frames.
//!
//! The kernel reports which `recvmsg` a descriptor set arrived with. The last byte of that read belongs
//! to the `sendmsg` that the set was sent with. The kernel does not report where that `sendmsg` began.
//! So a set is known by its range of stream bytes, and only a frame that overlaps the range can have
//! sent it. Frames claim descriptors in order. What is left of a set when its range is decoded belongs
//! to no frame. It is closed here, because otherwise the next frame would claim it.
//!
//! This module uses no socket and no clock: its input is bytes, descriptors and the time, and its output
//! is frames and a deadline.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::Duration;

use bytes::BytesMut;
use tokio::time::Instant;

use super::decoder::Decoder;
use super::fd_queue::take;
use super::fd_set::FdSet;
use super::policy::{Attribution, ReadPolicy, Unclaimed};
use super::read_buffer::ReadBuffer;
use super::read_progress::ReadProgress;
use super::receive_error::ReceiveError;
use super::received_fds::{ReceivedFds, ReceivedSet};
use crate::error::truncation::Truncation;
use crate::held_fds::HeldFds;

/// Bytes that have arrived and are not decoded, and the descriptor sets that arrived with them.
#[derive(Debug, Default)]
pub(crate) struct Inbound {
    pub(crate) buffer: ReadBuffer,
    /// Position in the stream of the first byte of `buffer`.
    position: u64,
    /// Position in the stream of the first byte of the frame that is decoded next.
    frame_start: u64,
    /// The descriptors of all sets, in order.
    fds: VecDeque<OwnedFd>,
    sets: VecDeque<ReceivedSet>,
    /// Number of descriptors that no frame claimed and that were closed.
    closed: u64,
}

/// A frame that a decoder returned, if a complete one has arrived.
pub(crate) type FrameOutcome<D> =
    Result<Option<<D as Decoder>::Item>, ReceiveError<<D as Decoder>::Error>>;

impl Inbound {
    /// Records that the last `count` bytes of the buffer have arrived with these descriptors.
    pub(crate) fn received(
        &mut self,
        count: usize,
        fds: impl Iterator<Item = OwnedFd>,
        truncated: Option<Truncation>,
        now: Option<Instant>,
    ) {
        let before = self.fds.len();
        fds.for_each(|fd| self.fds.push_back(fd));
        let fds = self.fds.len() - before;
        if fds > 0 || truncated.is_some() {
            let end = self.position + self.buffer.bytes.len() as u64;
            let start = end - count as u64;
            let set = ReceivedSet { start, end, fds, truncated, given_up: false, arrived: now };
            self.sets.push_back(set);
        }
    }

    /// Cuts the range of the set that [arrived](Self::received) with the last `count` bytes, if there is
    /// one, to its first byte, which is then also the last byte of the range.
    pub(crate) fn attribute_by_first_byte(&mut self, count: usize) {
        let end = self.position + self.buffer.bytes.len() as u64;
        if let Some(set) = self.sets.back_mut().filter(|set| set.end == end && count > 0) {
            set.end = set.start + 1;
        }
    }

    /// Decodes one frame, if a complete one has arrived. The frame may take the charge of its
    /// descriptors.
    #[inline]
    pub(crate) fn decode<D: Decoder>(
        &mut self,
        decoder: &mut D,
        policy: &ReadPolicy,
        held: &mut Option<Box<HeldFds>>,
    ) -> FrameOutcome<D> {
        self.decode_with(policy, held, |bytes, fds| decoder.decode(bytes, fds))
    }

    /// Decodes one frame after the end of the stream.
    pub(crate) fn decode_eof<D: Decoder>(
        &mut self,
        decoder: &mut D,
        policy: &ReadPolicy,
        held: &mut Option<Box<HeldFds>>,
    ) -> FrameOutcome<D> {
        self.decode_with(policy, held, |bytes, fds| decoder.decode_eof(bytes, fds))
    }

    #[inline]
    fn decode_with<T, E>(
        &mut self,
        policy: &ReadPolicy,
        held: &mut Option<Box<HeldFds>>,
        decode: impl FnOnce(&mut BytesMut, &mut ReceivedFds<'_>) -> Result<Option<T>, ReceiveError<E>>,
    ) -> Result<Option<T>, ReceiveError<E>> {
        let is_large = self.buffer.begin_decode();
        let before = self.buffer.bytes.len();
        let mut fds = ReceivedFds {
            position: self.position,
            attribution: policy.attribution,
            fds: &mut self.fds,
            sets: &mut self.sets,
            held,
            claimed: 0,
            closed: &mut self.closed,
        };
        let frame = decode(&mut self.buffer.bytes, &mut fds)?;
        self.position += before.saturating_sub(self.buffer.bytes.len()) as u64;
        if frame.is_some() {
            self.frame_start = self.position;
            if is_large {
                self.buffer.decoded();
            }
            if !self.sets.is_empty() {
                self.release_decoded(policy)?;
            }
        } else {
            self.buffer.not_decoded(before);
        }
        Ok(frame)
    }

    /// Releases the sets whose range is decoded.
    fn release_decoded<E>(&mut self, policy: &ReadPolicy) -> Result<(), ReceiveError<E>> {
        while let Some(set) = self.sets.front() {
            let (count, given_up) = (set.fds, set.given_up);
            let is_queued = policy.attribution == Attribution::Fifo && !given_up;
            if set.end > self.frame_start || (count > 0 && is_queued) {
                break;
            }
            self.sets.pop_front();
            if given_up {
                take(&mut self.fds, count).for_each(drop);
                self.closed += count as u64;
            } else {
                self.close_unclaimed(count, policy)?;
            }
        }
        Ok(())
    }

    /// Closes descriptors that no frame claimed.
    #[inline]
    fn close_unclaimed<E>(
        &mut self,
        count: usize,
        policy: &ReadPolicy,
    ) -> Result<(), ReceiveError<E>> {
        take(&mut self.fds, count).for_each(drop);
        match policy.unclaimed {
            Unclaimed::Error if count > 0 => Err(ReceiveError::UnclaimedFds { count }),
            _ => {
                self.closed += count as u64;
                Ok(())
            }
        }
    }

    /// Closes the descriptors that wait after the end of the stream, when no frame is left.
    pub(crate) fn finish<E>(&mut self, policy: &ReadPolicy) -> Result<(), ReceiveError<E>> {
        self.sets.clear();
        self.close_unclaimed(self.fds.len(), policy)
    }

    /// Checks that the limits allow another read of at most `fd_limit` descriptors.
    pub(crate) fn admit<E>(
        &self,
        fd_limit: usize,
        policy: &ReadPolicy,
    ) -> Result<(), ReceiveError<E>> {
        let cut = self.sets.iter().filter(|set| set.truncated.is_some()).count();
        let (waiting, length) = (self.fds.len() + cut, self.buffer.bytes.len());
        let limit = policy.max_waiting_fds.saturating_sub(fd_limit);
        if waiting > limit {
            return Err(ReceiveError::TooManyWaitingFds { waiting, limit });
        }
        if length >= policy.max_frame_bytes {
            return Err(ReceiveError::FrameTooLong { length, limit: policy.max_frame_bytes });
        }
        Ok(())
    }

    /// Returns the time until which the oldest descriptor set may wait for the rest of its frame.
    pub(crate) fn deadline(&self, timeout: Duration) -> Option<Instant> {
        let waiting = self.sets.iter().find(|set| set.fds > 0)?;
        waiting.arrived?.checked_add(timeout)
    }

    /// Returns the position in the stream of the incomplete frame, if there is one.
    pub(crate) fn incomplete_frame(&self) -> Option<u64> {
        (self.frame_bytes() > 0).then_some(self.frame_start)
    }

    /// Returns the number of bytes of the incomplete frame that have arrived, including those that the
    /// decoder has removed.
    pub(crate) fn frame_bytes(&self) -> usize {
        self.taken() as usize + self.buffer.bytes.len()
    }

    /// Returns the number of bytes that the decoder has removed of the incomplete frame.
    pub(crate) fn taken(&self) -> u64 {
        self.position - self.frame_start
    }

    /// Returns the number of descriptors that wait for their frames.
    pub(crate) fn waiting(&self) -> usize {
        self.fds.len()
    }

    /// Returns the number of descriptors that no frame claimed and that were closed.
    pub(crate) fn closed(&self) -> u64 {
        self.closed
    }

    /// Drops all bytes and closes all descriptors that wait.
    pub(crate) fn clear(&mut self) {
        let closed = self.closed;
        *self = Inbound { closed, ..Inbound::default() };
    }

    /// Creates the state for bytes and descriptor sets that the caller has received. Ranges count from
    /// the first of the bytes.
    pub(crate) fn from_parts(
        bytes: BytesMut,
        sets: Vec<FdSet>,
        now: Option<Instant>,
        progress: &ReadProgress,
    ) -> Inbound {
        let length = bytes.len();
        let buffer = ReadBuffer::new(bytes);
        let (taken, closed) = (progress.taken, progress.closed);
        let mut inbound = Inbound { buffer, position: taken, closed, ..Inbound::default() };
        let mut before = 0;
        for FdSet { range, fds, truncated, given_up, arrived } in sets {
            // A set that is out of order or outside the bytes would wait forever, and block later sets.
            let start = range.start.clamp(before, length);
            let end = range.end.clamp(start, length);
            before = end;
            inbound.sets.push_back(ReceivedSet {
                start: taken + start as u64,
                end: taken + end as u64,
                fds: fds.len(),
                truncated,
                given_up,
                arrived: arrived.or(now),
            });
            inbound.fds.extend(fds);
        }
        inbound
    }

    /// Returns all bytes and descriptor sets that wait. Ranges count from the first of the bytes.
    ///
    /// The range of a set of which some bytes are decoded begins with the first byte that is not.
    pub(crate) fn into_parts(mut self) -> (BytesMut, Vec<FdSet>) {
        let position = self.position;
        let relative = |offset: u64| offset.saturating_sub(position) as usize;
        let sets = self
            .sets
            .iter()
            .filter(|set| set.fds > 0 || set.truncated.is_some())
            .map(|set| FdSet {
                range: relative(set.start)..relative(set.end),
                fds: take(&mut self.fds, set.fds).collect(),
                truncated: set.truncated,
                given_up: set.given_up,
                arrived: set.arrived,
            })
            .collect();
        (self.buffer.bytes, sets)
    }
}
