//! The methods that a whole stream shares with its halves, written once.
//!
//! Each type brings `socket()`, and as it can read or write, `reading()` or `writing()`: the same
//! three parts, owned, borrowed or shared.

/// What needs the socket only.
macro_rules! socket_face {
    ([$($generics:tt)*] $type:ty) => {
        impl<$($generics)*> $type {
            /// The most descriptors that `S` has room for in one message.
            ///
            /// Padding makes the spaces of an odd count and of the even one after it equal (on
            /// 64-bit Linux), so this is the larger of the two: 28 for
            /// `cmsg_space!(ScmRights(27))`. An exact odd limit is set at run time.
            pub const FD_LIMIT: usize = crate::space::Space::of(S).fds;

            /// Waits until the socket is ready for what `interest` names, as tokio's
            /// [`UnixStream::ready`](tokio::net::UnixStream::ready) does.
            ///
            /// Readiness can be a false alarm; the `try_` methods then return `WouldBlock` and
            /// clear it.
            ///
            /// # Cancel safety
            ///
            /// Cancel safe: readiness that was missed is found again by the next call.
            pub async fn ready(
                &self,
                interest: tokio::io::Interest,
            ) -> std::io::Result<tokio::io::Ready> {
                self.socket().io().ready(interest).await
            }

            /// Runs non-blocking I/O of your own on the socket, as tokio's
            /// [`UnixStream::try_io`](tokio::net::UnixStream::try_io) does: not at all if the
            /// socket is not known to be ready, and `WouldBlock` from it clears the readiness.
            ///
            /// What the closure sends and receives bypasses queues and limits, and a plain read
            /// loses the descriptors of the bytes that it takes (unix(7)).
            ///
            /// # Errors
            ///
            /// `WouldBlock`, or what the closure returns.
            pub fn try_io<R>(
                &self,
                interest: tokio::io::Interest,
                io: impl FnOnce() -> std::io::Result<R>,
            ) -> std::io::Result<R> {
                self.socket().io().try_io(interest, io)
            }

            /// Runs non-blocking I/O of your own on the socket until it does not return
            /// `WouldBlock`; see [`try_io`](Self::try_io) for what that bypasses.
            ///
            /// # Cancel safety
            ///
            /// Cancel safe if the closure is all there is to an operation: it is only dropped
            /// while it waits for the socket.
            pub async fn async_io<R>(
                &self,
                interest: tokio::io::Interest,
                io: impl FnMut() -> std::io::Result<R>,
            ) -> std::io::Result<R> {
                self.socket().io().async_io(interest, io).await
            }

            /// The address that this end is bound to.
            pub fn local_addr(&self) -> std::io::Result<tokio::net::unix::SocketAddr> {
                self.socket().io().local_addr()
            }

            /// The address that the other end is bound to.
            pub fn peer_addr(&self) -> std::io::Result<tokio::net::unix::SocketAddr> {
                self.socket().io().peer_addr()
            }

            /// The user, group and process that the other end had when it connected, listened or
            /// made the pair (`SO_PEERCRED` on Linux, unix(7)).
            ///
            /// The process number may be somebody else's by now; where that matters, use
            /// [`peer_pidfd`](Self::peer_pidfd).
            ///
            /// ```
            /// # use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
            /// # #[tokio::main(flavor = "current_thread")]
            /// # async fn main() -> std::io::Result<()> {
            /// let (stream, _peer) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
            /// assert_eq!(stream.peer_cred()?.pid(), Some(std::process::id() as i32));
            /// # Ok(())
            /// # }
            /// ```
            pub fn peer_cred(&self) -> std::io::Result<tokio::net::unix::UCred> {
                self.socket().io().peer_cred()
            }

            /// A descriptor of the process at the other end, which never becomes another process
            /// (`SO_PEERPIDFD`, pidfd_open(2)). It is close-on-exec.
            ///
            /// # Errors
            ///
            /// [`Unsupported`](std::io::ErrorKind::Unsupported) before Linux 6.5 and on other
            /// systems. Before Linux 6.16, an error too once that process is gone.
            pub fn peer_pidfd(&self) -> std::io::Result<std::os::fd::OwnedFd> {
                crate::sys::peer_pidfd(std::os::fd::AsFd::as_fd(self))
            }

            /// May peers send descriptors to this socket? (`SO_PASSRIGHTS`)
            ///
            /// # Errors
            ///
            /// Those of the system; a kernel that knows no such option answers yes.
            pub fn fd_passing(&self) -> std::io::Result<bool> {
                match crate::sys::fd_passing(std::os::fd::AsFd::as_fd(self)) {
                    Err(error) if error.kind() == std::io::ErrorKind::Unsupported => Ok(true),
                    answer => answer,
                }
            }

            /// Lets the kernel refuse descriptors that peers send to this socket, or carry them
            /// again (`SO_PASSRIGHTS`).
            ///
            /// While it is off, a peer's `sendmsg` with descriptors fails with `EPERM`, and this
            /// process never has them in its table. Bytes pass, and so do descriptors that were on
            /// their way before.
            ///
            /// # Errors
            ///
            /// [`Unsupported`](std::io::ErrorKind::Unsupported) where the kernel cannot refuse
            /// (before Linux 6.16, other systems). A read limit of 0 then fails the read side
            /// instead, once descriptors have arrived.
            ///
            /// ```
            /// # use anchovy::{AnchovyStream, FdError, DBUS_SCM_RIGHTS};
            /// # #[tokio::main(flavor = "current_thread")]
            /// # async fn main() -> std::io::Result<()> {
            /// let (stream, mut peer) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
            /// if stream.set_fd_passing(false).is_ok() {
            ///     let sent = peer.send_with_fds(b"here", &[std::io::stdin()]).await;
            ///     let refused = FdError::from_io_error(&sent.unwrap_err());
            ///     assert_eq!(refused, Some(FdError::RefusedByPeer { count: 1 }));
            /// }
            /// # Ok(())
            /// # }
            /// ```
            pub fn set_fd_passing(&self, on: bool) -> std::io::Result<()> {
                crate::set_fd_passing(self, on)
            }

            /// Takes the pending error of the socket (`SO_ERROR`).
            pub fn take_error(&self) -> std::io::Result<Option<std::io::Error>> {
                self.socket().io().take_error()
            }
        }

        /// The socket itself, for options and the like.
        ///
        /// Reading from it or writing to it bypasses queues and limits. Where the kernel knows
        /// `SO_INQ` it is switched on, so that a foreign `recvmsg` with a control buffer that has
        /// no room for it shows `MSG_CTRUNC`, on a duplicate of the descriptor as well;
        /// [`Builder::inq`](crate::Builder::inq) keeps it off, and
        /// [`into_parts`](crate::AnchovyStream::into_parts) switches it off again.
        impl<$($generics)*> std::os::fd::AsFd for $type {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.socket().io().as_fd()
            }
        }

        impl<$($generics)*> std::os::fd::AsRawFd for $type {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                self.socket().io().as_raw_fd()
            }
        }
    };
}

