//! The receiving side: the queue of descriptors that arrived, its limits, and the two ways in
//! which it refuses to go on.
//!
//! - *Full* is back-pressure: nothing is read until the owner has drained the queue.
//! - *Failed* is final: descriptors were lost, or a peer overstepped its limit, so whoever reads on
//!   would take the next message's descriptors for those of this one.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind, IoSliceMut};
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use tokio::io::ReadBuf;

use crate::budget::{Account, Charge};
use crate::error::fd_error::FdError;
use crate::error::transfer_error::TransferError;
use crate::error::truncation::Truncation;
use crate::held_fds::{HeldFds, Holding};
use crate::socket::{MAX_SLICES, Socket};
use crate::space::Space;
use crate::sys::receive::Arrival;

/// What one receive brought; see [`recv_with_fds`](crate::AnchovyStream::recv_with_fds) and
/// [`recv`](crate::AnchovyStream::recv).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// Bytes at the start of the buffer; 0 is the end of the stream.
    pub bytes: usize,
    /// Descriptors that came with them: at the end of the buffer that was passed for them, or else at
    /// the back of the read queue.
    pub fds: usize,
    /// Why the kernel cut the set, where the owner of the side wants to go on; what came is closed.
    #[cfg(feature = "codec")]
    pub(crate) truncated: Option<Truncation>,
}

#[derive(Debug, Default)]
pub(crate) struct Receiver {
    pub(crate) queue: VecDeque<OwnedFd>,
    pub(crate) limits: ReceiveLimits,
    /// Why the side stays failed.
    pub(crate) failed: Option<FdError>,
    /// Whether a cut set is told, and closed, but does not fail the side: for the codec, which knows
    /// whose it was.
    #[cfg(feature = "codec")]
    pub(crate) survives_truncation: bool,
    /// What the side holds is charged to the account of the peer, if it has one.
    pub(crate) held: Option<Box<HeldFds>>,
    /// Descriptors that were taken off the queue and wait for their frames: they stay charged.
    pub(crate) waiting: usize,
    /// How many may wait, if room for all of them is needed before the first.
    pub(crate) reserve: usize,
}

/// What may arrive, and what may wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReceiveLimits {
    pub(crate) space: Space,
    /// The most descriptors in one message.
    pub(crate) fd_limit: usize,
    /// The most descriptors in the queue.
    pub(crate) queue_limit: usize,
}

impl Receiver {
    pub(crate) fn new(limits: ReceiveLimits) -> Receiver {
        Receiver { limits, ..Receiver::default() }
    }

