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

impl<const S: usize> AnchovyStream<S> {
    /// The most descriptors that may wait in the read queue, unless another limit is set: 1024 and
    /// [`FD_LIMIT`](Self::FD_LIMIT).
    ///
    /// A read needs room for another full set, so `read_queue_limit - read_fd_limit` descriptors can
    /// wait, and at least 1024 by default. That is as many as libwayland keeps, and more than a peer
    /// that conforms to D-Bus or Wayland sends before a message is whole. See
    /// [`set_read_queue_limit`](Self::set_read_queue_limit) for what a server with many clients sets.
    pub const DEFAULT_READ_QUEUE_LIMIT: usize = default_queue_limit(Self::FD_LIMIT);

    /// Returns the descriptors that arrived and were not taken yet, the oldest first.
    pub fn read_queue(&self) -> &VecDeque<OwnedFd> {
        &self.receiver.queue
    }

    /// Returns the descriptors that arrived and were not taken yet, to take them.
    pub fn read_queue_mut(&mut self) -> &mut VecDeque<OwnedFd> {
        &mut self.receiver.queue
    }

    /// Receives once: bytes to the start of `buf`, and the descriptors that came with them to the end
    /// of `fds`.
    ///
    /// Returns how many of each were received. If 0 bytes were, the stream has ended, or `buf` is
    /// empty. An empty `buf` receives nothing, and leaves the descriptors that wait in the kernel where
    /// they are. Descriptors of earlier reads stay in the [read queue](Self::read_queue).
    ///
    /// `fds` is appended to, and allocates only if its capacity is too small for what came, which is at
    /// most [`read_fd_limit`](Self::read_fd_limit).
    ///
    /// # Messages in parts
    ///
    /// The descriptors of a message come with the read that has the first byte of the `sendmsg` that
    /// they were sent with, which for a peer that uses this crate is the first byte of the message. A
    /// program that reads a header and then the body, with `read_exact` or this method, gets all of
    /// them with the header, and none with the body. Bytes of an earlier message may come with the same
    /// read, before the message; bytes of a later `sendmsg` do not.
    ///
    /// # What travels with a descriptor
    ///
    /// A received descriptor is another name of the *same* open file: offset and status flags, such as
    /// `O_NONBLOCK`, are shared with the sender (dup(2)). A file is read from where the sender has left
    /// it. A socket that was tokio's is non-blocking: as a
    /// [`std::net::TcpListener`], it returns [`WouldBlock`](io::ErrorKind::WouldBlock) from `accept`
    /// unless it is given to tokio, or made blocking, for the sender too, with
    /// [`set_nonblocking(false)`](std::net::TcpListener::set_nonblocking). Close-on-exec is not shared,
    /// and is set.
    ///
    /// # Errors
    ///
    /// Those of the socket, and [`FdError`](crate::FdError):
    /// [`ReadQueueFull`](crate::FdError::ReadQueueFull) before anything is read;
    /// [`TooManyReceived`](crate::FdError::TooManyReceived),
    /// [`Truncated`](crate::FdError::Truncated) and [`OverBudget`](crate::FdError::OverBudget) for
    /// good.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what has not been returned has not been received.
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

    /// As [`recv_with_fds`](Self::recv_with_fds), into the unfilled part of `buf`, which it need not
    /// initialize and advances by the bytes received.
    pub fn poll_recv_with_fds(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        fds: &mut Vec<OwnedFd>,
    ) -> Poll<io::Result<Received>> {
        self.receiver.poll_receive_into(&self.socket, cx, buf, fds).map_err(io::Error::from)
    }

    /// As [`recv_with_fds`](Self::recv_with_fds), or `WouldBlock`.
    pub fn try_recv_with_fds(
        &mut self,
        buf: &mut [u8],
        fds: &mut Vec<OwnedFd>,
    ) -> io::Result<Received> {
        Ok(self.receiver.try_receive_into(&self.socket, &mut ReadBuf::new(buf), fds)?)
    }

    /// As [`recv_with_fds`](Self::recv_with_fds), with the descriptors to the back of the [read
    /// queue](Self::read_queue).
    ///
    /// A plain read does the same, and does not return how many descriptors it brought.
    ///
    /// # Errors
    ///
    /// As for [`recv_with_fds`](Self::recv_with_fds).
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: what has not been returned has not been received.
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

