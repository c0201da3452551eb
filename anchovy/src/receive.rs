//! The receiving side: the queue of received descriptors and its limits.
//!
//! It can refuse to read in two ways:
//!
//! - *Full* is back-pressure: nothing is read until the caller has taken descriptors from the
//!   queue.
//! - *Failed* is final: descriptors were lost, or a peer exceeded a limit. If the caller could
//!   read on, it would assign the descriptors of later messages to earlier ones.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind, IoSliceMut};
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use tokio::io::ReadBuf;

use crate::budget::{Account, Charge, Receiving};
use crate::error::fd_error::FdError;
use crate::error::transfer_error::TransferError;
use crate::error::truncation::Truncation;
use crate::held_fds::{HeldFds, Holding};
use crate::sender_credentials::SenderCredentials;
use crate::socket::{MAX_SLICES, Socket, Source};
use crate::space::Space;
use crate::sys::receive::Arrival;

/// The result of one receive; see [`recv_with_fds`](crate::AnchovyStream::recv_with_fds) and
/// [`recv`](crate::AnchovyStream::recv).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// Number of bytes written to the start of the buffer. If it is 0 and the buffer is not empty,
    /// the peer has closed the connection or shut down its write side.
    pub bytes: usize,
    /// Number of descriptors received with the bytes. They are at the end of the vector that was
    /// passed to the method, or else at the back of the read queue.
    pub fds: usize,
    /// The process that sent the bytes, if
    /// [`StreamBuilder::sender_credentials`](crate::StreamBuilder::sender_credentials) is set and the
    /// bytes were sent after that. One receive never returns bytes of two processes.
    pub sender: Option<SenderCredentials>,
    /// The cause of a truncated receive, if `survives_truncation` is set. The delivered
    /// descriptors are closed.
    #[cfg(feature = "codec")]
    pub(crate) truncated: Option<Truncation>,
}

#[derive(Debug, Default)]
pub(crate) struct Receiver {
    pub(crate) queue: VecDeque<OwnedFd>,
    pub(crate) limits: ReceiveLimits,
    /// The error with which every later read fails.
    pub(crate) failed: Option<Box<FdError>>,
    /// Whether a truncated receive is reported but does not fail the side. Set by the codec, which
    /// can tell which messages are affected.
    #[cfg(feature = "codec")]
    pub(crate) survives_truncation: bool,
    /// The charge for the descriptors of this side, if the peer has an account.
    pub(crate) held: Option<Box<HeldFds>>,
    /// Number of descriptors that were taken from the queue and wait for their frames. They stay
    /// charged.
    pub(crate) waiting: usize,
    /// Maximum number of waiting descriptors, if room for all of them must be charged before the
    /// first one.
    pub(crate) reserve: usize,
}

/// Limits of the receiving side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReceiveLimits {
    pub(crate) space: Space,
    /// Maximum number of descriptors in one message.
    pub(crate) fd_limit: usize,
    /// Maximum number of descriptors in the queue.
    pub(crate) queue_limit: usize,
}

impl Receiver {
    #[inline]
    pub(crate) fn new(limits: ReceiveLimits) -> Receiver {
        Receiver { limits, ..Receiver::default() }
    }

    /// Waits until there is something to receive, and receives once. Advances `buf`, and appends
    /// descriptors to the queue.
    pub(crate) fn poll_receive(
        &mut self,
        source: Source<'_>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<Received, TransferError>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(Received::default()));
        }
        self.admit()?;
        let socket = source.socket();
        let receiving = match socket.account() {
            Some(account) => Some(ready!(self.poll_begin(socket, account, cx))?),
            None => None,
        };
        let mut arrival = Arrival::default();
        let received = match source.poll_receive(cx, buf, &mut self.queue, &mut arrival) {
            Poll::Ready(Ok(())) => Poll::Ready(self.advance(socket, &arrival, buf)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
            Poll::Pending => Poll::Pending,
        };
        if receiving.is_some() {
            let arrived = match &received {
                Poll::Ready(Ok(received)) => received.fds,
                _ => 0,
            };
            self.note_set(&arrival);
            self.update_charge(arrived);
        }
        received
    }

