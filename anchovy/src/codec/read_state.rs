//! The receiving side of a framed stream, over the receiving side of a stream.
//!
//! It goes through three phases:
//!
//! | phase | the next frame comes from | goes to |
//! |---|---|---|
//! | `Open` | what waits; else a read | `Ended` when a read brings no bytes, `Over` with an error |
//! | `Ended` | what waits, decoded as the last of it | `Over` when there is no frame left, or with an error |
//! | `Over` | nowhere: the stream of frames has ended | |

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::Instant;
use tokio_util::io::poll_read_buf;

use super::deadlines::Deadlines;
use super::decoder::Decoder;
use super::fd_queue::take;
use super::inbound::Inbound;
use super::policy::{Attribution, ReadPolicy};
use super::read_buffer::FIRST;
use super::read_progress::{Phase, ReadProgress};
use super::receive_error::ReceiveError;
use crate::error::transfer_error::TransferError;
use crate::receive::{Received, Receiver};
use crate::socket::Socket;

/// Room for reads when a frame begins, before there was more to read than fitted: most streams idle
/// most of the time, and what they hold meanwhile is mostly this.
const IDLE: usize = 2 << 10;

/// The most room that is made at once for the rest of a long one: as much again as has arrived of
/// it, so that nothing is reserved on a peer's word.
const MOST: usize = 256 << 10;

/// A frame that a decoder returned, or the reason that there are no more.
pub(crate) type FrameResult<D> = Result<<D as Decoder>::Item, ReceiveError<<D as Decoder>::Error>>;

#[derive(Debug)]
pub(crate) struct ReadState {
    pub(crate) inbound: Inbound,
    pub(crate) policy: ReadPolicy,
    pub(crate) phase: Phase,
    /// Whether a frame may be decoded that could not be decoded before.
    pub(crate) may_decode: bool,
    /// Room to make for reads when a frame begins.
    room: usize,
    deadlines: Deadlines,
}

impl ReadState {
    pub(crate) fn new(inbound: Inbound, policy: ReadPolicy, progress: ReadProgress) -> ReadState {
        let ReadProgress { phase, waited, .. } = progress;
        let deadlines = Deadlines::since(waited);
        ReadState { inbound, policy, phase, may_decode: true, room: IDLE, deadlines }
    }

    /// Returns how far it has come, for another one to go on.
    pub(crate) fn progress(&self) -> ReadProgress {
        let (phase, inbound) = (self.phase, &self.inbound);
        let waited = self.deadlines.waited(inbound);
        ReadProgress { phase, taken: inbound.taken(), closed: inbound.closed(), waited }
    }

    #[inline]
    pub(crate) fn poll_frame<D: Decoder>(
        &mut self,
        decoder: &mut D,
        (socket, receiver): (&Socket, &mut Receiver),
        cx: &mut Context<'_>,
    ) -> Poll<Option<FrameResult<D>>> {
        if self.phase == Phase::Over {
            return Poll::Ready(None);
        }
        let outcome = ready!(self.poll_next(decoder, socket, receiver, cx));
        if !matches!(outcome, Some(Ok(_))) {
            self.end();
        }
        Poll::Ready(outcome)
    }

    /// Decodes a frame that has arrived, without reading.
    pub(crate) fn next_buffered<D: Decoder>(&mut self, decoder: &mut D) -> Option<FrameResult<D>> {
        if self.phase != Phase::Open || !self.may_decode {
            return None;
        }
        let outcome = self.inbound.decode(decoder, &self.policy);
        match &outcome {
            Ok(frame) => self.may_decode = frame.is_some(),
            Err(_) => self.end(),
        }
        outcome.transpose()
    }

