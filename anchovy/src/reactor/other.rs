//! Sockets of tokio, on systems that do not report the readiness of out-of-band bytes.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::{UnixListener as StdUnixListener, UnixStream as StdUnixStream};
use std::task::{Context, Poll, ready};

use tokio::io::{Interest, Ready};
use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};

use super::transfer::{Transfer, TryIo};
use crate::path::SocketPath;
use crate::peer_credentials::PeerCredentials;

/// A stream that is registered with tokio.
#[derive(Debug)]
pub(crate) struct Stream(UnixStream);

impl Stream {
    /// Registers a non-blocking socket. Panics outside of a tokio runtime with I/O enabled.
    pub(crate) fn new(socket: StdUnixStream) -> io::Result<Stream> {
        UnixStream::from_std(socket).map(Stream)
    }

    pub(crate) fn pair() -> io::Result<(Stream, Stream)> {
        let (left, right) = UnixStream::pair()?;
        Ok((Stream(left), Stream(right)))
    }

    /// Connects to a listener. connect(2) fails with `EAGAIN` if the backlog is full.
    pub(crate) async fn connect(path: &SocketPath) -> io::Result<Stream> {
        UnixStream::connect(&path.path).await.map(Stream)
    }

    pub(crate) fn into_std(self) -> io::Result<StdUnixStream> {
        self.0.into_std()
    }

    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_read_ready(cx)
    }

    pub(crate) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.poll_write_ready(cx)
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.0.readable().await
    }

    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.0.writable().await
    }

    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.0.ready(interest).await
    }

    /// Waits until the socket is readable, and calls `io`. Clears the readiness as `io` requires.
    pub(crate) fn poll_read_io<R>(
        &self,
        cx: &mut Context<'_>,
        mut io: impl FnMut() -> io::Result<Transfer<R>>,
    ) -> Poll<io::Result<R>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            match self.try_transfer(Interest::READABLE, &mut io) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    /// Waits until the socket is writable, and calls `io`. Clears the readiness as `io` requires.
    pub(crate) fn poll_write_io<R>(
        &self,
        cx: &mut Context<'_>,
        mut io: impl FnMut() -> io::Result<Transfer<R>>,
    ) -> Poll<io::Result<R>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match self.try_transfer(Interest::WRITABLE, &mut io) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return Poll::Ready(outcome),
            }
        }
    }

    pub(crate) async fn async_io<R>(
        &self,
        interest: Interest,
        io: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        self.0.async_io(interest, io).await
    }

    /// Returns whether a read may end early without a control message. It may always, for all that is
    /// known.
    pub(crate) fn has_priority(&self) -> bool {
        true
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }

    pub(crate) fn peer_cred(&self) -> io::Result<PeerCredentials> {
        self.0.peer_cred().map(PeerCredentials::from_tokio)
    }

    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.0.take_error()
    }
}

impl TryIo for Stream {
    fn try_io<R>(&self, interest: Interest, io: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        self.0.try_io(interest, io)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// A listener that is registered with tokio.
#[derive(Debug)]
pub(crate) struct Listener(UnixListener);

impl Listener {
    /// Registers a non-blocking socket. Panics outside of a tokio runtime with I/O enabled.
    pub(crate) fn new(socket: StdUnixListener) -> io::Result<Listener> {
        UnixListener::from_std(socket).map(Listener)
    }

    pub(crate) async fn accept(&self) -> io::Result<(Accepted, ClientAddress)> {
        let (socket, address) = self.0.accept().await?;
        Ok((Accepted(socket), ClientAddress(address)))
    }

    pub(crate) fn poll_accept(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Accepted, ClientAddress)>> {
        let accepted = self.0.poll_accept(cx);
        accepted.map_ok(|(socket, address)| (Accepted(socket), ClientAddress(address)))
    }

    pub(crate) fn into_std(self) -> io::Result<StdUnixListener> {
        self.0.into_std()
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// An accepted socket. tokio has registered it already.
#[derive(Debug)]
pub(crate) struct Accepted(UnixStream);

impl Accepted {
    pub(crate) fn peer_cred(&self) -> io::Result<PeerCredentials> {
        self.0.peer_cred().map(PeerCredentials::from_tokio)
    }

    pub(crate) fn register(self) -> io::Result<Stream> {
        Ok(Stream(self.0))
    }
}

/// The address of an accepted client.
#[derive(Debug)]
pub(crate) struct ClientAddress(SocketAddr);

impl ClientAddress {
    pub(crate) fn into_address(self) -> SocketAddr {
        self.0
    }
}
