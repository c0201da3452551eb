//! The methods of the halves that concern the socket.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use tokio::io::{Interest, Ready};
use tokio::net::unix::SocketAddr;

use super::borrowed::{ReadHalf, WriteHalf};
use super::owned::{OwnedReadHalf, OwnedWriteHalf};
use crate::passing;
use crate::peer_credentials::PeerCredentials;
use crate::reactor::TryIo;
use crate::space::Space;
use crate::sys::options;

macro_rules! socket_methods {
    ([$($generics:tt)*] $half:ty) => {
        impl<$($generics)*> $half {
            /// Maximum number of descriptors in one message for this `S`; see
            /// [`AnchovyStream::FD_LIMIT`](crate::AnchovyStream::FD_LIMIT).
            pub const FD_LIMIT: usize = Space::from_bytes(S).fds();

            /// Waits until the socket is ready; see
            /// [`AnchovyStream::ready`](crate::AnchovyStream::ready).
            pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
                self.socket.io().ready(interest).await
            }

            /// Runs a closure that performs non-blocking I/O on the socket; see
            /// [`AnchovyStream::try_io`](crate::AnchovyStream::try_io).
            #[expect(clippy::missing_errors_doc, reason = "documented there")]
            pub fn try_io<R>(
                &self,
                interest: Interest,
                io: impl FnOnce() -> io::Result<R>,
            ) -> io::Result<R> {
                self.socket.io().try_io(interest, io)
            }

            /// Waits for the socket and runs a closure that performs non-blocking I/O on it; see
            /// [`AnchovyStream::async_io`](crate::AnchovyStream::async_io).
            pub async fn async_io<R>(
                &self,
                interest: Interest,
                io: impl FnMut() -> io::Result<R>,
            ) -> io::Result<R> {
                self.socket.io().async_io(interest, io).await
            }

            /// Returns the local address; see
            /// [`AnchovyStream::local_addr`](crate::AnchovyStream::local_addr).
            pub fn local_addr(&self) -> io::Result<SocketAddr> {
                self.socket.io().local_addr()
            }

            /// Returns the peer's address; see
            /// [`AnchovyStream::peer_addr`](crate::AnchovyStream::peer_addr).
            pub fn peer_addr(&self) -> io::Result<SocketAddr> {
                self.socket.io().peer_addr()
            }

            /// Returns the credentials of the peer; see
            /// [`AnchovyStream::peer_cred`](crate::AnchovyStream::peer_cred).
            pub fn peer_cred(&self) -> io::Result<PeerCredentials> {
                self.socket.io().peer_cred()
            }

            /// Returns a pidfd of the peer's process; see
            /// [`AnchovyStream::peer_pidfd`](crate::AnchovyStream::peer_pidfd).
            pub fn peer_pidfd(&self) -> io::Result<OwnedFd> {
                options::peer_pidfd(self.as_fd())
            }

            /// Returns whether peers can send descriptors to this socket; see
            /// [`AnchovyStream::fd_passing`](crate::AnchovyStream::fd_passing).
            pub fn fd_passing(&self) -> io::Result<bool> {
                passing::fd_passing(self.as_fd())
            }

            /// Sets whether peers can send descriptors to this socket; see
            /// [`AnchovyStream::set_fd_passing`](crate::AnchovyStream::set_fd_passing).
            pub fn set_fd_passing(&self, on: bool) -> io::Result<()> {
                self.socket.set_fd_passing(on)
            }

            /// Returns and clears the pending error of the socket; see
            /// [`AnchovyStream::take_error`](crate::AnchovyStream::take_error).
            pub fn take_error(&self) -> io::Result<Option<io::Error>> {
                self.socket.io().take_error()
            }
        }

        /// Borrows the socket, as for [`AnchovyStream`](crate::AnchovyStream). I/O on it bypasses
        /// queues and limits.
        impl<$($generics)*> AsFd for $half {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.socket.io().as_fd()
            }
        }

        impl<$($generics)*> AsRawFd for $half {
            fn as_raw_fd(&self) -> RawFd {
                self.socket.io().as_raw_fd()
            }
        }
    };
}

socket_methods!(['a, const S: usize] ReadHalf<'a, S>);
socket_methods!(['a, const S: usize] WriteHalf<'a, S>);
socket_methods!([const S: usize] OwnedReadHalf<S>);
socket_methods!([const S: usize] OwnedWriteHalf<S>);
