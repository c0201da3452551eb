//! The receiving side of a framed stream, over the receiving side of a stream.
//!
//! It has three phases:
//!
//! | Phase | Source of the next frame | Next phase |
//! |---|---|---|
//! | `Open` | the buffer, then a read | `Ended` when a read returns no bytes, `Over` after an error |
//! | `Ended` | the rest of the buffer | `Over` when there is no frame left, or after an error |
//! | `Over` | none: the stream of frames has ended | |

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
use super::memory_charge::{KEPT, MemoryCharge, UNCHARGED};
use super::policy::{Attribution, ReadPolicy};
use super::read_buffer::FIRST;
use super::read_progress::{Phase, ReadProgress};
use super::receive_error::ReceiveError;
use crate::budget::Account;
use crate::error::transfer_error::TransferError;
use crate::receive::{Received, Receiver};
use crate::socket::{self, Socket};

/// Room in bytes for reads when a frame begins, until a read fills it. Most streams are idle most of
/// the time, and this is most of the memory that an idle stream holds.
const IDLE: usize = 2 << 10;

/// The most room in bytes that is made at once for the rest of a long frame. It is at most as much as
/// has arrived of the frame, so that a length that the peer declares reserves nothing.
const MOST: usize = 256 << 10;

/// Whether the kernel ends a read before a descriptor set instead of after it, as those derived from
/// BSD do.
const SETS_BEGIN_READS: bool = cfg!(not(any(target_os = "linux", target_os = "android")));

/// A frame that a decoder returned, or the error that ended the stream of frames.
pub(crate) type FrameResult<D> = Result<<D as Decoder>::Item, ReceiveError<<D as Decoder>::Error>>;

#[derive(Debug)]
pub(crate) struct ReadState {
    pub(crate) inbound: Inbound,
    pub(crate) policy: ReadPolicy,
    pub(crate) phase: Phase,
    /// Whether decoding may succeed: something has changed since it last returned no frame.
    pub(crate) may_decode: bool,
    /// Room in bytes to make for reads when a frame begins.
    room: usize,
    deadlines: Deadlines,
    /// The charge for the memory of the buffer, if the peer has an account.
    memory: Option<Box<MemoryCharge>>,
}

impl ReadState {
    pub(crate) fn new(inbound: Inbound, policy: ReadPolicy, progress: ReadProgress) -> ReadState {
        let ReadProgress { phase, waited, .. } = progress;
        let deadlines = Deadlines::since(waited);
        ReadState { inbound, policy, phase, may_decode: true, room: IDLE, deadlines, memory: None }
    }

