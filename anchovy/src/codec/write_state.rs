//! The sending side of a framed stream, over the sending side of a stream.

use std::io::IoSlice;
use std::task::{Context, Poll, ready};

use super::encoder::Encoder;
use super::memory_charge::{KEPT, MemoryCharge, UNCHARGED};
use super::outbound::Outbound;
use super::policy::WritePolicy;
use super::refused_frame::RefusedFrame;
use super::send_error::{SendError, SendErrorKind};
use crate::error::fd_error::FdError;
use crate::error::transfer_error::TransferError;
use crate::send::Sender;
use crate::socket::Socket;

/// The most slices in one call. Most calls have few frames, and few of these have large payloads.
const SLICES: usize = 64;

/// Returns the error of a flush, which returns no frame.
pub(crate) fn flush_error<T, E>(error: TransferError) -> SendError<T, SendErrorKind<E>> {
    SendError { unsent: None, kind: error.into() }
}

#[derive(Debug)]
pub(crate) struct WriteState {
    pub(crate) outbound: Outbound,
    pub(crate) policy: WritePolicy,
    /// The charge for unsent bytes, if the peer has an account.
    memory: Option<Box<MemoryCharge>>,
}

impl WriteState {
    pub(crate) fn new(outbound: Outbound, policy: WritePolicy) -> WriteState {
        WriteState { outbound, policy, memory: None }
    }

    #[inline]
    pub(crate) fn poll_ready(
        &mut self,
        side: (&Socket, &mut Sender),
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransferError>> {
        if self.outbound.is_full(&self.policy) {
            self.poll_flush(side, cx)
        } else if self.outbound.len() > UNCHARGED && side.0.account().is_some() {
            self.poll_charged(side, cx)
        } else {
            Poll::Ready(Ok(()))
        }
    }

    /// Waits until all unsent bytes are charged: the account has room for them, or enough of them have
    /// been sent.
    fn poll_charged(
        &mut self,
        side: (&Socket, &mut Sender),
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransferError>> {
        let bytes = self.outbound.len();
        // Rounding up lets many small frames share one access to the ledger.
        if self.try_charge(side.0, bytes.next_multiple_of(UNCHARGED))
            || self.try_charge(side.0, bytes)
        {
            return Poll::Ready(Ok(()));
        }
        if let Poll::Ready(flushed) = self.poll_flush(side, cx) {
            return Poll::Ready(flushed);
        }
        let bytes = self.outbound.len();
        match self.memory.as_mut().map(|memory| memory.poll_charge(cx, bytes)) {
            // Bytes that the account can never hold have to be sent first.
            Some(Poll::Pending | Poll::Ready(Err(_))) => Poll::Pending,
            Some(Poll::Ready(Ok(()))) | None => Poll::Ready(Ok(())),
        }
    }

    /// Charges `bytes` in total. Returns whether there is no account, or it has room for them.
    fn try_charge(&mut self, socket: &Socket, bytes: usize) -> bool {
        let Some(account) = socket.account() else { return true };
        let memory = self.memory.get_or_insert_with(|| MemoryCharge::new(account).into());
        memory.try_charge(bytes)
    }

    #[inline]
    pub(crate) fn start_send<I, E: Encoder<I>>(
        &mut self,
        encoder: &mut E,
        frame: I,
        sender: &Sender,
    ) -> Result<(), SendError<I, SendErrorKind<E::Error>>> {
        self.outbound.push(encoder, frame, |count| sender.limits.check(count))
    }

    /// Removes the frame that is to be sent next, and returns it.
    pub(crate) fn take_refused(&mut self) -> Option<RefusedFrame> {
        let refused = self.outbound.take_back();
        self.release_unused();
        refused
    }

    /// Charges the bytes that could not be sent, or releases the memory of an empty buffer.
    fn account_for(&mut self, socket: &Socket) {
        if self.outbound.is_empty() {
            self.memory = None;
            let is_charged = socket.account().is_some();
            self.outbound.release_memory(if is_charged { UNCHARGED } else { KEPT });
        } else if self.outbound.len() > UNCHARGED {
            self.try_charge(socket, self.outbound.len());
        }
        self.release_unused();
    }

    /// Releases the charge for bytes that have been sent.
    fn release_unused(&mut self) {
        if let Some(memory) = &mut self.memory {
            memory.release_unused(self.outbound.len());
        }
    }

    pub(crate) fn poll_flush(
        &mut self,
        side: (&Socket, &mut Sender),
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransferError>> {
        let socket = side.0;
        let flushed = self.poll_send(side, cx);
        // In the usual case, all bytes have been sent and the buffer is small.
        let is_usual = self.outbound.is_empty() && self.memory.is_none();
        if !is_usual || self.outbound.has_memory(UNCHARGED) {
            self.account_for(socket);
        }
        flushed
    }

    #[inline]
    fn poll_send(
        &mut self,
        (socket, sender): (&Socket, &mut Sender),
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransferError>> {
        while let Some(call) = self.outbound.next(self.policy.placement, sender.limits.fd_limit) {
            self.outbound.make_contiguous();
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
