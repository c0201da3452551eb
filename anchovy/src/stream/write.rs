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
    /// Returns the descriptors that leave with the first byte of the next write.
    pub fn write_queue(&self) -> &VecDeque<OwnedFd> {
        &self.sender.queue
    }

    /// Returns the descriptors that leave with the first byte of the next write, to add some.
    ///
    /// They all leave in one message, so there may be at most
    /// [`write_fd_limit`](Self::write_fd_limit) of them when you write. A stream with
    /// [`spread_fds`](crate::StreamBuilder::spread_fds) sends more in several messages.
    pub fn write_queue_mut(&mut self) -> &mut VecDeque<OwnedFd> {
        &mut self.sender.queue
    }

    /// Sends once, with one `sendmsg`: bytes, and descriptors that stay yours. Descriptors of several
    /// types are passed as [`BorrowedFd`](std::os::fd::BorrowedFd)s.
    ///
    /// The descriptors left if and only if this returns Ok. Not all of `buf` may have left (the
    /// count says how much); write the rest without descriptors.
    ///
    /// An empty `buf` sends nothing and returns 0, if `fds` is empty too.
    ///
    /// # Errors
    ///
    /// Those of the socket, and [`FdError`](crate::FdError), each with nothing sent:
    /// [`WriteQueueNotEmpty`](crate::FdError::WriteQueueNotEmpty),
    /// [`FdsWithoutBytes`](crate::FdError::FdsWithoutBytes),
    /// [`TooManyToSend`](crate::FdError::TooManyToSend),
    /// [`RefusedByPeer`](crate::FdError::RefusedByPeer),
    /// [`TooManyInFlight`](crate::FdError::TooManyInFlight).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: if it has not returned, neither bytes nor descriptors left.
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
    /// // Of one type, they need no conversion.
    /// stream.send_with_fds(b"again", &[&file, &file]).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send_with_fds<F: AsFd>(&mut self, buf: &[u8], fds: &[F]) -> io::Result<usize> {
        self.send_vectored_with_fds(&[IoSlice::new(buf)], fds).await
    }

    /// As [`send_with_fds`](Self::send_with_fds), from several buffers, one after the other.
    ///
    /// At most 1,024 of them (`UIO_MAXIOV`) leave with one call.
    pub async fn send_vectored_with_fds<F: AsFd>(
        &mut self,
        bufs: &[IoSlice<'_>],
        fds: &[F],
    ) -> io::Result<usize> {
        poll_fn(|cx| self.poll_send_vectored_with_fds(cx, bufs, fds)).await
    }

    /// As [`send_vectored_with_fds`](Self::send_vectored_with_fds), for futures by hand.
    pub fn poll_send_vectored_with_fds<F: AsFd>(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
        fds: &[F],
    ) -> Poll<io::Result<usize>> {
        self.sender.poll_send(&self.socket, cx, bufs, fds).map_err(io::Error::from)
    }

    /// As [`send_with_fds`](Self::send_with_fds), or `WouldBlock`.
    pub fn try_send_with_fds<F: AsFd>(&mut self, buf: &[u8], fds: &[F]) -> io::Result<usize> {
        self.try_send_vectored_with_fds(&[IoSlice::new(buf)], fds)
    }

    /// As [`send_vectored_with_fds`](Self::send_vectored_with_fds), or `WouldBlock`.
    pub fn try_send_vectored_with_fds<F: AsFd>(
        &mut self,
        bufs: &[IoSlice<'_>],
        fds: &[F],
    ) -> io::Result<usize> {
        Ok(self.sender.try_send(&self.socket, bufs, fds)?)
    }

    /// Writes once, the write queue with the first byte, or `WouldBlock`.
    pub fn try_write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.try_write_vectored(&[IoSlice::new(buf)])
    }

    /// As [`try_write`](Self::try_write), from several buffers, one after the other.
    ///
    /// At most 1,024 of them (`UIO_MAXIOV`) leave with one call.
    pub fn try_write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        Ok(self.sender.try_write(&self.socket, bufs)?)
    }

    /// Waits until there is room to write.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: readiness that was missed is found again by the next call.
    pub async fn writable(&self) -> io::Result<()> {
        self.socket.io().writable().await
    }

    /// As [`writable`](Self::writable); only the last task that asked is woken.
    pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.io().poll_write_ready(cx)
    }

    /// Returns the most descriptors that may leave with one write.
    pub fn write_fd_limit(&self) -> usize {
        self.sender.limits.fd_limit
    }

    /// Sets the most descriptors that may leave with one write; 0 for none at all.
    ///
    /// A write with more is refused and changes nothing
    /// ([`TooManyToSend`](crate::FdError::TooManyToSend)).
    ///
    /// # Errors
    ///
    /// [`LimitOutOfRange`](crate::FdError::LimitOutOfRange) above [`FD_LIMIT`](Self::FD_LIMIT).
    pub fn set_write_fd_limit(&mut self, limit: usize) -> Result<(), FdError> {
        self.sender.limits = self.sender.limits.with_fd_limit(limit)?;
        Ok(())
    }
}

/// The write queue leaves with the first byte that is written, and is empty then; a write of no
/// bytes sends nothing and keeps it. Nothing is buffered, so a flush does nothing.
///
/// With [`spread_fds`](crate::StreamBuilder::spread_fds), more descriptors than one message may carry
/// leave with the first few bytes, and a write that returned a smaller count may leave some in the
/// queue, for the next write.
///
/// A future that was dropped half way (`write_all` in a `select!`) may have written some; whether
/// the descriptors left, the queue tells: they did if it is empty.
///
/// A shutdown with descriptors in the queue is [`FdsWithoutBytes`](crate::FdError::FdsWithoutBytes)
/// and shuts nothing down.
impl<const S: usize> AsyncWrite for AnchovyStream<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
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
