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
use super::memory_charge::{KEPT, MemoryCharge, UNCHARGED};
use super::policy::{Attribution, ReadPolicy};
use super::read_buffer::FIRST;
use super::read_progress::{Phase, ReadProgress};
use super::receive_error::ReceiveError;
use crate::budget::Account;
use crate::error::transfer_error::TransferError;
use crate::receive::{Received, Receiver};
use crate::socket::Socket;

/// Room for reads when a frame begins, before there was more to read than fitted: most streams idle
/// most of the time, and what they hold meanwhile is mostly this.
const IDLE: usize = 2 << 10;

/// The most room that is made at once for the rest of a long one: as much again as has arrived of
/// it, so that nothing is reserved on a peer's word.
const MOST: usize = 256 << 10;

/// Whether the kernel ends a read before a descriptor set instead of after it, as those derived from
/// BSD do.
const SETS_BEGIN_READS: bool = cfg!(not(any(target_os = "linux", target_os = "android")));

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
    /// What is charged for the memory of the buffer, if the peer has an account.
    memory: Option<Box<MemoryCharge>>,
}

impl ReadState {
    pub(crate) fn new(inbound: Inbound, policy: ReadPolicy, progress: ReadProgress) -> ReadState {
        let ReadProgress { phase, waited, .. } = progress;
        let deadlines = Deadlines::since(waited);
        ReadState { inbound, policy, phase, may_decode: true, room: IDLE, deadlines, memory: None }
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

    /// Decodes a frame that has arrived, without reading; the deadlines are kept.
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

    /// Gives up memory that is of no use while nothing arrives.
    #[inline]
    fn wait(&mut self, receiver: &mut Receiver) {
        match &self.memory {
            None => self.inbound.buffer.wait(KEPT),
            // The growth that is waited for is of use.
            Some(memory) if memory.is_waiting() => {}
            Some(_) => {
                self.inbound.buffer.wait(UNCHARGED);
                self.release_unused(receiver);
            }
        }
    }

    /// Returns what is charged for more than what waits.
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

    /// Decodes a frame when nothing more will arrive.
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
        // What has arrived in time is in time, however late we come to read it.
        let read = self.poll_read(socket, receiver, cx);
        if read.is_pending() {
            self.wait(receiver);
            self.deadlines.poll(&self.inbound, &self.policy, cx)?;
        }
        read
    }

    /// Reads once, into room that is made for it.
    fn poll_read<E>(
        &mut self,
        socket: &Socket,
        receiver: &mut Receiver,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), ReceiveError<E>>> {
        // Otherwise, nothing says which frame a truncated set belongs to.
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
        // Who reads from the stream by hand is not told, and must not lose descriptors unseen.
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
        let now = self.policy.fd_timeout.map(|_| Instant::now());
        if older == 0 {
            let fds = receiver.queue.len();
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

    /// Returns how much room has to be made before a read.
    #[inline]
    fn missing_room(&self) -> Option<usize> {
        let bytes = &self.inbound.buffer.bytes;
        let length = bytes.len();
        // For the start of a frame, the same memory once more will do.
        (bytes.capacity() - length < self.room / 2)
            .then(|| length.min(MOST).max(self.room.saturating_sub(length)))
    }

    /// Makes room for a read in memory that is charged, or waits until the account has it.
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
            // A decoder may have made room, which is charged later.
            let size = match additional {
                0 => buffer.allocated(),
                _ => length + FIRST.max(length / 4),
            };
            if additional > 0 && !memory.is_waiting() && memory.try_charge(doubled) {
                buffer.reserve(additional);
            } else if ready!(memory.poll_charge(cx, size)).is_err() {
                return Poll::Ready(Err(ReceiveError::BytesOverBudget { bytes: size }));
            } else if additional > 0 {
                // It grows by as little as does not make copying dear.
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
