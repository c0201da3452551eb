//! The methods of the halves that send.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

use super::borrowed::WriteHalf;
use super::owned::OwnedWriteHalf;
use crate::error::fd_error::FdError;

macro_rules! write_methods {
    ([$($generics:tt)*] $half:ty, $name:literal) => {
        impl<$($generics)*> $half {
            /// Returns the write queue; see
            /// [`AnchovyStream::write_queue`](crate::AnchovyStream::write_queue).
            pub fn write_queue(&self) -> &VecDeque<OwnedFd> {
                &self.sender.queue
            }

            /// Returns the write queue mutably; see
            /// [`AnchovyStream::write_queue_mut`](crate::AnchovyStream::write_queue_mut).
            pub fn write_queue_mut(&mut self) -> &mut VecDeque<OwnedFd> {
                &mut self.sender.queue
            }

            /// Sends bytes and borrowed descriptors; see
            /// [`AnchovyStream::send_with_fds`](crate::AnchovyStream::send_with_fds).
            #[expect(clippy::missing_errors_doc, reason = "documented there")]
            pub async fn send_with_fds<F: AsFd>(
                &mut self,
                buf: &[u8],
                fds: &[F],
            ) -> io::Result<usize> {
                self.send_vectored_with_fds(&[IoSlice::new(buf)], fds).await
            }

            /// Sends bytes from several buffers, and borrowed descriptors; see
            /// [`AnchovyStream::send_vectored_with_fds`](crate::AnchovyStream::send_vectored_with_fds).
            pub async fn send_vectored_with_fds<F: AsFd>(
                &mut self,
                bufs: &[IoSlice<'_>],
                fds: &[F],
            ) -> io::Result<usize> {
                poll_fn(|cx| self.poll_send_vectored_with_fds(cx, bufs, fds)).await
            }

            /// Polls sending bytes from several buffers, and borrowed descriptors; see
            /// [`AnchovyStream::poll_send_vectored_with_fds`](crate::AnchovyStream::poll_send_vectored_with_fds).
            pub fn poll_send_vectored_with_fds<F: AsFd>(
                &mut self,
                cx: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
                fds: &[F],
            ) -> Poll<io::Result<usize>> {
                self.sender.poll_send(&self.socket, cx, bufs, fds).map_err(io::Error::from)
            }

            /// Sends bytes and borrowed descriptors, or returns `WouldBlock`; see
            /// [`AnchovyStream::try_send_with_fds`](crate::AnchovyStream::try_send_with_fds).
            pub fn try_send_with_fds<F: AsFd>(
                &mut self,
                buf: &[u8],
                fds: &[F],
            ) -> io::Result<usize> {
                self.try_send_vectored_with_fds(&[IoSlice::new(buf)], fds)
            }

            /// Sends bytes from several buffers, and borrowed descriptors, or returns
            /// `WouldBlock`; see
            /// [`AnchovyStream::try_send_vectored_with_fds`](crate::AnchovyStream::try_send_vectored_with_fds).
            pub fn try_send_vectored_with_fds<F: AsFd>(
                &mut self,
                bufs: &[IoSlice<'_>],
                fds: &[F],
            ) -> io::Result<usize> {
                Ok(self.sender.try_send(&self.socket, bufs, fds)?)
            }

            /// Writes once, or returns `WouldBlock`. The descriptors in the write queue are sent
            /// with the first byte; see
            /// [`AnchovyStream::try_write`](crate::AnchovyStream::try_write).
            pub fn try_write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.try_write_vectored(&[IoSlice::new(buf)])
            }

            /// Writes once from several buffers, or returns `WouldBlock`. The descriptors in the
            /// write queue are sent with the first byte; see
            /// [`AnchovyStream::try_write_vectored`](crate::AnchovyStream::try_write_vectored).
            pub fn try_write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                Ok(self.sender.try_write(&self.socket, bufs)?)
            }

            /// Waits until the stream is writable; see
            /// [`AnchovyStream::writable`](crate::AnchovyStream::writable).
            pub async fn writable(&self) -> io::Result<()> {
                self.socket.io().writable().await
            }

            /// Polls for writability; see
            /// [`AnchovyStream::poll_write_ready`](crate::AnchovyStream::poll_write_ready).
            pub fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.socket.io().poll_write_ready(cx)
            }

            /// Returns the maximum number of descriptors in one sent message; see
            /// [`AnchovyStream::write_fd_limit`](crate::AnchovyStream::write_fd_limit).
            pub fn write_fd_limit(&self) -> usize {
                self.sender.limits.fd_limit
            }

            /// Sets the maximum number of descriptors in one sent message; see
            /// [`AnchovyStream::set_write_fd_limit`](crate::AnchovyStream::set_write_fd_limit).
            #[expect(clippy::missing_errors_doc, reason = "documented there")]
            pub fn set_write_fd_limit(&mut self, limit: usize) -> Result<(), FdError> {
                self.sender.limits = self.sender.limits.with_fd_limit(limit)?;
                Ok(())
            }
        }

        /// Writes like [`AnchovyStream`](crate::AnchovyStream).
        impl<$($generics)*> AsyncWrite for $half {
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

        impl<$($generics)*> fmt::Debug for $half {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut debug = f.debug_struct($name);
                debug.field("fd", &self.as_raw_fd());
                debug.field("S", &S).field("FD_LIMIT", &Self::FD_LIMIT);
                self.sender.debug(&mut debug);
                debug.finish()
            }
        }
    };
}

write_methods!(['a, const S: usize] WriteHalf<'a, S>, "WriteHalf");
write_methods!([const S: usize] OwnedWriteHalf<S>, "OwnedWriteHalf");
