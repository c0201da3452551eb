//! The stream, which carries the bytes of an RPC library.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Handle;

use super::carrier;
use super::exchange_error::ExchangeError;
use super::expiry::expire;
use super::handle::Exchange;
use super::incoming::End;
use super::shared::Shared;
use crate::error::transfer_error::TransferError;
use crate::limits::DBUS_SCM_RIGHTS;
use crate::socket::{MAX_SLICES, Source};
use crate::stream::anchovy_stream::AnchovyStream;

/// A stream of bytes for an RPC library. An [`Exchange`] passes descriptors together with these bytes.
///
/// It is [`AsyncRead`], [`AsyncWrite`] (vectored too), [`Unpin`] and [`Send`]. [`new`](super::new) and
/// [`ExchangeBuilder::build`](super::ExchangeBuilder::build) turn an [`AnchovyStream`] into it.
///
/// Dropping the stream closes descriptors that were not sent, and ends all calls of
/// [`receive`](Exchange::receive) that wait ([`ReceiveError::Closed`](super::ReceiveError::Closed)).
/// Descriptors that have arrived can still be taken.
pub struct ExchangeStream<const S: usize = DBUS_SCM_RIGHTS> {
    /// Its write queue holds the descriptors to send first. Its read queue is empty between reads.
    stream: AnchovyStream<S>,
    shared: Arc<Shared>,
    carrier: Carrier,
    /// Whether the carrier of the peer has arrived.
    knows_peer: bool,
    failed: Option<ExchangeError>,
    /// Runs the task that closes expired descriptors. A read can be polled outside of the runtime.
    runtime: Handle,
    /// Memory that is used within one read only.
    arriving: VecDeque<OwnedFd>,
    wakers: Vec<Waker>,
}

/// The descriptor that tells the peer the number of this direction.
#[derive(Debug)]
enum Carrier {
    /// It is sent with the next byte, unless the kernel refuses descriptors.
    Next(OwnedFd),
    /// The kernel refused it with the first byte. It is sent together with the first descriptor.
    Postponed(OwnedFd),
    /// It is the first one in the write queue.
    Queued,
    Sent,
}

impl<const S: usize> ExchangeStream<S> {
    /// Turns a checked stream into an exchange. The descriptors in its read queue have arrived first.
    pub(super) fn assemble(
        stream: AnchovyStream<S>,
        shared: Arc<Shared>,
        carrier: OwnedFd,
        runtime: Handle,
    ) -> Result<Self, ExchangeError> {
        let mut this = ExchangeStream {
            stream,
            shared,
            carrier: Carrier::Next(carrier),
            knows_peer: false,
            failed: None,
            runtime,
            arriving: VecDeque::new(),
            wakers: Vec::new(),
        };
        let count = this.stream.read_queue().len();
        if count > 0 {
            this.arrive(count)?;
        }
        Ok(this)
    }

    /// Returns a handle to the descriptors of this stream.
    pub fn handle(&self) -> Exchange {
        Exchange::new(Arc::clone(&self.shared))
    }

    /// Returns the stream, for example to call [`peer_cred`](AnchovyStream::peer_cred).
    pub fn get_ref(&self) -> &AnchovyStream<S> {
        &self.stream
    }