    /// As [`recv`](Self::recv), into the unfilled part of `buf`, which it need not initialize and
    /// advances by the bytes received.
    pub fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<Received>> {
        self.receiver.poll_receive(&self.socket, cx, buf).map_err(io::Error::from)
    }

    /// As [`recv`](Self::recv), or `WouldBlock`.
    pub fn try_recv(&mut self, buf: &mut [u8]) -> io::Result<Received> {
        Ok(self.receiver.try_receive(&self.socket, &mut ReadBuf::new(buf))?)
    }

    /// As [`recv`](Self::recv), but only the bytes are counted, or `WouldBlock`.
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

    /// As [`try_read`](Self::try_read), into several buffers, one after the other.
    ///
    /// At most 1,024 of them (`UIO_MAXIOV`) are filled.
    pub fn try_read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        Ok(self.receiver.try_receive_vectored(&self.socket, bufs)?.bytes)
    }

    /// Waits until there is something to read, or the stream has ended.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: readiness that was missed is found again by the next call.
    pub async fn readable(&self) -> io::Result<()> {
        self.socket.io().readable().await
    }

    /// As [`readable`](Self::readable); only the last task that asked is woken.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.io().poll_read_ready(cx)
    }

    /// Returns the most descriptors that may arrive with one message.
    pub fn read_fd_limit(&self) -> usize {
        self.receiver.limits.fd_limit
    }

    /// Sets the most descriptors that may arrive with one message; exact, whatever the padding of
    /// `S`, and 0 for none at all.
    ///
    /// A message with more fails the read side for good
    /// ([`TooManyReceived`](crate::FdError::TooManyReceived)).
    ///
    /// # Errors
    ///
    /// [`LimitOutOfRange`](crate::FdError::LimitOutOfRange) above [`FD_LIMIT`](Self::FD_LIMIT) or
    /// [`read_queue_limit`](Self::read_queue_limit).
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
    /// assert_eq!(stream.read_error(), refused); // for good
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_read_fd_limit(&mut self, limit: usize) -> Result<(), FdError> {
        self.receiver.limits = self.receiver.limits.with_fd_limit(limit)?;
        Ok(())
    }

    /// Returns the most descriptors that may wait in the read queue.
    ///
    /// By default [`DEFAULT_READ_QUEUE_LIMIT`](Self::DEFAULT_READ_QUEUE_LIMIT).
    pub fn read_queue_limit(&self) -> usize {
        self.receiver.limits.queue_limit
    }

    /// Sets the most descriptors that may wait in the read queue.
    ///
    /// While the queue has no room for another full set, reads fail with
    /// [`ReadQueueFull`](crate::FdError::ReadQueueFull), and nothing is read or lost. So up to
    /// `limit - read_fd_limit` descriptors can wait while reads go on.
    ///
    /// The peer decides how much of this is used, and each waiting descriptor takes a place in the
    /// table of this process (`RLIMIT_NOFILE`, often 1024). A server with many clients sets a low
    /// [`read_fd_limit`](Self::read_fd_limit), and that and the most descriptors that one message of
    /// its protocol has as this limit. So that all clients together cannot fill the table, it divides
    /// the table among them with a [`Budget`](crate::Budget); see
    /// [`ListenerBuilder::budget`](crate::ListenerBuilder::budget).
    ///
    /// # Errors
    ///
    /// [`LimitOutOfRange`](crate::FdError::LimitOutOfRange) below
    /// [`read_fd_limit`](Self::read_fd_limit), for then nothing could ever be read.
    pub fn set_read_queue_limit(&mut self, limit: usize) -> Result<(), FdError> {
        self.receiver.limits = self.receiver.limits.with_queue_limit(limit)?;
        Ok(())
    }

    /// Returns the error with which every later read fails, if the read side has failed.
    pub fn read_error(&self) -> Option<FdError> {
        self.receiver.failed
    }
}

/// Descriptors that came with a read are at the back of the read queue when it returns.
///
/// A full read queue fails the read, and nothing is lost; an adapter that reads in a loop
/// (`read_exact`, `copy`) gives up with that error, so drain the queue first.
impl<const S: usize> AsyncRead for AnchovyStream<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.get_mut().poll_recv(cx, buf).map_ok(|_| ())
    }
}
