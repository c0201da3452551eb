//! The sending side: the queue of descriptors that are sent with the next byte, and its limit.
//!
//! Invalid sends are refused before a system call. Descriptors are closed on this side only after
//! the kernel has accepted them, so those that it refuses stay in the queue.
//!
//! With `spread_fds`, a large queue is sent in several messages, and each of the first bytes of a
//! write carries a full descriptor set. The first message waits until the socket has room, as
//! every write does. The others are sent only if they do not have to wait. The write then returns
//! the number of bytes sent, and the rest of the queue is sent with the next write.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::task::{Context, Poll, ready};

use crate::error::fd_error::FdError;
use crate::error::transfer_error::TransferError;
use crate::socket::{MAX_SLICES, Socket};
use crate::space::Space;

#[derive(Debug, Default)]
pub(crate) struct Sender {
    pub(crate) queue: VecDeque<OwnedFd>,
    pub(crate) limits: SendLimits,
}

/// Limits of the sending side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SendLimits {
    pub(crate) space: Space,
    /// Maximum number of descriptors in one write, or in each of its messages with `spread_fds`.
    pub(crate) fd_limit: usize,
    /// Whether a queue that exceeds the limit is sent in several messages.
    pub(crate) spread_fds: bool,
}

impl Sender {
    #[inline]
    pub(crate) fn new(limits: SendLimits) -> Sender {
        Sender { limits, ..Sender::default() }
    }

    /// Writes the bytes of one buffer. The queue is sent with the first byte.
    pub(crate) fn poll_write_buf(
        &mut self,
        socket: &Socket,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if buf.is_empty() || !self.queue.is_empty() {
            return self.poll_write(socket, cx, &[IoSlice::new(buf)]).map_err(io::Error::from);
        }
        Poll::Ready(traced(ready!(socket.poll_send_buf(cx, buf)), 0))
    }

