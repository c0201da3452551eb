//! The sending side of a framed stream, over the sending side of a stream.

use std::io::IoSlice;
use std::task::{Context, Poll, ready};

use super::encoder::Encoder;
use super::memory::KEPT;
use super::outbound::Outbound;
use super::policy::WritePolicy;
use super::send_error::{SendError, SendErrorKind};
use crate::error::fd_error::FdError;
use crate::error::transfer_error::TransferError;
use crate::send::Sender;
use crate::socket::Socket;

/// Slices for one call; frames are few and payloads fewer.
const SLICES: usize = 64;

/// Returns the error of a flush, which returns no frame.
pub(crate) fn flush_error<T, E>(error: TransferError) -> SendError<T, SendErrorKind<E>> {
    SendError { unsent: None, kind: error.into() }
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
        frame: I,
        sender: &Sender,
    ) -> Result<(), SendError<I, SendErrorKind<E::Error>>> {
        self.outbound.push(encoder, frame, |count| sender.limits.check(count))
    }

    pub(crate) fn poll_flush(
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
        self.outbound.release_memory(KEPT);
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