    /// Decodes a frame that has arrived, without reading; the deadlines are kept.
    pub(crate) fn poll_paused<D: Decoder>(
        &mut self,
        decoder: &mut D,
        cx: &mut Context<'_>,
    ) -> Poll<Option<FrameResult<D>>> {
        if let Some(next) = self.next_buffered(decoder) {
            return Poll::Ready(Some(next));
        }
        if self.phase == Phase::Over {
            return Poll::Ready(None);
        }
        self.inbound.buffer.wait();
        match self.deadlines.poll(&self.inbound, &self.policy, cx) {
            Ok(()) => Poll::Pending,
            Err(error) => {
                self.end();
                Poll::Ready(Some(Err(error)))
            }
        }
    }

    fn end(&mut self) {
        self.phase = Phase::Over;
        self.inbound.clear();
        self.deadlines = Deadlines::default();
    }

    #[inline]
    fn poll_next<D: Decoder>(
        &mut self,
        decoder: &mut D,
        socket: &Socket,
        receiver: &mut Receiver,
        cx: &mut Context<'_>,
    ) -> Poll<Option<FrameResult<D>>> {
        loop {
            if self.phase == Phase::Ended {
                if let Some(frame) = self.inbound.decode_eof(decoder, &self.policy)? {
                    return Poll::Ready(Some(Ok(frame)));
                }
                return Poll::Ready(self.inbound.finish(&self.policy).err().map(Err));
            }
            if self.may_decode {
                if let Some(frame) = self.inbound.decode(decoder, &self.policy)? {
                    return Poll::Ready(Some(Ok(frame)));
                }
                self.may_decode = false;
            }
            self.inbound.admit(receiver.limits.fd_limit, &self.policy)?;
            // What has arrived in time is in time, however late we come to read it.
            if self.poll_read(socket, receiver, cx)?.is_pending() {
                self.inbound.buffer.wait();
                self.deadlines.poll(&self.inbound, &self.policy, cx)?;
                return Poll::Pending;
            }
        }
    }

    /// Reads once, into room that is made for it.
    fn poll_read(
        &mut self,
        socket: &Socket,
        receiver: &mut Receiver,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransferError>> {
        let buffer = &mut self.inbound.buffer;
        let length = buffer.bytes.len();
        if buffer.bytes.capacity() - length < self.room / 2 {
            // For the start of a frame, the same memory once more will do.
            buffer.reserve(length.min(MOST).max(self.room.saturating_sub(length)));
        }
        let bytes = &mut buffer.bytes;
        let spare = bytes.capacity() - length;
        let older = receiver.queue.len();
        let by_range = self.policy.attribution == Attribution::Range;
        receiver.survives_truncation = self.policy.survive_truncation && by_range;
        let mut source = Source { socket, receiver, outcome: Ok(Received::default()) };
        let outcome = poll_read_buf(Pin::new(&mut source), cx, &mut bytes.limit(MOST));
        // Who reads from the stream by hand is not told, and must not lose descriptors unseen.
        source.receiver.survives_truncation = false;
        let count = ready!(outcome)?;
        let Received { truncated, .. } = source.outcome?;
        if count == 0 {
            self.phase = Phase::Ended;
            return Poll::Ready(Ok(()));
        }
        if count >= spare {
            self.room = FIRST;
        }
        let now = self.policy.fd_timeout.map(|_| Instant::now());
        if older == 0 {
            let fds = receiver.queue.len();
            self.inbound.received(count, take(&mut receiver.queue, fds), truncated, now);
        } else {
            self.inbound.received(count, receiver.queue.drain(older..), truncated, now);
        }
        self.may_decode = true;
        Poll::Ready(Ok(()))
    }
}

/// A receiving side, for a function that reads into spare room; it keeps the outcome with its type.
struct Source<'a> {
    socket: &'a Socket,
    receiver: &'a mut Receiver,
    outcome: Result<Received, TransferError>,
}

impl AsyncRead for Source<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.outcome = ready!(this.receiver.poll_receive(this.socket, cx, buf));
        // An error has filled nothing; the caller finds it in `outcome`.
        Poll::Ready(Ok(()))
    }
}