    /// Moves `count` descriptors from the read queue to where handles take them.
    fn arrive(&mut self, count: usize) -> Result<(), ExchangeError> {
        let mut charge = self.stream.receiver.take_newest(count, &mut self.arriving);
        if !self.knows_peer {
            let carrier = self.arriving.pop_front().expect("at least one descriptor");
            let Some(nonce) = carrier::read(&carrier) else {
                drop(carrier);
                self.arriving.clear();
                return Err(self.fail(ExchangeError::NotAnExchange { count }));
            };
            drop(carrier);
            drop(charge.as_mut().map(|charge| charge.split_off(1)));
            self.knows_peer = true;
            self.shared.set_peer(nonce, &mut self.wakers);
            if self.arriving.is_empty() {
                return Ok(());
            }
        }
        match self.shared.arrive(&mut self.arriving, charge, &mut self.wakers) {
            Ok(expiry) => {
                if let Some(first) = expiry {
                    let task = self.runtime.spawn(expire(Arc::downgrade(&self.shared), first));
                    self.shared.set_expiry(task.abort_handle());
                }
                Ok(())
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    /// Fails the read side permanently.
    fn fail(&mut self, error: ExchangeError) -> ExchangeError {
        self.failed = Some(error);
        self.shared.end(End::Failed(error), &mut self.wakers);
        #[cfg(feature = "tracing")]
        tracing::debug!(%error, "the read side of an exchange failed");
        error
    }

    fn poll_receive(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<Result<(), TransferError>> {
        let (room, filled) = (buf.remaining(), buf.filled().len());
        let AnchovyStream { socket, receiver, .. } = &mut self.stream;
        let received = match ready!(receiver.poll_receive(Source::exclusive(socket), cx, buf)) {
            Ok(received) => received,
            Err(error) => {
                if let Some(failed) = receiver.failed() {
                    self.fail(ExchangeError::Stream(failed));
                }
                return Poll::Ready(Err(error));
            }
        };
        if received.fds > 0 {
            if let Err(error) = self.arrive(received.fds) {
                buf.set_filled(filled);
                return Poll::Ready(Err(io::Error::from(error).into()));
            }
        } else if received.bytes == 0 && room > 0 {
            self.shared.end(End::Eof, &mut self.wakers);
        }
        Poll::Ready(Ok(()))
    }

    /// Writes bytes while a descriptor or the carrier waits to be sent. It is not inlined, so that writes of
    /// bytes alone stay short.
    #[inline(never)]
    fn poll_write_fds(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize, TransferError>> {
        // The buffers that the stream writes with one system call.
        let bufs = &bufs[bufs.iter().position(|buf| !buf.is_empty()).unwrap_or(bufs.len())..];
        let bufs = &bufs[..bufs.len().min(MAX_SLICES)];
        let bytes = bufs.iter().fold(0, |sum: usize, buf| sum.saturating_add(buf.len()));
        if bytes == 0 {
            return Poll::Ready(Ok(0));
        }
        if self.shared.pending() == 0 {
            return self.poll_write_carrier(cx, bufs);
        }

        let sender = &mut self.stream.sender;
        self.carrier.queue(&mut sender.queue);
        // Each byte carries one full set. The stream refuses a longer queue.
        let most = bytes.saturating_mul(sender.limits.fd_limit);
        self.shared.take_queued(most.saturating_sub(sender.queue.len()), &mut sender.queue);
        let before = sender.queue.len().min(most);
        let mut rest = sender.queue.split_off(before);
        let written = sender.poll_write(&self.stream.socket, cx, bufs);
        let sent = before - sender.queue.len();
        sender.queue.append(&mut rest);
        if sent > 0 {
            let carriers = usize::from(matches!(self.carrier, Carrier::Queued));
            self.carrier = Carrier::Sent;
            self.shared.sent(sent - carriers);
        }
        written
    }

    /// Writes bytes with the carrier. If the kernel refuses the carrier, writes the bytes alone, because a
    /// peer that accepts no descriptors must still receive bytes.
    fn poll_write_carrier(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<Result<usize, TransferError>> {
        let AnchovyStream { socket, sender, .. } = &mut self.stream;
        ready!(socket.io().poll_write_ready(cx))?;
        if let Carrier::Next(_) = self.carrier {
            self.carrier.queue(&mut sender.queue);
            let written = sender.try_write(socket, bufs);
            if written.is_ok() {
                self.carrier = Carrier::Sent;
                return Poll::Ready(written);
            }
            self.carrier = Carrier::Next(sender.queue.pop_front().expect("it was not sent"));
        }
        let written = ready!(sender.poll_write(socket, cx, bufs));
        self.carrier.postpone();
        Poll::Ready(written)
    }
}

impl Carrier {
    /// Returns whether bytes alone can be written without the carrier.
    #[inline]
    fn is_settled(&self) -> bool {
        matches!(self, Carrier::Sent | Carrier::Postponed(_))
    }

    /// Puts the carrier at the front of the queue, unless it was queued or sent before.
    fn queue(&mut self, queue: &mut VecDeque<OwnedFd>) {
        match std::mem::replace(self, Carrier::Queued) {
            Carrier::Next(carrier) | Carrier::Postponed(carrier) => queue.push_front(carrier),
            state => *self = state,
        }
    }

    /// Postpones the carrier to the write with the first descriptor.
    fn postpone(&mut self) {
        match std::mem::replace(self, Carrier::Sent) {
            Carrier::Next(carrier) => *self = Carrier::Postponed(carrier),
            state => *self = state,
        }
    }
}

/// Descriptors that come with a read are kept for [`Exchange::receive`].
///
/// # Errors
///
/// A read returns the errors of [`AnchovyStream::recv`], or an [`io::Error`] that contains an
/// [`ExchangeError`]. [`ExchangeError::from_io_error`] returns the contained error.
impl<const S: usize> AsyncRead for ExchangeStream<S> {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(error) = this.failed {
            return Poll::Ready(Err(error.into()));
        }
        this.poll_receive(cx, buf).map_err(io::Error::from)
    }
}

/// Descriptors that were passed to [`Exchange::send`] are sent with the next byte.
///
/// A shutdown closes descriptors that were not sent, and [`Exchange::send`] fails from then on.
///
/// # Errors
///
/// A write returns an error of the socket. If descriptors are queued, it can also return
/// [`FdError::RefusedByPeer`](crate::FdError::RefusedByPeer) or
/// [`FdError::TooManyInFlight`](crate::FdError::TooManyInFlight). In both cases nothing was sent, and
/// the write can be repeated. But RPC libraries do not repeat a failed write; they close the connection. To
/// avoid `TooManyInFlight`, set an [account](AnchovyStream::set_account): writes then wait until the peer has
/// read earlier descriptors.
impl<const S: usize> AsyncWrite for ExchangeStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = if this.carrier.is_settled() && this.shared.pending() == 0 {
            this.stream.sender.poll_write(&this.stream.socket, cx, bufs)
        } else {
            this.poll_write_fds(cx, bufs)
        };
        written.map_err(io::Error::from)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.shared.close();
        let AnchovyStream { socket, sender, .. } = &mut this.stream;
        sender.queue.clear();
        Poll::Ready(Ok(sender.shutdown(socket)?))
    }
}

/// Borrows the socket, for example to set options. Reads and writes on it bypass the exchange; see
/// the `AsFd` implementation of [`AnchovyStream`].
impl<const S: usize> AsFd for ExchangeStream<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl<const S: usize> fmt::Debug for ExchangeStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExchangeStream")
            .field("stream", &self.stream)
            .field("exchange", &self.handle())
            .field("read_error", &self.failed)
            .finish()
    }
}

impl<const S: usize> Drop for ExchangeStream<S> {
    fn drop(&mut self) {
        self.shared.close();
        self.shared.end(End::Dropped, &mut self.wakers);
    }
}