    #[inline]
    pub(crate) fn poll_receive(
        &mut self,
        socket: &Socket,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<Received, TransferError>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(Received::default()));
        }
        self.admit()?;
        let mut arrival = Arrival::default();
        let Some(account) = socket.account() else {
            ready!(socket.poll_receive(cx, buf, &mut self.queue, &mut arrival))?;
            return Poll::Ready(self.advance(socket, &arrival, buf));
        };
        // Nothing is charged for a receive that would find nothing.
        ready!(socket.io().poll_read_ready(cx))?;
        ready!(self.poll_charge(account, cx));
        let Some(_receiving) = account.begin_receive() else {
            // It is over at once: only a receive on another thread can be in the way.
            cx.waker().wake_by_ref();
            self.settle_charge(0);
            return Poll::Pending;
        };
        let outcome = socket.poll_receive(cx, buf, &mut self.queue, &mut arrival);
        let received = outcome.map(|outcome| match outcome {
            Ok(()) => self.advance(socket, &arrival, buf),
            Err(error) => Err(error.into()),
        });
        let arrived = match &received {
            Poll::Ready(Ok(received)) => received.fds,
            _ => 0,
        };
        self.settle_charge(arrived);
        received
    }

    /// As [`poll_receive`](Self::poll_receive), with the descriptors to the end of `fds`.
    pub(crate) fn poll_receive_into(
        &mut self,
        socket: &Socket,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        fds: &mut Vec<OwnedFd>,
    ) -> Poll<Result<Received, TransferError>> {
        let received = ready!(self.poll_receive(socket, cx, buf))?;
        self.hand_over(received.fds, fds);
        Poll::Ready(Ok(received))
    }

    /// As [`poll_receive_into`](Self::poll_receive_into), or `WouldBlock`.
    pub(crate) fn try_receive_into(
        &mut self,
        socket: &Socket,
        buf: &mut ReadBuf<'_>,
        fds: &mut Vec<OwnedFd>,
    ) -> Result<Received, TransferError> {
        let received = self.try_receive(socket, buf)?;
        self.hand_over(received.fds, fds);
        Ok(received)
    }

    /// Moves the newest `count` descriptors of the queue to the caller, which owns them from now on.
    fn hand_over(&mut self, count: usize, fds: &mut Vec<OwnedFd>) {
        if count > 0 {
            fds.extend(self.queue.drain(self.queue.len() - count..));
            self.settle_charge(0);
        }
    }

    /// Moves the newest `count` descriptors of the queue to the caller, with what is charged for them.
    pub(crate) fn take_newest(
        &mut self,
        count: usize,
        fds: &mut VecDeque<OwnedFd>,
    ) -> Option<Charge> {
        fds.extend(self.queue.drain(self.queue.len() - count..));
        Some(self.held.as_mut()?.split_off(count))
    }

    fn advance(
        &mut self,
        socket: &Socket,
        arrival: &Arrival,
        buf: &mut ReadBuf<'_>,
    ) -> Result<Received, TransferError> {
        let received = self.accept(socket, arrival)?;
        buf.advance(received.bytes);
        Ok(received)
    }

    /// Charges room for what a receive may bring, or waits until the account has it.
    fn poll_charge(&mut self, account: &Account, cx: &mut Context<'_>) -> Poll<()> {
        let (holding, most) = (self.holding(0), self.limits.fd_limit);
        self.held.get_or_insert_with(|| HeldFds::new(account).into()).poll_room(cx, holding, most)
    }

    /// As [`poll_charge`](Self::poll_charge), or `WouldBlock`.
    fn try_charge(&mut self, socket: &Socket) -> io::Result<()> {
        let Some(account) = socket.account() else { return Ok(()) };
        let (holding, most) = (self.holding(0), self.limits.fd_limit);
        let held = self.held.get_or_insert_with(|| HeldFds::new(account).into());
        if held.try_room(holding, most) { Ok(()) } else { Err(ErrorKind::WouldBlock.into()) }
    }

    /// Returns the error of a set for which the account has no room, if it has none.
    fn over_budget(&self, count: usize) -> Option<FdError> {
        let before = Holding { queued: self.queue.len() - count, ..self.holding(0) };
        let available = self.held.as_ref()?.available(before);
        (count > available && count <= self.limits.fd_limit)
            .then_some(FdError::OverBudget { count, available })
    }

    /// Returns what is charged beyond what the side holds, of which the last `arrived` descriptors in
    /// the queue are about to wait for their frames.
    fn settle_charge(&mut self, arrived: usize) {
        let holding = self.holding(arrived);
        if let Some(held) = &mut self.held {
            held.release_unused(holding);
        }
    }

    fn holding(&self, arrived: usize) -> Holding {
        Holding {
            queued: self.queue.len() - arrived,
            waiting: self.waiting + arrived,
            reserve: self.reserve,
        }
    }

    /// Notes that so many descriptors wait for their frames now, and returns what is charged for
    /// more than them and their reserve.
    #[cfg(feature = "codec")]
    pub(crate) fn set_waiting(&mut self, count: usize) {
        self.waiting = count;
        self.settle_charge(0);
    }

    /// Notes that nothing waits for its frame any more, and returns what was charged for it.
    #[cfg(feature = "codec")]
    pub(crate) fn release_waiting(&mut self) {
        self.reserve = 0;
        self.set_waiting(0);
    }

    pub(crate) fn try_receive(
        &mut self,
        socket: &Socket,
        buf: &mut ReadBuf<'_>,
    ) -> Result<Received, TransferError> {
        if buf.remaining() == 0 {
            return Ok(Received::default());
        }
        self.admit()?;
        self.try_charge(socket)?;
        let mut arrival = Arrival::default();
        let received = match socket.try_receive(buf, &mut self.queue, &mut arrival) {
            Ok(()) => self.advance(socket, &arrival, buf),
            Err(error) => Err(error.into()),
        };
        self.settle_charge(0);
        received
    }

    pub(crate) fn try_receive_vectored(
        &mut self,
        socket: &Socket,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Result<Received, TransferError> {
        // The kernel refuses more slices than it takes, and a receive into no byte at all takes
        // the descriptors of the next message.
        let first = bufs.iter().position(|buf| !buf.is_empty()).unwrap_or(bufs.len());
        let bufs = &mut bufs[first..];
        let count = bufs.len().min(MAX_SLICES);
        if count == 0 {
            return Ok(Received::default());
        }
        self.admit()?;
        self.try_charge(socket)?;
        let mut arrival = Arrival::default();
        let bufs = &mut bufs[..count];
        let received = match socket.try_receive_vectored(bufs, &mut self.queue, &mut arrival) {
            Ok(()) => self.accept(socket, &arrival).map_err(TransferError::from),
            Err(error) => Err(error.into()),
        };
        self.settle_charge(0);
        received
    }

    /// Fails if the side has failed or the queue has no room for a full set.
    fn admit(&self) -> Result<(), FdError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        let (queued, fd_limit, limit) =
            (self.queue.len(), self.limits.fd_limit, self.limits.queue_limit);
        if queued + fd_limit > limit {
            return Err(FdError::ReadQueueFull { queued, fd_limit, limit });
        }
        Ok(())
    }

    /// The fields of this side, for the Debug of whoever has it.
    pub(crate) fn debug(&self, debug: &mut fmt::DebugStruct<'_, '_>) {
        debug
            .field("read_fd_limit", &self.limits.fd_limit)
            .field("read_queue", &self.queue)
            .field("read_queue_limit", &self.limits.queue_limit)
            .field("read_error", &self.failed);
    }

    /// Keeps what arrived, or closes it and fails for good.
    fn accept(&mut self, socket: &Socket, arrival: &Arrival) -> Result<Received, FdError> {
        let Arrival { bytes, fds, .. } = *arrival;
        if let Some(error) = self.over_budget(fds) {
            self.queue.truncate(self.queue.len() - fds);
            self.failed = Some(error);
            return Err(error);
        }
        if fds <= self.limits.fd_limit && !arrival.truncated && arrival.errno.is_none() {
            #[cfg(feature = "tracing")]
            tracing::trace!(bytes, fds, "received");
            return Ok(Received { bytes, fds, ..Received::default() });
        }

        let error = match arrival.errno {
            // The set is still open, and so its table full, if it was.
            None if arrival.truncated => {
                FdError::Truncated { received: fds, cause: socket.why_truncated() }
            }
            None => {
                let (limit, space) = (self.limits.fd_limit, self.limits.space.bytes);
                FdError::TooManyReceived { count: fds, limit, space }
            }
            Some(errno) => {
                FdError::Truncated { received: fds, cause: Truncation::from_errno(errno) }
            }
        };
        self.queue.truncate(self.queue.len() - fds);
        #[cfg(feature = "codec")]
        if let (FdError::Truncated { cause, .. }, true) = (error, self.survives_truncation) {
            #[cfg(feature = "tracing")]
            tracing::debug!(bytes, fds, %error, "received, but for a set that was cut");
            return Ok(Received { bytes, fds: 0, truncated: Some(cause) });
        }
        self.failed = Some(error);
        #[cfg(feature = "tracing")]
        tracing::debug!(bytes, fds, %error, "the read side failed");
        Err(error)
    }
}

