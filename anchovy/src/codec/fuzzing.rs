//! Access to the state machines without sockets, for the fuzz targets in `fuzz/` of the repository.
//! Compiled with `--cfg fuzzing` only, and no part of the public API.

use std::io::IoSlice;
use std::os::fd::OwnedFd;

use bytes::BytesMut;

use super::decoder::Decoder;
use super::encoder::Encoder;
use super::fd_set::FdSet;
use super::inbound::Inbound;
use super::outbound::{Call, Outbound};
use super::policy::{Attribution, Placement, ReadPolicy};
use super::read_progress::ReadProgress;
use super::receive_error::ReceiveError;
use super::refused_frame::RefusedFrame;
use super::send_error::{SendError, SendErrorKind};
use crate::error::truncation::Truncation;

/// Most slices of one call.
const SLICES: usize = 64;

/// The sending side.
#[derive(Debug)]
pub struct Sending {
    outbound: Outbound,
    placement: Placement,
    most_fds: usize,
    planned: Option<Call>,
}

impl Sending {
    /// Creates a side with this placement, and this number of descriptors in one call.
    pub fn new(placement: Placement, most_fds: usize) -> Sending {
        Sending { outbound: Outbound::default(), placement, most_fds, planned: None }
    }

    /// Adds a frame to the buffer, or returns it.
    pub fn push<I, E: Encoder<I>>(
        &mut self,
        encoder: &mut E,
        frame: I,
    ) -> Result<(), SendError<I, SendErrorKind<E::Error>>> {
        self.outbound.push(encoder, frame, |_| Ok(()))
    }

    /// Plans the next call, and returns its bytes, as far as they fit into one call, and its
    /// descriptors.
    pub fn plan(&mut self) -> Option<(Vec<u8>, &[OwnedFd])> {
        self.planned = self.outbound.next(self.placement, self.most_fds);
        let call = self.planned?;
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = self.outbound.slices(call.bytes, &mut slices);
        let bytes = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
        self.outbound.make_contiguous();
        Some((bytes, self.outbound.fds(call.fds)))
    }

    /// Records that the planned call sent its first `bytes` bytes.
    pub fn sent(&mut self, bytes: usize) {
        if let Some(call) = self.planned.take() {
            self.outbound.sent(call, bytes);
        }
    }

    /// Records that the kernel refused the descriptors of the planned call. Returns the refused frame
    /// if it is known.
    pub fn refused(&mut self) -> Option<RefusedFrame> {
        let call = self.planned.take()?;
        if self.outbound.refused(call) { None } else { self.outbound.take_back() }
    }

    /// Continues with a new side that has the unsent bytes and descriptors of this one.
    pub fn rebuild(&mut self) {
        let (bytes, sets) = std::mem::take(&mut self.outbound).into_parts();
        self.outbound = Outbound::from_parts(bytes, sets);
        self.planned = None;
    }
}

/// The receiving side.
#[derive(Debug)]
pub struct Receiving {
    inbound: Inbound,
    policy: ReadPolicy,
}

impl Receiving {
    /// Creates a side with this policy.
    pub fn new(policy: ReadPolicy) -> Receiving {
        Receiving { inbound: Inbound::default(), policy }
    }

    /// Records what one read returned.
    pub fn receive(&mut self, bytes: &[u8], fds: Vec<OwnedFd>, truncated: Option<Truncation>) {
        self.inbound.buffer.bytes.extend_from_slice(bytes);
        self.inbound.received(bytes.len(), fds.into_iter(), truncated, None);
    }

    /// Decodes one frame, if a complete one has arrived.
    pub fn decode<D: Decoder>(
        &mut self,
        decoder: &mut D,
    ) -> Result<Option<D::Item>, ReceiveError<D::Error>> {
        self.inbound.decode(decoder, &self.policy, &mut None)
    }

    /// Closes the descriptors that wait after the end of the stream.
    pub fn finish<E>(&mut self) -> Result<(), ReceiveError<E>> {
        self.inbound.finish(&self.policy)
    }

    /// Returns the number of descriptors that wait for their frames.
    pub fn waiting(&self) -> usize {
        self.inbound.waiting()
    }

    /// Returns the number of descriptors that no frame claimed and that were closed.
    pub fn closed(&self) -> u64 {
        self.inbound.closed()
    }

    /// Returns the rule of attribution.
    pub fn attribution(&self) -> Attribution {
        self.policy.attribution
    }

    /// Continues with a new side that has the bytes and descriptors of this one.
    pub fn rebuild(&mut self) {
        let (taken, closed) = (self.inbound.taken(), self.inbound.closed());
        let progress = ReadProgress { taken, closed, ..ReadProgress::default() };
        let (bytes, sets): (BytesMut, Vec<FdSet>) = std::mem::take(&mut self.inbound).into_parts();
        self.inbound = Inbound::from_parts(bytes, sets, None, &progress);
    }
}