    /// Returns the progress, from which a new state continues.
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
        while self.phase == Phase::Open {
            if self.may_decode {
                match self.inbound.decode(decoder, &self.policy, &mut receiver.held) {
                    Ok(Some(frame)) => {
                        self.release_unused(receiver);
                        return Poll::Ready(Some(Ok(frame)));
                    }
                    Ok(None) => self.may_decode = false,
                    Err(error) => return Poll::Ready(Some(Err(self.fail(error, receiver)))),
                }
            }
            match self.poll_more(socket, receiver, cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => {
                    return Poll::Ready(Some(Err(self.fail(error, receiver))));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(self.next_of_rest(decoder, receiver))
    }

    /// Decodes a frame that has arrived, without reading.
    pub(crate) fn next_buffered<D: Decoder>(
        &mut self,
        decoder: &mut D,
        receiver: &mut Receiver,
    ) -> Option<FrameResult<D>> {
        if self.phase != Phase::Open || !self.may_decode {
            return None;
        }
        match self.inbound.decode(decoder, &self.policy, &mut receiver.held) {
            Ok(frame) => {
                self.may_decode = frame.is_some();
                self.release_unused(receiver);
                frame.map(Ok)
            }
            Err(error) => Some(Err(self.fail(error, receiver))),
        }
    }

    /// Decodes a frame that has arrived without reading, and checks the deadlines.
    pub(crate) fn poll_paused<D: Decoder>(
        &mut self,
        decoder: &mut D,
        receiver: &mut Receiver,
        cx: &mut Context<'_>,
    ) -> Poll<Option<FrameResult<D>>> {
        if let Some(next) = self.next_buffered(decoder, receiver) {
            return Poll::Ready(Some(next));
        }
        if self.phase == Phase::Over {
            return Poll::Ready(None);
        }
        self.wait(receiver);
        match self.deadlines.poll(&self.inbound, &self.policy, cx) {
            Ok(()) => Poll::Pending,
            Err(error) => Poll::Ready(Some(Err(self.fail(error, receiver)))),
        }
    }

    #[cold]
    fn fail<E>(&mut self, error: ReceiveError<E>, receiver: &mut Receiver) -> ReceiveError<E> {
        self.end(receiver);
        error
    }

    fn end(&mut self, receiver: &mut Receiver) {
        self.phase = Phase::Over;
        self.inbound.clear();
        self.deadlines = Deadlines::default();
        self.memory = None;
        receiver.release_waiting();
    }

    /// Frees memory that is not needed while nothing arrives.
    #[inline]
    fn wait(&mut self, receiver: &mut Receiver) {
        match &self.memory {
            None => self.inbound.buffer.wait(KEPT),
            // The buffer is about to grow.
            Some(memory) if memory.is_waiting() => {}
            Some(_) => {
                self.inbound.buffer.wait(UNCHARGED);
                self.release_unused(receiver);
            }
        }
    }

    /// Releases charges for more than the descriptors and bytes that wait.
    #[inline]
    fn release_unused(&mut self, receiver: &mut Receiver) {
        if receiver.held.is_some() {
            self.release_unused_charges(receiver);
        }
    }

    #[cold]
    fn release_unused_charges(&mut self, receiver: &mut Receiver) {
        receiver.set_waiting(self.inbound.waiting());
        if let Some(memory) = &mut self.memory {
            memory.release_unused(self.inbound.buffer.allocated());
        }
    }

    /// Decodes a frame after the end of the stream.
    fn next_of_rest<D: Decoder>(
        &mut self,
        decoder: &mut D,
        receiver: &mut Receiver,
    ) -> Option<FrameResult<D>> {
        if self.phase == Phase::Over {
            return None;
        }
        match self.inbound.decode_eof(decoder, &self.policy, &mut receiver.held) {
            Ok(Some(frame)) => {
                self.release_unused(receiver);
                Some(Ok(frame))
            }
            Ok(None) => {
                let finished = self.inbound.finish(&self.policy);
                self.end(receiver);
                finished.err().map(Err)
            }
            Err(error) => Some(Err(self.fail(error, receiver))),
        }
    }

    /// Reads more, within the limits and deadlines.
    fn poll_more<E>(
        &mut self,
        socket: &Socket,
        receiver: &mut Receiver,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ReceiveError<E>>> {
        self.inbound.admit(receiver.limits.fd_limit, &self.policy)?;
        // Bytes that arrived before the deadline count, even if they are read after it.
        let read = self.poll_read(socket, receiver, cx);
        if read.is_pending() {
            self.wait(receiver);
            self.deadlines.poll(&self.inbound, &self.policy, cx)?;
        }
        read
    }

    /// Makes room and reads once.
    fn poll_read<E>(
        &mut self,
        socket: &Socket,
        receiver: &mut Receiver,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ReceiveError<E>>> {
        // With `Fifo`, later frames would get wrong descriptors after a truncated set.
        let by_bytes = self.policy.attribution != Attribution::Fifo;
        if let Some(account) = socket.account() {
            receiver.waiting = self.inbound.waiting();
            receiver.reserve = if by_bytes { self.policy.max_waiting_fds } else { 0 };
            ready!(self.poll_room(account, cx))?;
        } else if let Some(additional) = self.missing_room() {
            self.inbound.buffer.reserve(additional);
        }
        let bytes = &mut self.inbound.buffer.bytes;
        let spare = bytes.capacity() - bytes.len();
        let older = receiver.queue.len();
        receiver.survives_truncation = self.policy.survive_truncation && by_bytes;
        let mut source = Source { socket, receiver, outcome: Ok(Received::default()) };
        let outcome = poll_read_buf(Pin::new(&mut source), cx, &mut bytes.limit(MOST));
        // A read by the caller, outside the codec, must fail when descriptors are lost.
        source.receiver.survives_truncation = false;
        let count = ready!(outcome).map_err(ReceiveError::Io)?;
        let Received { truncated, .. } = source.outcome?;
        if count == 0 {
            self.phase = Phase::Ended;
            return Poll::Ready(Ok(()));
        }
        if count >= spare {
            self.room = FIRST;
        }
        let fds = receiver.queue.len();
        // Only a descriptor set has a time of arrival.
        let has_set = fds > older || truncated.is_some();
        let now = self.policy.fd_timeout.filter(|_| has_set).map(|_| Instant::now());
        if older == 0 {
            self.inbound.received(count, take(&mut receiver.queue, fds), truncated, now);
        } else {
            self.inbound.received(count, receiver.queue.drain(older..), truncated, now);
        }
        if SETS_BEGIN_READS && self.policy.attribution == Attribution::LastByte {
            self.inbound.attribute_by_first_byte(count);
        }
        receiver.waiting = self.inbound.waiting();
        self.may_decode = true;
        Poll::Ready(Ok(()))
    }

    /// Returns the number of bytes of room to make before a read, if any.
    #[inline]
    fn missing_room(&self) -> Option<usize> {
        let bytes = &self.inbound.buffer.bytes;
        let length = bytes.len();
        // Half of the room is enough to read the start of a frame.
        (bytes.capacity() - length < self.room / 2)
            .then(|| length.min(MOST).max(self.room.saturating_sub(length)))
    }

    /// Makes room for a read in charged memory, or waits until the account has room for the charge.
    fn poll_room<E>(
        &mut self,
        account: &Account,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ReceiveError<E>>> {
        let missing = self.missing_room();
        let buffer = &mut self.inbound.buffer;
        let additional = missing.filter(|room| !buffer.try_reclaim(*room)).unwrap_or(0);
        let length = buffer.bytes.len();
        if additional > 0 && length + additional <= UNCHARGED {
            buffer.move_to(length + additional);
        } else if additional > 0 || buffer.allocated() > UNCHARGED {
            let memory = self.memory.get_or_insert_with(|| MemoryCharge::new(account).into());
            let doubled = buffer.size_with(additional);
            // Memory that a decoder has reserved is charged here, after the fact.
            let size = match additional {
                0 => buffer.allocated(),
                _ => length + FIRST.max(length / 4),
            };
            if additional > 0 && !memory.is_waiting() && memory.try_charge(doubled) {
                buffer.reserve(additional);
            } else if ready!(memory.poll_charge(cx, size)).is_err() {
                return Poll::Ready(Err(ReceiveError::BytesOverBudget { bytes: size }));
            } else if additional > 0 {
                // Growing by a quarter bounds the cost of copying.
                buffer.move_to(size);
            }
        }
        if let Some(memory) = &mut self.memory {
            memory.cancel();
            memory.release_unused(buffer.allocated());
        }
        Poll::Ready(Ok(()))
    }
}

/// An `AsyncRead` over the receiving side, for `poll_read_buf`. It keeps the typed outcome.
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
        this.outcome =
            ready!(this.receiver.poll_receive(socket::Source::shared(this.socket), cx, buf));
        // After an error, the buffer is unchanged, and the caller takes the error from `outcome`.
        Poll::Ready(Ok(()))
    }
}