impl ReceiveLimits {
    /// The limits that `S` of the stream allows.
    pub(crate) fn new(space: Space) -> ReceiveLimits {
        ReceiveLimits { space, fd_limit: space.fds, queue_limit: default_queue_limit(space.fds) }
    }

    /// Sets the most descriptors in one message, at most what `S` and the queue allow.
    pub(crate) fn with_fd_limit(self, limit: usize) -> Result<ReceiveLimits, FdError> {
        let Space { bytes: space, fds } = self.space;
        let most = fds.min(self.queue_limit);
        if limit > most {
            return Err(FdError::LimitOutOfRange { limit, least: 0, most, space });
        }
        Ok(ReceiveLimits { fd_limit: limit, ..self })
    }

    /// Sets the most descriptors in the queue, at least as many as in one message.
    pub(crate) fn with_queue_limit(self, limit: usize) -> Result<ReceiveLimits, FdError> {
        let (least, space) = (self.fd_limit, self.space.bytes);
        if limit < least {
            return Err(FdError::LimitOutOfRange { limit, least, most: usize::MAX, space });
        }
        Ok(ReceiveLimits { queue_limit: limit, ..self })
    }
}

/// The bound of the queue for descriptors that may have to wait: 1024, which is what libwayland keeps,
/// and room for the set that a receive may bring.
pub(crate) const fn default_queue_limit(fd_limit: usize) -> usize {
    1024 + fd_limit
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    //! What later kernels tell, in place of a flag.

    use super::*;
    use crate::limits::WAYLAND_SCM_RIGHTS;

    /// A set of three, one of which is an errno.
    fn accept(errno: i32) -> (Receiver, FdError) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
        let _runtime = runtime.as_ref().expect("a runtime").enter();
        let (near, _far) = std::os::unix::net::UnixStream::pair().expect("a pair");
        let socket = Socket::new(near.try_clone().expect("a duplicate")).expect("a socket");

        let mut receiver = Receiver::new(ReceiveLimits::new(Space::from_bytes(WAYLAND_SCM_RIGHTS)));
        let before = near.try_clone().expect("a duplicate").into();
        let came = [near.try_clone().expect("a duplicate").into(), near.into()];
        receiver.queue.push_back(before);
        receiver.queue.extend(came);
        let arrival = Arrival { bytes: 4, fds: 2, errno: Some(errno), ..Arrival::default() };
        let error = receiver.accept(&socket, &arrival).expect_err("a set was cut");
        (receiver, error)
    }

    #[test]
    fn an_errno_in_the_place_of_a_descriptor_fails_the_side_and_closes_the_set_only() {
        let (receiver, error) = accept(libc::EMFILE);
        let cause = Truncation::ProcessTableFull;
        assert_eq!(error, FdError::Truncated { received: 2, cause });
        assert_eq!((receiver.queue.len(), receiver.failed), (1, Some(error)));
    }

    #[test]
    fn an_errno_in_the_place_of_a_descriptor_is_the_cause() {
        for (errno, cause) in [
            (libc::ENFILE, Truncation::SystemTableFull),
            (libc::EACCES, Truncation::Errno(libc::EACCES)),
        ] {
            assert_eq!(accept(errno).1, FdError::Truncated { received: 2, cause });
        }
    }
}
