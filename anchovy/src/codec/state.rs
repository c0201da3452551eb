//! The two sides of a framed stream, over the two sides of a stream: the state machines of
//! attribution and of the write plan, driven by a socket.
//!
//! The receiving side goes through three phases:
//!
//! | phase | the next item comes from | goes to |
//! |---|---|---|
//! | `Open` | what waits; else a read | `Ended` when a read brings no bytes, `Over` with an error |
//! | `Ended` | what waits, decoded as the last of it | `Over` when there is no item left, or with an error |
//! | `Over` | nowhere: the stream of items has ended | |

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BufMut;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep};
use tokio_util::io::poll_read_buf;

use super::attribution::{Inbound, take};
use super::plan::Outbound;
use super::policy::{Attribution, ReadPolicy, WritePolicy};
use super::receive_error::ReceiveError;
use super::send_error::{SendError, SendErrorKind};
use super::traits::{Decoder, Encoder};
use crate::error::fd_error::FdError;
use crate::error::transfer_error::TransferError;
use crate::receive::{Received, Receiver};
use crate::send::Sender;
use crate::socket::Socket;

/// Room for reads when an item begins, on a stream that has had more to read than fitted.
const FIRST: usize = 8 << 10;

/// The same before that: most streams idle most of the time, and what they hold meanwhile is mostly
/// this.
const IDLE: usize = 2 << 10;

/// The most room that is made at once for the rest of a long one: as much again as has arrived of
/// it, so that nothing is reserved on a peer's word.
const MOST: usize = 256 << 10;

/// A frame that a decoder returned, or the reason that there are no more.
pub(crate) type FrameResult<D> = Result<<D as Decoder>::Item, ReceiveError<<D as Decoder>::Error>>;

/// Slices for one call; items are few and payloads fewer.
const SLICES: usize = 64;

#[derive(Debug)]
pub(crate) struct ReadState {
    pub(crate) inbound: Inbound,
    pub(crate) policy: ReadPolicy,
    pub(crate) phase: Phase,
    /// Something may be decoded that could not be before.
    pub(crate) fresh: bool,
    /// Room to make for reads when an item begins.
    room: usize,
    /// Runs until the deadline, while there is one.
    sleep: Option<Pin<Box<Sleep>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    Ended,
    Over,
}

impl ReadState {
    pub(crate) fn new(inbound: Inbound, policy: ReadPolicy, phase: Phase) -> ReadState {
        ReadState { inbound, policy, phase, fresh: true, room: IDLE, sleep: None }
    }

    #[inline]
    pub(crate) fn poll_item<D: Decoder>(
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

    /// What waits, and no read.
    pub(crate) fn next_buffered<D: Decoder>(&mut self, decoder: &mut D) -> Option<FrameResult<D>> {
        if self.phase != Phase::Open || !self.fresh {
            return None;
        }
        let outcome = self.inbound.decode(decoder, &self.policy, false);
        match &outcome {
            Ok(item) => self.fresh = item.is_some(),
            Err(_) => self.end(),
        }
        outcome.transpose()
    }

    /// What waits, and no read; the deadline is kept.
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
        match self.poll_deadline(cx) {
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
        self.sleep = None;
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
            let at_end = self.phase == Phase::Ended;
            if self.fresh || at_end {
                if let Some(frame) = self.inbound.decode(decoder, &self.policy, at_end)? {
                    return Poll::Ready(Some(Ok(frame)));
                }
                self.fresh = false;
            }
            if at_end {
                let finished = self.inbound.finish(&self.policy);
                return Poll::Ready(finished.err().map(Err));
            }
            self.inbound.admit(receiver.limits.set, &self.policy)?;
            // What has arrived in time is in time, however late we come to read it.
            if self.poll_read(socket, receiver, cx)?.is_pending() {
                self.poll_deadline(cx)?;
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
        let bytes = &mut self.inbound.bytes;
        let length = bytes.len();
        if bytes.capacity() - length < self.room / 2 {
            // For the start of an item, the same memory once more will do.
            bytes.reserve(length.min(MOST).max(self.room.saturating_sub(length)));
        }
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
        self.fresh = true;
        Poll::Ready(Ok(()))
    }

    /// Sees that the deadline is not over, and wakes the task when it is.
    fn poll_deadline<E>(&mut self, cx: &mut Context<'_>) -> Result<(), ReceiveError<E>> {
        let deadline = self.policy.fd_timeout.and_then(|timeout| self.inbound.deadline(timeout));
        let Some(deadline) = deadline else {
            self.sleep = None;
            return Ok(());
        };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if sleep.deadline() != deadline {
            sleep.as_mut().reset(deadline);
        }
        match sleep.as_mut().poll(cx) {
            Poll::Ready(()) => Err(ReceiveError::FdsOverdue { waiting: self.inbound.waiting() }),
            Poll::Pending => Ok(()),
        }
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

#[derive(Debug)]
pub(crate) struct WriteState {
    pub(crate) outbound: Outbound,
    pub(crate) policy: WritePolicy,
}

impl WriteState {
    #[inline]
    pub(crate) fn poll_ready(
        &mut self,
        side: (&Socket, &mut Sender),
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransferError>> {
        if self.outbound.is_full(&self.policy) {
            self.poll_flush(side, cx)
        } else {
            Poll::Ready(Ok(()))
        }
    }

    #[inline]
    pub(crate) fn start_send<I, E: Encoder<I>>(
        &mut self,
        encoder: &mut E,
        item: I,
        sender: &Sender,
    ) -> Result<(), SendError<I, SendErrorKind<E::Error>>> {
        self.outbound.push(encoder, item, |count| sender.limits.check(count))
    }

    pub(crate) fn poll_flush(
        &mut self,
        (socket, sender): (&Socket, &mut Sender),
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransferError>> {
        while let Some(call) = self.outbound.next(self.policy.placement, sender.limits.set) {
            self.outbound.line_up();
            let fds = self.outbound.fds(call.fds);
            let sent = if let Some(slice) = self.outbound.slice(call.bytes) {
                sender.poll_send(socket, cx, &[slice], fds)
            } else {
                let mut slices = [IoSlice::new(&[]); SLICES];
                let count = self.outbound.slices(call.bytes, &mut slices);
                sender.poll_send(socket, cx, &slices[..count], fds)
            };
            match ready!(sent) {
                Ok(bytes) => self.outbound.sent(call, bytes),
                Err(error) if is_refusal(&error) && self.outbound.refused(call) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    pub(crate) fn poll_close(
        &mut self,
        (socket, sender): (&Socket, &mut Sender),
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransferError>> {
        ready!(self.poll_flush((socket, &mut *sender), cx))?;
        Poll::Ready(sender.shutdown(socket))
    }
}

/// Returns whether the kernel refused the descriptors, and nothing else.
fn is_refusal(error: &TransferError) -> bool {
    let TransferError::Fd(error) = error else { return false };
    matches!(**error, FdError::RefusedByPeer { .. } | FdError::TooManyInFlight { .. })
}