    /// Writes bytes. The queue is sent with the first byte.
    #[inline]
    pub(crate) fn poll_write(
        &mut self,
        socket: &Socket,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize, TransferError>> {
        let slices = sendable(slices);
        if slices.is_empty() {
            return Poll::Ready(Ok(0));
        }
        // The usual write has no descriptors. This path avoids the code for them.
        if self.queue.is_empty() {
            let sent = ready!(socket.poll_send_bytes(cx, slices));
            return Poll::Ready(traced(sent.map_err(TransferError::from), 0));
        }
        self.poll_write_queue(socket, cx, slices)
    }

    /// Writes as [`poll_write`](Self::poll_write) does, with descriptors in the queue. It is not
    /// inlined so that writes without descriptors stay short.
    #[inline(never)]
    fn poll_write_queue(
        &mut self,
        socket: &Socket,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize, TransferError>> {
        if self.is_spread() {
            return self.poll_spread(socket, cx, slices);
        }
        self.limits.check(self.queue.len())?;
        ready!(socket.poll_admit_fds(cx, self.queue.len()))?;
        let sent = socket.poll_send(cx, slices, self.queue.iter().map(AsFd::as_fd));
        let sent = ready!(admitted(socket, self.queue.len(), sent));
        Poll::Ready(self.written(sent, self.queue.len()))
    }

    /// Writes as [`poll_write`](Self::poll_write) does, or returns `WouldBlock`.
    pub(crate) fn try_write(
        &mut self,
        socket: &Socket,
        slices: &[IoSlice<'_>],
    ) -> Result<usize, TransferError> {
        let slices = sendable(slices);
        if slices.is_empty() {
            return Ok(0);
        }
        if self.is_spread() {
            self.check_spread(slices)?;
            return self.try_spread(socket, slices, 0);
        }
        self.limits.check(self.queue.len())?;
        let count = self.queue.len();
        if count > 0 {
            socket.try_admit_fds(count)?;
        }
        let sent = socket.try_send(slices, self.queue.iter().map(AsFd::as_fd));
        let sent = retracted(socket, count, sent);
        self.written(sent, count)
    }

    /// Returns whether the queue has to be sent in several messages, and `spread_fds` is set.
    fn is_spread(&self) -> bool {
        self.limits.spread_fds && self.queue.len() > self.limits.fd_limit
    }

    /// Fails if there are fewer bytes than messages needed for the queue.
    fn check_spread(&self, slices: &[IoSlice<'_>]) -> Result<(), FdError> {
        let (count, fd_limit) = (self.queue.len(), self.limits.fd_limit);
        if fd_limit == 0 {
            return self.limits.check(count);
        }
        let bytes = slices.iter().fold(0, |sum: usize, slice| sum.saturating_add(slice.len()));
        match count.saturating_sub(bytes.saturating_mul(fd_limit)) {
            0 => Ok(()),
            count => Err(FdError::FdsWithoutBytes { count }),
        }
    }

    /// Writes bytes. Each of the first bytes carries a full descriptor set, and the remaining
    /// bytes carry the rest of the queue.
    fn poll_spread(
        &mut self,
        socket: &Socket,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize, TransferError>> {
        self.check_spread(slices)?;
        let count = self.limits.fd_limit;
        ready!(socket.poll_admit_fds(cx, count))?;
        let first = [IoSlice::new(&slices[0][..1])];
        let sent = socket.poll_send(cx, &first, self.queue.iter().take(count).map(AsFd::as_fd));
        let sent = ready!(admitted(socket, count, sent));
        let sent = self.written(sent, count)?;
        Poll::Ready(self.try_spread(socket, slices, sent))
    }

    /// Continues [`poll_spread`](Self::poll_spread) after `sent` bytes, as far as possible without
    /// waiting.
    ///
    /// If a message fails after others were sent, returns the number of bytes sent. The next write
    /// returns the error.
    fn try_spread(
        &mut self,
        socket: &Socket,
        slices: &[IoSlice<'_>],
        mut sent: usize,
    ) -> Result<usize, TransferError> {
        while !self.queue.is_empty() {
            let count = self.queue.len().min(self.limits.fd_limit);
            let is_last = count == self.queue.len();
            let bytes = bytes_after(slices, sent);
            let bytes = if is_last { bytes } else { &bytes[..1] };
            match self.try_write_set(socket, bytes, count) {
                Ok(count) => sent += count,
                Err(error) if sent == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(sent)
    }

    /// Writes bytes with the first `count` descriptors of the queue, or returns `WouldBlock`.
    fn try_write_set(
        &mut self,
        socket: &Socket,
        bytes: &[u8],
        count: usize,
    ) -> Result<usize, TransferError> {
        socket.try_admit_fds(count)?;
        let fds = self.queue.iter().take(count).map(AsFd::as_fd);
        let sent = retracted(socket, count, socket.try_send(&[IoSlice::new(bytes)], fds));
        self.written(sent, count)
    }

    /// Sends bytes with borrowed descriptors.
    pub(crate) fn poll_send<F: AsFd>(
        &mut self,
        socket: &Socket,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        fds: &[F],
    ) -> Poll<Result<usize, TransferError>> {
        self.poll_send_set(socket, cx, slices, fds.iter().map(AsFd::as_fd))
    }

    /// As [`poll_send`](Self::poll_send), with descriptors that are counted first.
    #[cfg(feature = "codec")]
    pub(crate) fn poll_send_borrowed<'fd>(
        &mut self,
        socket: &Socket,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        fds: impl Iterator<Item = BorrowedFd<'fd>> + Clone,
    ) -> Poll<Result<usize, TransferError>> {
        let left = fds.clone().count();
        self.poll_send_set(socket, cx, slices, Counted { fds, left })
    }

    #[inline]
    fn poll_send_set<'fd>(
        &mut self,
        socket: &Socket,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        fds: impl ExactSizeIterator<Item = BorrowedFd<'fd>> + Clone,
    ) -> Poll<Result<usize, TransferError>> {
        let slices = sendable(slices);
        let count = fds.len();
        self.check_send(slices, count)?;
        if slices.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if count == 0 {
            let sent = ready!(socket.poll_send_bytes(cx, slices));
            return Poll::Ready(traced(sent.map_err(TransferError::from), 0));
        }
        ready!(socket.poll_admit_fds(cx, count))?;
        let sent = socket.poll_send(cx, slices, fds);
        let sent = ready!(admitted(socket, count, sent));
        Poll::Ready(traced(sent, count))
    }

    /// Sends as [`poll_send`](Self::poll_send) does, or returns `WouldBlock`.
    pub(crate) fn try_send<F: AsFd>(
        &mut self,
        socket: &Socket,
        slices: &[IoSlice<'_>],
        fds: &[F],
    ) -> Result<usize, TransferError> {
        let slices = sendable(slices);
        self.check_send(slices, fds.len())?;
        if slices.is_empty() {
            return Ok(0);
        }
        if !fds.is_empty() {
            socket.try_admit_fds(fds.len())?;
        }
        let sent = socket.try_send(slices, fds.iter().map(AsFd::as_fd));
        traced(retracted(socket, fds.len(), sent), fds.len())
    }

    /// Shuts down the write side. Fails if the queue is not empty, because it could not be sent
    /// afterwards.
    pub(crate) fn shutdown(&mut self, socket: &Socket) -> Result<(), TransferError> {
        match self.queue.len() {
            0 => Ok(socket.shutdown_write()?),
            count => Err(FdError::FdsWithoutBytes { count }.into()),
        }
    }

    /// Adds the fields of this side to the `Debug` output of its owner.
    pub(crate) fn debug(&self, debug: &mut fmt::DebugStruct<'_, '_>) {
        debug
            .field("write_fd_limit", &self.limits.fd_limit)
            .field("spread_fds", &self.limits.spread_fds)
            .field("write_queue", &self.queue);
    }

    /// Closes the first `count` descriptors of the queue on this side if they were sent.
    fn written(
        &mut self,
        sent: Result<usize, TransferError>,
        count: usize,
    ) -> Result<usize, TransferError> {
        let sent = traced(sent, count);
        if sent.is_ok() {
            if count == self.queue.len() {
                self.queue.clear(); // Cheaper than a drain.
            } else {
                self.queue.drain(..count);
            }
        }
        sent
    }

    fn check_send(&self, slices: &[IoSlice<'_>], count: usize) -> Result<(), FdError> {
        if slices.is_empty() && count > 0 {
            self.check_queue()?;
            return Err(FdError::FdsWithoutBytes { count });
        }
        self.check_borrowed(count)
    }

    /// Refuses borrowed descriptors that exceed the limit, or that would be sent with those of the queue.
    pub(crate) fn check_borrowed(&self, count: usize) -> Result<(), FdError> {
        self.check_queue()?;
        self.limits.check(count)
    }

    fn check_queue(&self) -> Result<(), FdError> {
        match self.queue.len() {
            0 => Ok(()),
            queued => Err(FdError::WriteQueueNotEmpty { queued }),
        }
    }
}

impl SendLimits {
    /// Returns the default limits for `S`.
    pub(crate) fn new(space: Space) -> SendLimits {
        SendLimits { space, fd_limit: space.fds(), spread_fds: false }
    }

    /// Sets the maximum number of descriptors in one write. `S` limits it.
    pub(crate) fn with_fd_limit(self, limit: usize) -> Result<SendLimits, FdError> {
        let (space, most) = (self.space.bytes(), self.space.fds());
        if limit > most {
            return Err(FdError::LimitOutOfRange { limit, least: 0, most, space });
        }
        Ok(SendLimits { fd_limit: limit, ..self })
    }

    pub(crate) fn check(self, count: usize) -> Result<(), FdError> {
        let (limit, space) = (self.fd_limit, self.space.bytes());
        if count > limit {
            return Err(FdError::TooManyToSend { count, limit, space });
        }
        Ok(())
    }
}

/// An iterator that knows how many descriptors are left.
#[cfg(feature = "codec")]
#[derive(Clone)]
struct Counted<I> {
    fds: I,
    left: usize,
}

#[cfg(feature = "codec")]
impl<I: Iterator> Iterator for Counted<I> {
    type Item = I::Item;

    #[inline]
    fn next(&mut self) -> Option<I::Item> {
        self.left = self.left.checked_sub(1)?;
        self.fds.next()
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

#[cfg(feature = "codec")]
impl<I: Iterator> ExactSizeIterator for Counted<I> {}

/// Releases the charge of descriptors that were admitted and not sent.
fn admitted(
    socket: &Socket,
    count: usize,
    sent: Poll<Result<usize, TransferError>>,
) -> Poll<Result<usize, TransferError>> {
    if !matches!(sent, Poll::Ready(Ok(_))) {
        socket.retract_fds(count);
    }
    sent
}

fn retracted(
    socket: &Socket,
    count: usize,
    sent: Result<usize, TransferError>,
) -> Result<usize, TransferError> {
    if count > 0 && sent.is_err() {
        socket.retract_fds(count);
    }
    sent
}

/// Returns the slices that one system call accepts, from the first one that is not empty.
///
/// If all slices were empty, the kernel would drop the descriptors and report success.
fn sendable<'a, 'b>(slices: &'a [IoSlice<'b>]) -> &'a [IoSlice<'b>] {
    let first = slices.iter().position(|slice| !slice.is_empty()).unwrap_or(slices.len());
    let slices = &slices[first..];
    &slices[..slices.len().min(MAX_SLICES)]
}

/// Returns the part of a slice that begins `count` bytes after the start of all slices. There must
/// be more than `count` bytes.
fn bytes_after<'a>(slices: &'a [IoSlice<'_>], mut count: usize) -> &'a [u8] {
    let slice = slices.iter().find(|slice| match count.checked_sub(slice.len()) {
        Some(rest) => {
            count = rest;
            false
        }
        None => true,
    });
    &slice.expect("every set has a byte")[count..]
}

fn traced<E>(sent: Result<usize, E>, _fds: usize) -> Result<usize, E> {
    #[cfg(feature = "tracing")]
    if let &Ok(bytes) = &sent {
        tracing::trace!(bytes, fds = _fds, "sent");
    }
    sent
}