/// What a receiving side can do.
macro_rules! read_face {
    ([$($generics:tt)*] $type:ty) => {
        impl<$($generics)*> $type {
            /// Descriptors that arrived and were not taken yet, the oldest first.
            pub fn read_queue(&self) -> &std::collections::VecDeque<std::os::fd::OwnedFd> {
                &self.receiver().queue
            }

            /// Descriptors that arrived and were not taken yet, to take them.
            pub fn read_queue_mut(
                &mut self,
            ) -> &mut std::collections::VecDeque<std::os::fd::OwnedFd> {
                &mut self.reading().1.queue
            }

            /// Receives once: bytes to the start of `buf`, and the descriptors that came with them
            /// to the back of the [read queue](Self::read_queue).
            ///
            /// It says how many of each *this* receive brought. Where the bytes are 0, the stream
            /// has ended, or `buf` is empty. An empty `buf` receives nothing, and leaves the
            /// descriptors that wait in the kernel where they are.
            ///
            /// # Errors
            ///
            /// Those of the socket, and [`FdError`](crate::FdError):
            /// [`ReadQueueFull`](crate::FdError::ReadQueueFull) before anything is read;
            /// [`TooManyReceived`](crate::FdError::TooManyReceived) and
            /// [`Truncated`](crate::FdError::Truncated) for good.
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
            /// let mut buf = [0; 64];
            /// let received = stream.recv_with_fds(&mut buf).await?;
            /// assert_eq!((received.bytes, received.fds), (10, 2));
            ///
            /// let older = stream.read_queue().len() - received.fds;
            /// let these = stream.read_queue_mut().split_off(older);
            /// assert_eq!(these.len(), 2);
            /// # Ok(())
            /// # }
            /// ```
            pub async fn recv_with_fds(
                &mut self,
                buf: &mut [u8],
            ) -> std::io::Result<crate::Received> {
                let mut buf = tokio::io::ReadBuf::new(buf);
                std::future::poll_fn(|cx| self.poll_recv_with_fds(cx, &mut buf)).await
            }

            /// As [`recv_with_fds`](Self::recv_with_fds), into the unfilled part of `buf`, which
            /// it need not initialise and advances by the bytes received.
            pub fn poll_recv_with_fds(
                &mut self,
                cx: &mut std::task::Context<'_>,
                buf: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<std::io::Result<crate::Received>> {
                let (socket, receiver) = self.reading();
                receiver.poll_receive(socket, cx, buf).map_err(std::io::Error::from)
            }

            /// As [`recv_with_fds`](Self::recv_with_fds), or `WouldBlock`.
            pub fn try_recv_with_fds(
                &mut self,
                buf: &mut [u8],
            ) -> std::io::Result<crate::Received> {
                let (socket, receiver) = self.reading();
                Ok(receiver.try_receive(socket, &mut tokio::io::ReadBuf::new(buf))?)
            }

            /// As [`recv_with_fds`](Self::recv_with_fds), but only the bytes are counted, or
            /// `WouldBlock`.
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
            pub fn try_read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
                self.try_recv_with_fds(buf).map(|received| received.bytes)
            }

            /// As [`try_read`](Self::try_read), into several buffers, one after the other.
            ///
            /// At most 1,024 of them (`UIO_MAXIOV`) are filled.
            pub fn try_read_vectored(
                &mut self,
                bufs: &mut [std::io::IoSliceMut<'_>],
            ) -> std::io::Result<usize> {
                let (socket, receiver) = self.reading();
                Ok(receiver.try_receive_vectored(socket, bufs)?.bytes)
            }

            /// Waits until there is something to read, or the stream has ended.
            ///
            /// # Cancel safety
            ///
            /// Cancel safe: readiness that was missed is found again by the next call.
            pub async fn readable(&self) -> std::io::Result<()> {
                self.socket().io().readable().await
            }

            /// As [`readable`](Self::readable); only the last task that asked is woken.
            pub fn poll_read_ready(
                &self,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                self.socket().io().poll_read_ready(cx)
            }

            /// The most descriptors that may arrive with one message.
            pub fn read_fd_limit(&self) -> usize {
                self.receiver().limits.set
            }

            /// Sets the most descriptors that may arrive with one message; exact, whatever the
            /// padding of `S`, and 0 for none at all.
            ///
            /// A message with more fails the read side for good
            /// ([`TooManyReceived`](crate::FdError::TooManyReceived)).
            ///
            /// # Errors
            ///
            /// [`LimitOutOfRange`](crate::FdError::LimitOutOfRange) above
            /// [`FD_LIMIT`](Self::FD_LIMIT) or [`read_queue_limit`](Self::read_queue_limit).
            ///
            /// ```
            /// # use anchovy::{AnchovyStream, FdError, DBUS_SCM_RIGHTS};
            /// # #[tokio::main(flavor = "current_thread")]
            /// # async fn main() -> std::io::Result<()> {
            /// let (mut stream, mut peer) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
            /// stream.set_read_fd_limit(1).expect("less than S allows");
            ///
            /// peer.send_with_fds(b"two", &[std::io::stdin(), std::io::stdin()]).await?;
            /// let refused = FdError::from_io_error(&stream.recv_with_fds(&mut [0; 8]).await.unwrap_err());
            /// assert!(matches!(refused, Some(FdError::TooManyReceived { count: 2, limit: 1, .. })));
            /// assert_eq!(stream.read_error(), refused); // for good
            /// # Ok(())
            /// # }
            /// ```
            pub fn set_read_fd_limit(&mut self, limit: usize) -> Result<(), crate::FdError> {
                let (_, receiver) = self.reading();
                receiver.limits = receiver.limits.with_set(limit)?;
                Ok(())
            }

            /// The most descriptors that may wait in the read queue.
            ///
            /// By default the larger of 256 and twice [`read_fd_limit`](Self::read_fd_limit).
            pub fn read_queue_limit(&self) -> usize {
                self.receiver().limits.queue
            }

            /// Sets the most descriptors that may wait in the read queue.
            ///
            /// While the queue has no room for another full set, reads fail with
            /// [`ReadQueueFull`](crate::FdError::ReadQueueFull), and nothing is read or lost.
            ///
            /// # Errors
            ///
            /// [`LimitOutOfRange`](crate::FdError::LimitOutOfRange) below
            /// [`read_fd_limit`](Self::read_fd_limit), for then nothing could ever be read.
            pub fn set_read_queue_limit(&mut self, limit: usize) -> Result<(), crate::FdError> {
                let (_, receiver) = self.reading();
                receiver.limits = receiver.limits.with_queue(limit)?;
                Ok(())
            }

            /// Why every read fails from now on, if it does.
            pub fn read_error(&self) -> Option<crate::FdError> {
                self.receiver().failed
            }
        }

        /// Descriptors that came with a read are at the back of the read queue when it returns.
        ///
        /// A full read queue fails the read, and nothing is lost; an adapter that reads in a loop
        /// (`read_exact`, `copy`) gives up with that error, so drain the queue first.
        impl<$($generics)*> tokio::io::AsyncRead for $type {
            fn poll_read(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &mut tokio::io::ReadBuf<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                self.get_mut().poll_recv_with_fds(cx, buf).map_ok(|_| ())
            }
        }
    };
}

/// What a sending side can do.
macro_rules! write_face {
    ([$($generics:tt)*] $type:ty) => {
        impl<$($generics)*> $type {
            /// Descriptors that leave with the first byte of the next write.
            pub fn write_queue(&self) -> &std::collections::VecDeque<std::os::fd::OwnedFd> {
                &self.sender().queue
            }

            /// Descriptors that leave with the first byte of the next write, to add some.
            ///
            /// They all leave in one message, so there may be at most
            /// [`write_fd_limit`](Self::write_fd_limit) of them when you write.
            pub fn write_queue_mut(
                &mut self,
            ) -> &mut std::collections::VecDeque<std::os::fd::OwnedFd> {
                &mut self.writing().1.queue
            }

            /// Sends once, with one `sendmsg`: bytes, and descriptors that stay yours.
            ///
            /// The descriptors left if and only if this returns Ok. Not all of `buf` may have left
            /// (the count says how much); write the rest without descriptors.
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
            /// # use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
            /// # #[tokio::main(flavor = "current_thread")]
            /// # async fn main() -> std::io::Result<()> {
            /// use tokio::io::AsyncWriteExt;
            ///
            /// let (mut stream, _peer) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
            /// let null = std::fs::File::open("/dev/null")?;
            ///
            /// let message = b"a message that may be long";
            /// let sent = stream.send_with_fds(message, &[&null]).await?;
            /// stream.write_all(&message[sent..]).await?;
            /// # Ok(())
            /// # }
            /// ```
            pub async fn send_with_fds<F: std::os::fd::AsFd>(
                &mut self,
                buf: &[u8],
                fds: &[F],
            ) -> std::io::Result<usize> {
                self.send_vectored_with_fds(&[std::io::IoSlice::new(buf)], fds).await
            }

            /// As [`send_with_fds`](Self::send_with_fds), from several buffers, one after the
            /// other.
            ///
            /// At most 1,024 of them (`UIO_MAXIOV`) leave with one call.
            pub async fn send_vectored_with_fds<F: std::os::fd::AsFd>(
                &mut self,
                bufs: &[std::io::IoSlice<'_>],
                fds: &[F],
            ) -> std::io::Result<usize> {
                std::future::poll_fn(|cx| self.poll_send_vectored_with_fds(cx, bufs, fds)).await
            }

            /// As [`send_vectored_with_fds`](Self::send_vectored_with_fds), for futures by hand.
            pub fn poll_send_vectored_with_fds<F: std::os::fd::AsFd>(
                &mut self,
                cx: &mut std::task::Context<'_>,
                bufs: &[std::io::IoSlice<'_>],
                fds: &[F],
            ) -> std::task::Poll<std::io::Result<usize>> {
                let (socket, sender) = self.writing();
                sender.poll_send(socket, cx, bufs, fds).map_err(std::io::Error::from)
            }

            /// As [`send_with_fds`](Self::send_with_fds), or `WouldBlock`.
            pub fn try_send_with_fds<F: std::os::fd::AsFd>(
                &mut self,
                buf: &[u8],
                fds: &[F],
            ) -> std::io::Result<usize> {
                self.try_send_vectored_with_fds(&[std::io::IoSlice::new(buf)], fds)
            }

            /// As [`send_vectored_with_fds`](Self::send_vectored_with_fds), or `WouldBlock`.
            pub fn try_send_vectored_with_fds<F: std::os::fd::AsFd>(
                &mut self,
                bufs: &[std::io::IoSlice<'_>],
                fds: &[F],
            ) -> std::io::Result<usize> {
                let (socket, sender) = self.writing();
                Ok(sender.try_send(socket, bufs, fds)?)
            }

            /// Writes once, the write queue with the first byte, or `WouldBlock`.
            pub fn try_write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
                self.try_write_vectored(&[std::io::IoSlice::new(buf)])
            }

            /// As [`try_write`](Self::try_write), from several buffers, one after the other.
            ///
            /// At most 1,024 of them (`UIO_MAXIOV`) leave with one call.
            pub fn try_write_vectored(
                &mut self,
                bufs: &[std::io::IoSlice<'_>],
            ) -> std::io::Result<usize> {
                let (socket, sender) = self.writing();
                Ok(sender.try_write(socket, bufs)?)
            }

            /// Waits until there is room to write.
            ///
            /// # Cancel safety
            ///
            /// Cancel safe: readiness that was missed is found again by the next call.
            pub async fn writable(&self) -> std::io::Result<()> {
                self.socket().io().writable().await
            }

            /// As [`writable`](Self::writable); only the last task that asked is woken.
            pub fn poll_write_ready(
                &self,
                cx: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                self.socket().io().poll_write_ready(cx)
            }

            /// The most descriptors that may leave with one write.
            pub fn write_fd_limit(&self) -> usize {
                self.sender().limits.set
            }

            /// Sets the most descriptors that may leave with one write; 0 for none at all.
            ///
            /// A write with more is refused and changes nothing
            /// ([`TooManyToSend`](crate::FdError::TooManyToSend)).
            ///
            /// # Errors
            ///
            /// [`LimitOutOfRange`](crate::FdError::LimitOutOfRange) above
            /// [`FD_LIMIT`](Self::FD_LIMIT).
            pub fn set_write_fd_limit(&mut self, limit: usize) -> Result<(), crate::FdError> {
                let (_, sender) = self.writing();
                sender.limits = sender.limits.with_set(limit)?;
                Ok(())
            }
        }

        /// The write queue leaves with the first byte that is written, and is empty then; a write
        /// of no bytes sends nothing and keeps it. Nothing is buffered, so a flush does nothing.
        ///
        /// A future that was dropped half way (`write_all` in a `select!`) may have written some;
        /// whether the descriptors left, the queue tells: they did if it is empty.
        ///
        /// A shutdown with descriptors in the queue is
        /// [`FdsWithoutBytes`](crate::FdError::FdsWithoutBytes) and shuts nothing down.
        impl<$($generics)*> tokio::io::AsyncWrite for $type {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                buf: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                self.poll_write_vectored(cx, &[std::io::IoSlice::new(buf)])
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                cx: &mut std::task::Context<'_>,
                bufs: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                let (socket, sender) = self.get_mut().writing();
                sender.poll_write(socket, cx, bufs).map_err(std::io::Error::from)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::task::Poll::Ready(Ok(()))
            }

            fn poll_shutdown(
                self: std::pin::Pin<&mut Self>,
                _: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                let (socket, sender) = self.get_mut().writing();
                std::task::Poll::Ready(Ok(sender.shutdown(socket)?))
            }
        }
    };
}
