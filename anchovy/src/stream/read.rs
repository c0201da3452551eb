//! Methods of a stream that receive.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSliceMut};
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use super::anchovy_stream::AnchovyStream;
use crate::error::fd_error::FdError;
use crate::receive::{Received, default_queue_limit};
use crate::socket::Source;

impl<const S: usize> AnchovyStream<S> {
    /// Default maximum number of descriptors in the read queue: 1024 plus
    /// [`FD_LIMIT`](Self::FD_LIMIT).
    ///
    /// A read requires room for the descriptors of one message, so `read_queue_limit -
    /// read_fd_limit` descriptors can wait in the queue while reads continue: by default 1024, and
    /// more if `read_fd_limit` is lowered. The buffer of libwayland has room for 1024 descriptors
    /// too. A D-Bus message has at most 253 descriptors. A Wayland client can send more than 1024
    /// descriptors before their messages if it queues as many requests before it flushes; raise the limit
    /// for such clients. For a server with many clients, see
    /// [`set_read_queue_limit`](Self::set_read_queue_limit).
    pub const DEFAULT_READ_QUEUE_LIMIT: usize = default_queue_limit(Self::FD_LIMIT);

    /// Returns the read queue: received descriptors that the program has not taken, the oldest
    /// first.
    pub fn read_queue(&self) -> &VecDeque<OwnedFd> {
        &self.receiver.queue
    }

    /// Returns the read queue mutably, to take descriptors from it.
    pub fn read_queue_mut(&mut self) -> &mut VecDeque<OwnedFd> {
        &mut self.receiver.queue
    }