    /// Waits until there is something to receive, and the account has room for its descriptors.
    #[inline(never)]
    fn poll_begin<'a>(
        &mut self,
        socket: &Socket,
        account: &'a Account,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Receiving<'a>>> {
        // Nothing is charged while there is nothing to receive.
        ready!(socket.io().poll_read_ready(cx))?;
        ready!(self.poll_charge(account, cx));
        if let Some(receiving) = account.begin_receive() {
            return Poll::Ready(Ok(receiving));
        }
        // A receive on another thread uses the remaining room. It ends without waiting, so try
        // again.
        cx.waker().wake_by_ref();
        self.update_charge(0);
        Poll::Pending
    }

    /// Receives as [`poll_receive`](Self::poll_receive) does, and appends the descriptors to
    /// `fds`.
    pub(crate) fn poll_receive_into(
        &mut self,
        source: Source<'_>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        fds: &mut Vec<OwnedFd>,
    ) -> Poll<Result<Received, TransferError>> {
        let received = ready!(self.poll_receive(source, cx, buf))?;
        self.hand_over(received.fds, fds);
        Poll::Ready(Ok(received))
    }

    /// Receives as [`poll_receive_into`](Self::poll_receive_into) does, or returns `WouldBlock`.
    pub(crate) fn try_receive_into(
        &mut self,
        source: Source<'_>,
        buf: &mut ReadBuf<'_>,
        fds: &mut Vec<OwnedFd>,
    ) -> Result<Received, TransferError> {
        let received = self.try_receive(source, buf)?;
        self.hand_over(received.fds, fds);
        Ok(received)
    }

