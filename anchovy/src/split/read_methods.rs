//! The methods of the halves that receive.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};

use super::borrowed::ReadHalf;
use super::owned::OwnedReadHalf;
use crate::error::fd_error::FdError;
use crate::receive::Received;
use crate::socket::Source;

macro_rules! read_methods {
    ([$($generics:tt)*] $half:ty, $name:literal) => {
        impl<$($generics)*> $half {
            /// Returns the read queue; see
            /// [`AnchovyStream::read_queue`](crate::AnchovyStream::read_queue).
            pub fn read_queue(&self) -> &VecDeque<OwnedFd> {
                &self.receiver.queue
            }

            /// Returns the read queue mutably; see
            /// [`AnchovyStream::read_queue_mut`](crate::AnchovyStream::read_queue_mut).
            pub fn read_queue_mut(&mut self) -> &mut VecDeque<OwnedFd> {
                &mut self.receiver.queue
            }

            /// Receives bytes, and descriptors into a vector; see
            /// [`AnchovyStream::recv_with_fds`](crate::AnchovyStream::recv_with_fds).
            #[expect(clippy::missing_errors_doc, reason = "documented there")]
            pub async fn recv_with_fds(
                &mut self,
                buf: &mut [u8],
                fds: &mut Vec<OwnedFd>,
            ) -> io::Result<Received> {
                let mut buf = ReadBuf::new(buf);
                poll_fn(|cx| self.poll_recv_with_fds(cx, &mut buf, fds)).await
            }

            /// Polls for bytes, and descriptors into a vector; see
            /// [`AnchovyStream::poll_recv_with_fds`](crate::AnchovyStream::poll_recv_with_fds).
            pub fn poll_recv_with_fds(
                &mut self,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
                fds: &mut Vec<OwnedFd>,
            ) -> Poll<io::Result<Received>> {
                self.receiver.poll_receive_into(Source::shared(&self.socket), cx, buf, fds).map_err(io::Error::from)
            }

            /// Receives bytes, and descriptors into a vector, or returns `WouldBlock`; see
            /// [`AnchovyStream::try_recv_with_fds`](crate::AnchovyStream::try_recv_with_fds).
            pub fn try_recv_with_fds(
                &mut self,
                buf: &mut [u8],
                fds: &mut Vec<OwnedFd>,
            ) -> io::Result<Received> {
                let mut buf = ReadBuf::new(buf);
                Ok(self.receiver.try_receive_into(Source::shared(&self.socket), &mut buf, fds)?)
            }

            /// Receives bytes, and descriptors into the read queue; see
            /// [`AnchovyStream::recv`](crate::AnchovyStream::recv).
            #[expect(clippy::missing_errors_doc, reason = "documented there")]
            pub async fn recv(&mut self, buf: &mut [u8]) -> io::Result<Received> {
                let mut buf = ReadBuf::new(buf);
                poll_fn(|cx| self.poll_recv(cx, &mut buf)).await
            }

            /// Polls for bytes, and descriptors into the read queue; see
            /// [`AnchovyStream::poll_recv`](crate::AnchovyStream::poll_recv).
            pub fn poll_recv(
                &mut self,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<Received>> {
                self.receiver.poll_receive(Source::shared(&self.socket), cx, buf).map_err(io::Error::from)
            }

            /// Receives bytes, and descriptors into the read queue, or returns `WouldBlock`; see
            /// [`AnchovyStream::try_recv`](crate::AnchovyStream::try_recv).
            pub fn try_recv(&mut self, buf: &mut [u8]) -> io::Result<Received> {
                Ok(self.receiver.try_receive(Source::shared(&self.socket), &mut ReadBuf::new(buf))?)
            }

            /// Reads bytes, or returns `WouldBlock`; see
            /// [`AnchovyStream::try_read`](crate::AnchovyStream::try_read).
            pub fn try_read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.try_recv(buf).map(|received| received.bytes)
            }

            /// Reads bytes into several buffers, or returns `WouldBlock`; see
            /// [`AnchovyStream::try_read_vectored`](crate::AnchovyStream::try_read_vectored).
            pub fn try_read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                Ok(self.receiver.try_receive_vectored(Source::shared(&self.socket), bufs)?.bytes)
            }

            /// Waits until the stream is readable; see
            /// [`AnchovyStream::readable`](crate::AnchovyStream::readable).
            pub async fn readable(&self) -> io::Result<()> {
                self.socket.io().readable().await
            }

            /// Polls for readability; see
            /// [`AnchovyStream::poll_read_ready`](crate::AnchovyStream::poll_read_ready).
            pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.socket.io().poll_read_ready(cx)
            }

            /// Returns the maximum number of descriptors in one received message; see
            /// [`AnchovyStream::read_fd_limit`](crate::AnchovyStream::read_fd_limit).
            pub fn read_fd_limit(&self) -> usize {
                self.receiver.limits.fd_limit
            }

            /// Sets the maximum number of descriptors in one received message; see
            /// [`AnchovyStream::set_read_fd_limit`](crate::AnchovyStream::set_read_fd_limit).
            #[expect(clippy::missing_errors_doc, reason = "documented there")]
            pub fn set_read_fd_limit(&mut self, limit: usize) -> Result<(), FdError> {
                self.receiver.limits = self.receiver.limits.with_fd_limit(limit)?;
                Ok(())
            }

            /// Returns the maximum number of descriptors in the read queue; see
            /// [`AnchovyStream::read_queue_limit`](crate::AnchovyStream::read_queue_limit).
            pub fn read_queue_limit(&self) -> usize {
                self.receiver.limits.queue_limit
            }

            /// Sets the maximum number of descriptors in the read queue; see
            /// [`AnchovyStream::set_read_queue_limit`](crate::AnchovyStream::set_read_queue_limit).
            #[expect(clippy::missing_errors_doc, reason = "documented there")]
            pub fn set_read_queue_limit(&mut self, limit: usize) -> Result<(), FdError> {
                self.receiver.limits = self.receiver.limits.with_queue_limit(limit)?;
                Ok(())
            }

            /// Returns the error of a failed read side; see
            /// [`AnchovyStream::read_error`](crate::AnchovyStream::read_error).
            pub fn read_error(&self) -> Option<FdError> {
                self.receiver.failed()
            }
        }

        /// Reads like [`AnchovyStream`](crate::AnchovyStream).
        impl<$($generics)*> AsyncRead for $half {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                self.get_mut().poll_recv(cx, buf).map_ok(|_| ())
            }
        }

        impl<$($generics)*> fmt::Debug for $half {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut debug = f.debug_struct($name);
                debug.field("fd", &self.as_raw_fd());
                debug.field("S", &S).field("FD_LIMIT", &Self::FD_LIMIT);
                self.receiver.debug(&mut debug);
                debug.finish()
            }
        }
    };
}

read_methods!(['a, const S: usize] ReadHalf<'a, S>, "ReadHalf");
read_methods!([const S: usize] OwnedReadHalf<S>, "OwnedReadHalf");
