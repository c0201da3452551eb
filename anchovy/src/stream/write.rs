//! Methods of a stream that send.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

use super::anchovy_stream::AnchovyStream;
use crate::error::fd_error::FdError;

impl<const S: usize> AnchovyStream<S> {
    /// Returns the write queue: the descriptors to send with the first byte of the next write.
    pub fn write_queue(&self) -> &VecDeque<OwnedFd> {
        &self.sender.queue
    }

    /// Returns the write queue mutably, to add descriptors to it.
    ///
    /// The next write sends the whole queue in one message. It fails if the queue has more than
    /// [`write_fd_limit`](Self::write_fd_limit) descriptors. A stream with
    /// [`spread_fds`](crate::StreamBuilder::spread_fds) sends such a queue in several messages.
    pub fn write_queue_mut(&mut self) -> &mut VecDeque<OwnedFd> {
        &mut self.sender.queue
    }

    /// Sends bytes and borrowed descriptors once, with one `sendmsg`.
    ///
    /// Returns the number of bytes sent, which may be less than the length of `buf`. All
    /// descriptors were sent if and only if the result is `Ok`. Send the remaining bytes without
    /// descriptors.
    ///
    /// If `buf`, `fds` and the write queue are empty, returns 0 and sends nothing. To send
    /// descriptors of several types, pass [`BorrowedFd`](std::os::fd::BorrowedFd)s.
    ///
    /// # Errors
    ///
    /// Returns an error of the socket, or one of the following variants of
    /// [`FdError`](crate::FdError). In each case nothing was sent.
    ///
    /// - [`WriteQueueNotEmpty`](crate::FdError::WriteQueueNotEmpty) if the write queue has
    ///   descriptors, even if `buf` or `fds` is empty.
    /// - [`FdsWithoutBytes`](crate::FdError::FdsWithoutBytes) if `buf` is empty and `fds` is not.
    /// - [`TooManyToSend`](crate::FdError::TooManyToSend) if `fds` has more than
    ///   [`write_fd_limit`](Self::write_fd_limit) descriptors.
    /// - [`RefusedByPeer`](crate::FdError::RefusedByPeer) if the kernel refuses descriptors for
    ///   this peer.
    /// - [`TooManyInFlight`](crate::FdError::TooManyInFlight) if too many descriptors were sent and
    ///   not received yet, or `fds` has more descriptors than the [account](Self::set_account) could
    ///   ever have room for.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, neither bytes nor descriptors were
    /// sent.
    ///
    /// # Examples
    ///
    /// ```
    /// # use anchovy::UnixStream;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// use std::os::fd::AsFd;
    ///
    /// use tokio::io::AsyncWriteExt;
    ///
    /// let (mut stream, _peer) = UnixStream::pair()?;
    /// let file = std::fs::File::open("/dev/null")?;
    /// let tcp = std::net::TcpListener::bind("127.0.0.1:0")?;
    ///
    /// let message = b"a message that may be long";
    /// let sent = stream.send_with_fds(message, &[file.as_fd(), tcp.as_fd()]).await?;
    /// stream.write_all(&message[sent..]).await?;
    ///
    /// // Descriptors of one type need no conversion.
    /// stream.send_with_fds(b"again", &[&file, &file]).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send_with_fds<F: AsFd>(&mut self, buf: &[u8], fds: &[F]) -> io::Result<usize> {
        self.send_vectored_with_fds(&[IoSlice::new(buf)], fds).await
    }

    /// Sends as [`send_with_fds`](Self::send_with_fds) does, from several buffers in order.
    ///
    /// At most 1,024 buffers (`UIO_MAXIOV`) are sent with one call.
    pub async fn send_vectored_with_fds<F: AsFd>(
        &mut self,
        bufs: &[IoSlice<'_>],
        fds: &[F],
    ) -> io::Result<usize> {
        poll_fn(|cx| self.poll_send_vectored_with_fds(cx, bufs, fds)).await
    }

    /// Polls [`send_vectored_with_fds`](Self::send_vectored_with_fds). Only the last task that
    /// polled is woken.
    pub fn poll_send_vectored_with_fds<F: AsFd>(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        fds: &[F],
    ) -> Poll<io::Result<usize>> {
        self.sender.poll_send(&self.socket, cx, bufs, fds).map_err(io::Error::from)
    }

    /// Sends as [`send_with_fds`](Self::send_with_fds) does, or returns `WouldBlock`.
    pub fn try_send_with_fds<F: AsFd>(&mut self, buf: &[u8], fds: &[F]) -> io::Result<usize> {
        self.try_send_vectored_with_fds(&[IoSlice::new(buf)], fds)
    }

    /// Sends as [`send_vectored_with_fds`](Self::send_vectored_with_fds) does, or returns
    /// `WouldBlock`.
    pub fn try_send_vectored_with_fds<F: AsFd>(
        &mut self,
        bufs: &[IoSlice<'_>],
        fds: &[F],
    ) -> io::Result<usize> {
        Ok(self.sender.try_send(&self.socket, bufs, fds)?)
    }

    /// Writes once, or returns `WouldBlock`. The descriptors in the write queue are sent with the
    /// first byte.
    pub fn try_write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.try_write_vectored(&[IoSlice::new(buf)])
    }

    /// Writes as [`try_write`](Self::try_write) does, from several buffers in order.
    ///
    /// At most 1,024 buffers (`UIO_MAXIOV`) are written with one call.
    pub fn try_write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(self.sender.try_write(&self.socket, bufs)?)
    }

    /// Waits until the stream is writable.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, the next call still reports the
    /// readiness.
    pub async fn writable(&self) -> io::Result<()> {
        self.socket.io().writable().await
    }

    /// Polls for writability, as [`writable`](Self::writable) does. Only the last task that polled
    /// is woken.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.io().poll_write_ready(cx)
    }

    /// Returns the maximum number of descriptors in one sent message. Without
    /// [`spread_fds`](crate::StreamBuilder::spread_fds), one write sends one message.
    pub fn write_fd_limit(&self) -> usize {
        self.sender.limits.fd_limit
    }

    /// Sets the maximum number of descriptors in one sent message. `limit` can be any number up to
    /// [`FD_LIMIT`](Self::FD_LIMIT), also an odd one. With 0, a write with descriptors fails.
    ///
    /// A write with more than `limit` descriptors fails with
    /// [`TooManyToSend`](crate::FdError::TooManyToSend) and sends nothing. The exception is a stream with
    /// [`spread_fds`](crate::StreamBuilder::spread_fds), which sends a longer write queue in several
    /// messages.
    ///
    /// # Errors
    ///
    /// Returns [`LimitOutOfRange`](crate::FdError::LimitOutOfRange) if `limit` exceeds
    /// [`FD_LIMIT`](Self::FD_LIMIT).
    pub fn set_write_fd_limit(&mut self, limit: usize) -> Result<(), FdError> {
        self.sender.limits = self.sender.limits.with_fd_limit(limit)?;
        Ok(())
    }
}

/// Writes bytes. All descriptors in the write queue are sent with the first byte, and the queue is empty
/// afterwards.
///
/// A write of zero bytes sends nothing and keeps the queue. Bytes are not buffered, so a flush has
/// no effect. A shutdown with descriptors in the queue fails with
/// [`FdsWithoutBytes`](crate::FdError::FdsWithoutBytes), and the write side stays open.
///
/// If a future such as that of `write_all` is dropped before it completes, some bytes may have been
/// sent. Descriptors that are still in the queue were not sent. All others were sent.
///
/// With [`spread_fds`](crate::StreamBuilder::spread_fds), a queue that exceeds the limit of one
/// message is sent with the first few bytes of the write. If the write sends only a part of its bytes, a
/// part of the queue may remain. The next write sends the rest.
impl<const S: usize> AsyncWrite for AnchovyStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.sender.poll_write_buf(&this.socket, cx, buf)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        this.sender.poll_write(&this.socket, cx, bufs).map_err(io::Error::from)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        Poll::Ready(Ok(this.sender.shutdown(&this.socket)?))
    }
}