    /// Moves the newest `count` descriptors of the queue to the caller, which then owns them.
    fn hand_over(&mut self, count: usize, fds: &mut Vec<OwnedFd>) {
        if count > 0 {
            fds.extend(self.queue.drain(self.queue.len() - count..));
            self.update_charge(0);
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

    #[inline(always)]
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

    /// Charges descriptors to another account from now on; see [`HeldFds::move_to`].
    pub(crate) fn set_account(&mut self, account: &Account) {
        if let Some(held) = &mut self.held {
            held.move_to(account);
        }
    }

    /// Charges room for the descriptors of one receive, or waits until the account has it.
    fn poll_charge(&mut self, account: &Account, cx: &mut Context<'_>) -> Poll<()> {
        let (holding, most) = (self.holding(0), self.limits.fd_limit);
        self.held.get_or_insert_with(|| HeldFds::new(account).into()).poll_room(cx, holding, most)
    }

    /// Charges as [`poll_charge`](Self::poll_charge) does, or returns `WouldBlock`.
    fn try_charge(&mut self, socket: &Socket) -> io::Result<()> {
        let Some(account) = socket.account() else { return Ok(()) };
        let (holding, most) = (self.holding(0), self.limits.fd_limit);
        let held = self.held.get_or_insert_with(|| HeldFds::new(account).into());
        if held.try_room(holding, most) { Ok(()) } else { Err(ErrorKind::WouldBlock.into()) }
    }

    /// Records a received descriptor set, whether it was kept or not.
    fn note_set(&self, arrival: &Arrival) {
        if let Some(held) = &self.held {
            held.note_set(arrival.fds);
        }
    }

    /// Returns the error for a descriptor set that the account has no room for.
    fn over_budget(&self, count: usize) -> Option<FdError> {
        let before = Holding { queued: self.queue.len() - count, ..self.holding(0) };
        let available = self.held.as_ref()?.available(before);
        (count > available && count <= self.limits.fd_limit)
            .then_some(FdError::OverBudget { count, available })
    }

    /// Releases the unused part of the charge. The last `arrived` descriptors of the
    /// queue are about to wait for their frames.
    fn update_charge(&mut self, arrived: usize) {
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

    /// Records how many descriptors wait for their frames, and releases the unused part of the
    /// charge.
    #[cfg(feature = "codec")]
    pub(crate) fn set_waiting(&mut self, count: usize) {
        self.waiting = count;
        self.update_charge(0);
    }

    /// Records that no descriptor waits for its frame, and releases the charge for them.
    #[cfg(feature = "codec")]
    pub(crate) fn release_waiting(&mut self) {
        self.reserve = 0;
        self.set_waiting(0);
    }

    pub(crate) fn try_receive(
        &mut self,
        source: Source<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Result<Received, TransferError> {
        if buf.remaining() == 0 {
            return Ok(Received::default());
        }
        self.admit()?;
        self.try_charge(source.socket())?;
        let mut arrival = Arrival::default();
        let received = match source.try_receive(buf, &mut self.queue, &mut arrival) {
            Ok(()) => self.advance(source.socket(), &arrival, buf),
            Err(error) => Err(error.into()),
        };
        self.note_set(&arrival);
        self.update_charge(0);
        received
    }

    pub(crate) fn try_receive_vectored(
        &mut self,
        source: Source<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Result<Received, TransferError> {
        // The kernel refuses more slices than its maximum. A receive into zero bytes would take
        // the descriptors of the next message.
        let first = bufs.iter().position(|buf| !buf.is_empty()).unwrap_or(bufs.len());
        let bufs = &mut bufs[first..];
        let count = bufs.len().min(MAX_SLICES);
        if count == 0 {
            return Ok(Received::default());
        }
        self.admit()?;
        self.try_charge(source.socket())?;
        let mut arrival = Arrival::default();
        let bufs = &mut bufs[..count];
        let received = match source.try_receive_vectored(bufs, &mut self.queue, &mut arrival) {
            Ok(()) => self.accept(source.socket(), &arrival).map_err(TransferError::from),
            Err(error) => Err(error.into()),
        };
        self.note_set(&arrival);
        self.update_charge(0);
        received
    }

    /// Returns the error with which every later read fails, if there is one.
    pub(crate) fn failed(&self) -> Option<FdError> {
        self.failed.as_deref().copied()
    }

    /// Fails if the side has failed or the queue has no room for the descriptors of a message.
    fn admit(&self) -> Result<(), FdError> {
        if let Some(error) = self.failed() {
            return Err(error);
        }
        let (queued, fd_limit, limit) =
            (self.queue.len(), self.limits.fd_limit, self.limits.queue_limit);
        if queued + fd_limit > limit {
            return Err(FdError::ReadQueueFull { queued, fd_limit, limit });
        }
        Ok(())
    }

    /// Adds the fields of this side to the `Debug` output of its owner.
    pub(crate) fn debug(&self, debug: &mut fmt::DebugStruct<'_, '_>) {
        debug
            .field("read_fd_limit", &self.limits.fd_limit)
            .field("read_queue", &self.queue)
            .field("read_queue_limit", &self.limits.queue_limit)
            .field("read_error", &self.failed);
    }

    /// Keeps the received descriptors, or closes them and fails the side.
    #[inline(always)]
    fn accept(&mut self, socket: &Socket, arrival: &Arrival) -> Result<Received, FdError> {
        let Arrival { bytes, fds, sender, .. } = *arrival;
        let is_whole = !arrival.truncated && arrival.errno.is_none();
        // Nothing limits bytes without descriptors.
        if is_whole && (fds == 0 || self.may_keep(fds)) {
            #[cfg(feature = "tracing")]
            tracing::trace!(bytes, fds, "received");
            return Ok(Received { bytes, fds, sender, ..Received::default() });
        }
        self.refuse(socket, arrival)
    }

    /// Returns whether a complete set of `count` descriptors is within all limits.
    fn may_keep(&self, count: usize) -> bool {
        count <= self.limits.fd_limit && self.over_budget(count).is_none()
    }

    /// Closes the received descriptors and fails the side.
    #[cold]
    fn refuse(&mut self, socket: &Socket, arrival: &Arrival) -> Result<Received, FdError> {
        let Arrival { bytes, fds, .. } = *arrival;
        if let Some(error) = self.over_budget(fds) {
            return Err(self.fail(bytes, fds, error));
        }
        let error = match arrival.errno {
            // The delivered descriptors are still open, so a table that was full still is.
            None if arrival.truncated => {
                FdError::Truncated { received: fds, cause: socket.why_truncated() }
            }
            None => {
                let (limit, space) = (self.limits.fd_limit, self.limits.space.bytes());
                FdError::TooManyReceived { count: fds, limit, space }
            }
            Some(errno) => {
                FdError::Truncated { received: fds, cause: Truncation::from_errno(errno) }
            }
        };
        #[cfg(feature = "codec")]
        if let (FdError::Truncated { cause, .. }, true) = (error, self.survives_truncation) {
            self.queue.truncate(self.queue.len() - fds);
            #[cfg(feature = "tracing")]
            tracing::debug!(bytes, fds, %error, "received, without a truncated descriptor set");
            let sender = arrival.sender;
            return Ok(Received { bytes, fds: 0, sender, truncated: Some(cause) });
        }
        Err(self.fail(bytes, fds, error))
    }

    /// Closes the descriptors that have just been received and fails the side.
    fn fail(&mut self, _bytes: usize, fds: usize, error: FdError) -> FdError {
        self.queue.truncate(self.queue.len() - fds);
        self.failed = Some(Box::new(error));
        #[cfg(feature = "tracing")]
        tracing::debug!(bytes = _bytes, fds, %error, "the read side failed");
        error
    }
}

impl ReceiveLimits {
    /// Returns the default limits for `S`.
    pub(crate) fn new(space: Space) -> ReceiveLimits {
        ReceiveLimits {
            space,
            fd_limit: space.fds(),
            queue_limit: default_queue_limit(space.fds()),
        }
    }

    /// Sets the maximum number of descriptors in one message. `S` and the queue limit it.
    pub(crate) fn with_fd_limit(self, limit: usize) -> Result<ReceiveLimits, FdError> {
        let space = self.space.bytes();
        let most = self.space.fds().min(self.queue_limit);
        if limit > most {
            return Err(FdError::LimitOutOfRange { limit, least: 0, most, space });
        }
        Ok(ReceiveLimits { fd_limit: limit, ..self })
    }

    /// Sets the maximum number of descriptors in the queue, at least the number for one message.
    pub(crate) fn with_queue_limit(self, limit: usize) -> Result<ReceiveLimits, FdError> {
        let (least, space) = (self.fd_limit, self.space.bytes());
        if limit < least {
            return Err(FdError::LimitOutOfRange { limit, least, most: usize::MAX, space });
        }
        Ok(ReceiveLimits { queue_limit: limit, ..self })
    }
}

/// The default limit of a queue: 1024, as in libwayland, and the descriptors of one receive.
pub(crate) const fn default_queue_limit(fd_limit: usize) -> usize {
    1024 + fd_limit
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    //! Tests of kernels that deliver an errno instead of setting a flag.

    use super::*;
    use crate::limits::WAYLAND_SCM_RIGHTS;

    /// Accepts a descriptor set of three, one of which is an errno.
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
        let mut arrival = Arrival::default();
        (arrival.bytes, arrival.fds, arrival.errno) = (4, 2, Some(errno));
        let error = receiver.accept(&socket, &arrival).expect_err("a set was cut");
        (receiver, error)
    }

    #[test]
    fn an_errno_instead_of_a_descriptor_fails_the_side_and_closes_its_set() {
        let (receiver, error) = accept(libc::EMFILE);
        let cause = Truncation::ProcessTableFull;
        assert_eq!(error, FdError::Truncated { received: 2, cause });
        assert_eq!((receiver.queue.len(), receiver.failed()), (1, Some(error)));
    }

    #[test]
    fn an_errno_instead_of_a_descriptor_is_the_cause() {
        for (errno, cause) in [
            (libc::ENFILE, Truncation::SystemTableFull),
            (libc::EACCES, Truncation::Errno(libc::EACCES)),
        ] {
            assert_eq!(accept(errno).1, FdError::Truncated { received: 2, cause });
        }
    }
}
