//! Whose descriptors are whose.
//!
//! The kernel says with which `recvmsg` a set came, and that the last of its bytes belongs to the
//! `sendmsg` that the set left with; where that began, it does not say. So what is known of a set
//! is a range of stream bytes, and a frame can have sent it only if it overlaps that range. Each
//! frame takes as many as it declares, in order; what is left of a set when its range is decoded
//! belongs to nobody, and would be the next frame's if it were not stopped here.
//!
//! No socket, no clock: bytes, descriptors and the time come in, frames and a deadline come out.

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

/// Bytes that have arrived and are not decoded, and the sets that came with them.
#[derive(Debug, Default)]
pub(crate) struct Inbound {
    pub(crate) buffer: ReadBuffer,
    /// Where in the stream the bytes of `buffer` begin.
    position: u64,
    /// Where in the stream the frame begins that is being decoded.
    frame_start: u64,
    /// The descriptors of all sets, in order.
    fds: VecDeque<OwnedFd>,
    sets: VecDeque<ReceivedSet>,
    /// Descriptors that nothing claimed, and that were closed.
    closed: u64,
}

/// A frame that a decoder returned, if a complete one has arrived.
pub(crate) type FrameOutcome<D> =
    Result<Option<<D as Decoder>::Item>, ReceiveError<<D as Decoder>::Error>>;

impl Inbound {
    /// Notes that the last `count` of the bytes have just arrived with these descriptors.
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

    /// Notes that the set of the read of `count` bytes that was [received](Self::received) last, if it
    /// brought one, is attributed by its first byte: the last byte of its range is that one then.
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

    /// As [`decode`](Self::decode), when nothing more will arrive.
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
            self.release_decoded(policy)?;
        } else {
            self.buffer.not_decoded(before);
        }
        Ok(frame)
    }

    /// Releases the sets whose range is decoded.
    #[inline]
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

    /// Closes what waits when nothing more will arrive and no frame is left to claim it.
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

    /// Returns the time by which the rest of a frame has to arrive, for the sets that wait for it.
    pub(crate) fn deadline(&self, timeout: Duration) -> Option<Instant> {
        let waiting = self.sets.iter().find(|set| set.fds > 0)?;
        waiting.arrived?.checked_add(timeout)
    }

    /// Returns where in the stream the frame begins of which a part has arrived, if there is one.
    pub(crate) fn incomplete_frame(&self) -> Option<u64> {
        (self.frame_bytes() > 0).then_some(self.frame_start)
    }

    /// Returns the number of bytes that have arrived and are of no frame yet, including those that the
    /// decoder has taken.
    pub(crate) fn frame_bytes(&self) -> usize {
        self.taken() as usize + self.buffer.bytes.len()
    }

    /// Returns the number of bytes that the decoder has taken of a frame that it has not returned.
    pub(crate) fn taken(&self) -> u64 {
        self.position - self.frame_start
    }

    /// Descriptors that wait for their frames.
    pub(crate) fn waiting(&self) -> usize {
        self.fds.len()
    }

    /// Descriptors that nothing claimed, and that were closed.
    pub(crate) fn closed(&self) -> u64 {
        self.closed
    }

    /// Forgets and closes all that waits.
    pub(crate) fn clear(&mut self) {
        let closed = self.closed;
        *self = Inbound { closed, ..Inbound::default() };
    }

    /// Takes over what somebody else has received, with ranges that count from its first byte, as far as
    /// that has come.
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
            // In order, and within the bytes: otherwise one would wait for ever, and others for it.
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

    /// Hands over all that waits, with ranges that count from the first byte.
    ///
    /// A set that came with bytes which are decoded already begins with the first that is not.
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