    /// Receives once. Stores bytes at the start of `buf`, and appends the descriptors that arrived
    /// with them to `fds`.
    ///
    /// Returns the numbers of received bytes and descriptors. If `bytes` is 0 and `buf` is not
    /// empty, the peer has closed the connection or shut down its write side.
    ///
    /// If `buf` is empty, nothing is received, and queued descriptors stay in the kernel.
    /// Descriptors of earlier reads stay in the [read queue](Self::read_queue).
    ///
    /// `fds` allocates only if its capacity is too small for the received descriptors, of which
    /// there are at most [`read_fd_limit`](Self::read_fd_limit).
    ///
    /// # Messages in several reads
    ///
    /// Descriptors arrive with the read that returns the first byte of their `sendmsg`. This crate sends
    /// the descriptors of a protocol message with the first byte of that message. If the peer does the same,
    /// a program that reads a header and then a body, with `read_exact` or with this method, receives all
    /// descriptors with the header and none with the body.
    ///
    /// On Linux, a read that receives descriptors may begin with bytes of earlier sends. It never returns
    /// bytes that were sent after the `sendmsg` with the descriptors. For other systems, see the
    /// [crate documentation](crate#platform-specific-behavior).
    ///
    /// # State shared with the sender
    ///
    /// A received descriptor refers to the *same* open file as the sender's descriptor (dup(2)):
    ///
    /// - The file offset is shared. Reading continues where the sender stopped.
    /// - Status flags such as `O_NONBLOCK` are shared. A socket from tokio is non-blocking: as a
    ///   [`std::net::TcpListener`], its `accept` returns
    ///   [`WouldBlock`](io::ErrorKind::WouldBlock). Convert it to a type of tokio, or call
    ///   [`set_nonblocking(false)`](std::net::TcpListener::set_nonblocking), which affects the
    ///   sender too.
    /// - Close-on-exec is not shared. It is always set on received descriptors.
    ///
    /// # Errors
    ///
    /// Returns an error of the socket, or one of the following variants of
    /// [`FdError`](crate::FdError).
    ///
    /// - [`ReadQueueFull`](crate::FdError::ReadQueueFull): nothing was read, and the stream stays
    ///   usable.
    /// - [`TooManyReceived`](crate::FdError::TooManyReceived),
    ///   [`Truncated`](crate::FdError::Truncated) or [`OverBudget`](crate::FdError::OverBudget):
    ///   descriptors were lost, and every later read fails.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, nothing has been received.
    ///
    /// # Examples
    ///
    /// ```
    /// # use anchovy::UnixStream;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// use std::fs::File;
    ///
    /// let (mut stream, mut peer) = UnixStream::pair()?;
    /// peer.send_with_fds(b"a file", &[File::open("/dev/null")?]).await?;
    ///
    /// let (mut buf, mut fds) = ([0; 64], Vec::new());
    /// let received = stream.recv_with_fds(&mut buf, &mut fds).await?;
    /// assert_eq!(&buf[..received.bytes], b"a file");
    /// for file in fds.drain(..).map(File::from) {
    ///     assert_eq!(file.metadata()?.len(), 0);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv_with_fds(
        &mut self,
        buf: &mut [u8],
        fds: &mut Vec<OwnedFd>,
    ) -> io::Result<Received> {
        let mut buf = ReadBuf::new(buf);
        poll_fn(|cx| self.poll_recv_with_fds(cx, &mut buf, fds)).await
    }

    /// Receives as [`recv_with_fds`](Self::recv_with_fds) does, into the unfilled part of `buf`.
    /// Advances `buf` by the number of received bytes, and does not initialize the rest. Only the
    /// last task that polled is woken.
    pub fn poll_recv_with_fds(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        fds: &mut Vec<OwnedFd>,
    ) -> Poll<io::Result<Received>> {
        self.receiver
            .poll_receive_into(Source::exclusive(&mut self.socket), cx, buf, fds)
            .map_err(io::Error::from)
    }

    /// Receives as [`recv_with_fds`](Self::recv_with_fds) does, or returns `WouldBlock`.
    pub fn try_recv_with_fds(
        &mut self,
        buf: &mut [u8],
        fds: &mut Vec<OwnedFd>,
    ) -> io::Result<Received> {
        Ok(self.receiver.try_receive_into(
            Source::exclusive(&mut self.socket),
            &mut ReadBuf::new(buf),
            fds,
        )?)
    }

    /// Receives once, as [`recv_with_fds`](Self::recv_with_fds) does, but appends the descriptors
    /// to the [read queue](Self::read_queue).
    ///
    /// A read through `AsyncRead` does the same, but does not return the number of descriptors.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`recv_with_fds`](Self::recv_with_fds).
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, nothing has been received.
    ///
    /// # Examples
    ///
    /// ```
    /// # use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let (mut stream, mut peer) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
    /// peer.send_with_fds(b"in and out", &[&std::io::stdin(), &std::io::stdin()]).await?;
    ///
    /// let received = stream.recv(&mut [0; 64]).await?;
    /// assert_eq!((received.bytes, received.fds), (10, 2));
    /// assert_eq!(stream.read_queue().len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn recv(&mut self, buf: &mut [u8]) -> io::Result<Received> {
        let mut buf = ReadBuf::new(buf);
        poll_fn(|cx| self.poll_recv(cx, &mut buf)).await
    }

    /// Receives as [`recv`](Self::recv) does, into the unfilled part of `buf`. Advances `buf` by
    /// the number of received bytes, and does not initialize the rest. Only the last task that
    /// polled is woken.
    pub fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<Received>> {
        self.receiver
            .poll_receive(Source::exclusive(&mut self.socket), cx, buf)
            .map_err(io::Error::from)
    }

    /// Receives as [`recv`](Self::recv) does, or returns `WouldBlock`.
    pub fn try_recv(&mut self, buf: &mut [u8]) -> io::Result<Received> {
        Ok(self
            .receiver
            .try_receive(Source::exclusive(&mut self.socket), &mut ReadBuf::new(buf))?)
    }

    /// Receives as [`try_recv`](Self::try_recv) does, and returns only the number of bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// use std::io::ErrorKind;
    ///
    /// let (mut stream, mut peer) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
    /// peer.send_with_fds(b"bytes", &[std::io::stdin()]).await?;
    ///
    /// let mut buf = [0; 64];
    /// stream.readable().await?;
    /// assert_eq!(stream.try_read(&mut buf)?, 5);
    /// assert_eq!(stream.read_queue().len(), 1);
    /// assert_eq!(stream.try_read(&mut buf).unwrap_err().kind(), ErrorKind::WouldBlock);
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.try_recv(buf).map(|received| received.bytes)
    }

    /// Receives as [`try_read`](Self::try_read) does, into several buffers in order.
    ///
    /// At most 1,024 buffers (`UIO_MAXIOV`) are filled.
    pub fn try_read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        Ok(self.receiver.try_receive_vectored(Source::exclusive(&mut self.socket), bufs)?.bytes)
    }

    /// Waits until the stream is readable. It also becomes readable if the peer closes the
    /// connection.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, the next call still reports the
    /// readiness.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.io().readable().await
    }

    /// Polls for readability, as [`readable`](Self::readable) does. Only the last task that polled
    /// is woken.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.io().poll_read_ready(cx)
    }

    /// Returns the maximum number of descriptors in one received message.
    pub fn read_fd_limit(&self) -> usize {
        self.receiver.limits.fd_limit
    }

    /// Sets the maximum number of descriptors in one received message. `limit` can be any number up to
    /// [`FD_LIMIT`](Self::FD_LIMIT), also an odd one. With 0, a message must not have descriptors.
    ///
    /// If a message has more than `limit` descriptors, the read side fails permanently with
    /// [`TooManyReceived`](crate::FdError::TooManyReceived).
    ///
    /// # Errors
    ///
    /// Returns [`LimitOutOfRange`](crate::FdError::LimitOutOfRange) if `limit` exceeds
    /// [`FD_LIMIT`](Self::FD_LIMIT) or [`read_queue_limit`](Self::read_queue_limit).
    ///
    /// # Examples
    ///
    /// ```
    /// # use anchovy::{AnchovyStream, FdError, DBUS_SCM_RIGHTS};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let (mut stream, mut peer) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
    /// stream.set_read_fd_limit(1).expect("less than S allows");
    ///
    /// peer.send_with_fds(b"two", &[std::io::stdin(), std::io::stdin()]).await?;
    /// let refused = FdError::from_io_error(&stream.recv(&mut [0; 8]).await.unwrap_err());
    /// assert!(matches!(refused, Some(FdError::TooManyReceived { count: 2, limit: 1, .. })));
    /// assert_eq!(stream.read_error(), refused); // every later read fails
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_read_fd_limit(&mut self, limit: usize) -> Result<(), FdError> {
        self.receiver.limits = self.receiver.limits.with_fd_limit(limit)?;
        Ok(())
    }

    /// Returns the maximum number of descriptors in the read queue.
    ///
    /// Default: [`DEFAULT_READ_QUEUE_LIMIT`](Self::DEFAULT_READ_QUEUE_LIMIT).
    pub fn read_queue_limit(&self) -> usize {
        self.receiver.limits.queue_limit
    }

    /// Sets the maximum number of descriptors in the read queue.
    ///
    /// If the queue has no room for the descriptors of another message, a read fails with
    /// [`ReadQueueFull`](crate::FdError::ReadQueueFull), and nothing is read or lost. So up to
    /// `limit - read_fd_limit` descriptors can wait in the queue while reads continue.
    ///
    /// The peer determines how much of this limit is used, and each descriptor in the queue takes
    /// one entry of the process's descriptor table (`RLIMIT_NOFILE`, often 1024). A server with
    /// many clients should lower two limits: first [`set_read_fd_limit(m)`](Self::set_read_fd_limit), where
    /// m is the largest number of descriptors that a client may send in one `sendmsg`; then
    /// `set_read_queue_limit(m + p)`, where p is the largest number of descriptors in one protocol message.
    /// The sum is needed because all descriptors of an incomplete protocol message may be in the queue, and
    /// the next read still requires room for another `sendmsg`.
    ///
    /// To keep all clients together from filling the table, use a [`Budget`](crate::Budget); see
    /// [`ListenerBuilder::budget`](crate::ListenerBuilder::budget).
    ///
    /// # Errors
    ///
    /// Returns [`LimitOutOfRange`](crate::FdError::LimitOutOfRange) if `limit` is less than
    /// [`read_fd_limit`](Self::read_fd_limit), because no read could ever succeed.
    pub fn set_read_queue_limit(&mut self, limit: usize) -> Result<(), FdError> {
        self.receiver.limits = self.receiver.limits.with_queue_limit(limit)?;
        Ok(())
    }

    /// Returns the error with which every later read fails, if the read side has failed.
    pub fn read_error(&self) -> Option<FdError> {
        self.receiver.failed()
    }
}

/// Reads bytes. The descriptors that arrived with them are at the back of the read queue when a
/// read returns.
///
/// If the read queue is full, the read fails, and nothing is read or lost. An adapter that reads in
/// a loop, such as `read_exact` or `copy`, stops with that error. A `read_exact` that fails in the
/// middle does not report how many bytes it has read, so the position in the stream is lost. To
/// prevent that, take descriptors from the queue before calling such an adapter.
impl<const S: usize> AsyncRead for AnchovyStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().poll_recv(cx, buf).map_ok(|_| ())
    }
}
