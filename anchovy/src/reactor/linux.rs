//! Sockets on `AsyncFd`.

use std::ffi::OsStr;
use std::future::{Future, poll_fn};
use std::io;
#[cfg(target_os = "android")]
use std::os::android::net::SocketAddrExt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
#[cfg(target_os = "linux")]
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{
    SocketAddr as StdSocketAddr, UnixListener as StdUnixListener, UnixStream as StdUnixStream,
};
use std::pin::pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, ready};

use rustix::net::{
    AddressFamily, SocketAddrAny, SocketAddrUnix, SocketFlags, SocketType, acceptfrom_with,
    connect, socket_with, socketpair,
};
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use tokio::io::{Interest, Ready};
use tokio::net::unix::SocketAddr;
use tokio::task::coop::poll_proceed;

use super::transfer::{Transfer, TryIo};
use crate::path::SocketPath;
use crate::peer_credentials::PeerCredentials;
use crate::sys::{options, register};

const FLAGS: SocketFlags = SocketFlags::CLOEXEC.union(SocketFlags::NONBLOCK);

/// A stream that is registered with tokio.
#[derive(Debug)]
pub(crate) struct Stream {
    socket: AsyncFd<StdUnixStream>,
    assumed: Assumed,
}

impl Stream {
    /// Registers a non-blocking socket. Panics outside of a tokio runtime with I/O enabled.
    pub(crate) fn new(socket: StdUnixStream) -> io::Result<Stream> {
        Stream::assumed(socket, Ready::EMPTY)
    }

    /// Registers a non-blocking socket that is probably ready.
    #[inline]
    fn assumed(socket: impl Into<StdUnixStream>, ready: Ready) -> io::Result<Stream> {
        let interest = Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY;
        let socket = register::stream(socket.into(), interest)?;
        Ok(Stream { socket, assumed: Assumed::new(ready) })
    }

    pub(crate) fn pair() -> io::Result<(Stream, Stream)> {
        let (left, right) = socketpair(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)?;
        Ok((Stream::assumed(left, Ready::WRITABLE)?, Stream::assumed(right, Ready::WRITABLE)?))
    }

    /// Connects to a listener. connect(2) does not wait: it fails with `EAGAIN` if the backlog is full.
    pub(crate) async fn connect(path: &SocketPath) -> io::Result<Stream> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None)?;
        connect(&socket, &path.address)?;
        Stream::assumed(socket, Ready::WRITABLE)
    }

    pub(crate) fn into_std(self) -> io::Result<StdUnixStream> {
        Ok(self.socket.into_inner())
    }

    #[inline]
    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.assumed.is(Interest::READABLE) {
            return assume(cx);
        }
        self.socket.poll_read_ready(cx).map_ok(drop)
    }

    #[inline]
    pub(crate) fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.assumed.is(Interest::WRITABLE) {
            return assume(cx);
        }
        self.socket.poll_write_ready(cx).map_ok(drop)
    }

    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.ready(Interest::READABLE).await.map(drop)
    }

    pub(crate) async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(drop)
    }

    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        let mut known = pin!(self.socket.ready(interest));
        if self.assumed.is(interest) {
            poll_fn(assume).await?;
            let assumed = self.assumed.ready(interest);
            // An event may have told more.
            return poll_fn(|cx| match known.as_mut().poll(cx) {
                Poll::Ready(guard) => Poll::Ready(guard.map(|guard| guard.ready() | assumed)),
                Poll::Pending => Poll::Ready(Ok(assumed)),
            })
            .await;
        }
        Ok(known.await?.ready())
    }

    /// Waits until the socket is readable, and calls `io`. Clears the readiness as `io` requires.
    #[inline(always)]
    pub(crate) fn poll_read_io<R>(
        &self,
        cx: &mut Context<'_>,
        mut io: impl FnMut() -> io::Result<Transfer<R>>,
    ) -> Poll<io::Result<R>> {
        loop {
            let readiness = if self.assumed.is(Interest::READABLE) {
                ready!(self.poll_assumed(cx, Interest::READABLE))?
            } else {
                Readiness::Known(ready!(self.socket.poll_read_ready(cx))?)
            };
            if let Some(outcome) = self.finish(io(), readiness, Interest::READABLE) {
                return Poll::Ready(outcome);
            }
        }
    }

    /// Waits until the socket is writable, and calls `io`. Clears the readiness as `io` requires.
    #[inline(always)]
    pub(crate) fn poll_write_io<R>(
        &self,
        cx: &mut Context<'_>,
        mut io: impl FnMut() -> io::Result<Transfer<R>>,
    ) -> Poll<io::Result<R>> {
        loop {
            let readiness = if self.assumed.is(Interest::WRITABLE) {
                ready!(self.poll_assumed(cx, Interest::WRITABLE))?
            } else {
                Readiness::Known(ready!(self.socket.poll_write_ready(cx))?)
            };
            if let Some(outcome) = self.finish(io(), readiness, Interest::WRITABLE) {
                return Poll::Ready(outcome);
            }
        }
    }

    /// Returns the readiness of a socket that is assumed to be ready.
    #[cold]
    fn poll_assumed(
        &self,
        cx: &mut Context<'_>,
        interest: Interest,
    ) -> Poll<io::Result<Readiness<'_>>> {
        ready!(assume(cx))?;
        Poll::Ready(match pin!(self.socket.ready(interest)).poll(cx) {
            Poll::Ready(known) => {
                self.assumed.clear(interest);
                known.map(Readiness::Known)
            }
            Poll::Pending => Ok(Readiness::Assumed),
        })
    }

    /// Clears the readiness if that is required. Returns `None` if `outcome` is `WouldBlock`.
    #[inline(always)]
    fn finish<R>(
        &self,
        outcome: io::Result<Transfer<R>>,
        readiness: Readiness<'_>,
        interest: Interest,
    ) -> Option<io::Result<R>> {
        let (outcome, clears) = match outcome {
            Ok(Transfer { value, exhausts }) => (Some(Ok(value)), exhausts),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => (None, true),
            Err(error) => (Some(Err(error)), false),
        };
        if clears {
            match readiness {
                Readiness::Assumed => self.assumed.clear(interest),
                Readiness::Known(mut guard) => guard.clear_ready(),
            }
        }
        outcome
    }

    #[cold]
    fn try_assumed<R>(
        &self,
        interest: Interest,
        io: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        let mut io = Some(io);
        let known = self.socket.try_io(interest, |_| io.take().map(|io| io()).transpose());
        let outcome = match io {
            // It was not called: no event has told that the socket is ready.
            Some(io) => io(),
            None => {
                self.assumed.clear(interest);
                return known.map(|value| value.expect("it was called"));
            }
        };
        if outcome.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
            self.assumed.clear(interest);
        }
        outcome
    }

    pub(crate) async fn async_io<R>(
        &self,
        interest: Interest,
        mut io: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        loop {
            self.ready(interest).await?;
            match self.try_io(interest, &mut io) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => return outcome,
            }
        }
    }

    /// Returns whether the peer has sent an out-of-band byte, or has shut down its write side.
    ///
    /// A read ends before an out-of-band byte, and no event announces the bytes after it. An event that
    /// announces bytes also announces the out-of-band byte among them (`EPOLLPRI`). If the byte is sent
    /// after that event, the kernel reports another event, and a clearing of the readiness that belongs
    /// to the former event has no effect.
    #[inline]
    pub(crate) fn has_priority(&self) -> bool {
        self.socket.try_io(Interest::PRIORITY, |_| Ok(())).is_ok()
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get_ref().local_addr().map(SocketAddr::from)
    }

    pub(crate) fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.get_ref().peer_addr().map(SocketAddr::from)
    }

    pub(crate) fn peer_cred(&self) -> io::Result<PeerCredentials> {
        options::peer_cred(self.as_fd())
    }

    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.get_ref().take_error()
    }
}

impl TryIo for Stream {
    #[inline]
    fn try_io<R>(&self, interest: Interest, io: impl FnOnce() -> io::Result<R>) -> io::Result<R> {
        if self.assumed.is(interest) {
            return self.try_assumed(interest, io);
        }
        self.socket.try_io(interest, |_| io())
    }
}

impl AsFd for Stream {
    #[inline]
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.get_ref().as_fd()
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.get_ref().as_raw_fd()
    }
}

/// Directions in which a socket is ready although no event has told so yet. A new socket has room for
/// bytes, and most clients send before they are accepted, so the first operation need not wait for an event.
/// An operation that finds the socket not ready ends the assumption. So does the first operation after an
/// event has told that the socket is ready.
///
/// Events are not affected: the socket is registered before its first operation, so what arrives after
/// that causes one.
#[derive(Debug)]
struct Assumed(AtomicU8);

const READ: u8 = 1;
const WRITE: u8 = 2;

impl Assumed {
    #[inline]
    fn new(ready: Ready) -> Assumed {
        let bits = u8::from(ready.is_readable()) * READ + u8::from(ready.is_writable()) * WRITE;
        Assumed(AtomicU8::new(bits))
    }

    fn bits(interest: Interest) -> u8 {
        u8::from(interest.is_readable()) * READ + u8::from(interest.is_writable()) * WRITE
    }

    #[inline]
    fn is(&self, interest: Interest) -> bool {
        let assumed = self.0.load(Ordering::Relaxed);
        assumed != 0 && assumed & Assumed::bits(interest) != 0
    }

    fn ready(&self, interest: Interest) -> Ready {
        let assumed = self.0.load(Ordering::Relaxed) & Assumed::bits(interest);
        let readable = if assumed & READ != 0 { Ready::READABLE } else { Ready::EMPTY };
        let writable = if assumed & WRITE != 0 { Ready::WRITABLE } else { Ready::EMPTY };
        readable | writable
    }

    fn clear(&self, interest: Interest) {
        self.0.fetch_and(!Assumed::bits(interest), Ordering::Relaxed);
    }
}

/// The reason for an operation.
enum Readiness<'a> {
    /// No event has told that the socket is ready.
    Assumed,
    Known(AsyncFdReadyGuard<'a, StdUnixStream>),
}

/// Returns `Ready`, unless the task has to let others run (`tokio::task::coop`).
fn assume(cx: &mut Context<'_>) -> Poll<io::Result<()>> {
    ready!(poll_proceed(cx)).made_progress();
    Poll::Ready(Ok(()))
}

/// A listener that is registered with tokio.
#[derive(Debug)]
pub(crate) struct Listener(AsyncFd<StdUnixListener>);

impl Listener {
    /// Registers a non-blocking socket. Panics outside of a tokio runtime with I/O enabled.
    pub(crate) fn new(socket: StdUnixListener) -> io::Result<Listener> {
        register::listener(socket, Interest::READABLE).map(Listener)
    }

    pub(crate) async fn accept(&self) -> io::Result<(Accepted, ClientAddress)> {
        self.0.async_io(Interest::READABLE, accept).await
    }

    pub(crate) fn poll_accept(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(Accepted, ClientAddress)>> {
        loop {
            let mut guard = ready!(self.0.poll_read_ready(cx))?;
            // `Err` means that there was no client; the readiness is cleared then.
            if let Ok(accepted) = guard.try_io(|listener| accept(listener.get_ref())) {
                return Poll::Ready(accepted);
            }
        }
    }

    pub(crate) fn into_std(self) -> io::Result<StdUnixListener> {
        Ok(self.0.into_inner())
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.get_ref().local_addr().map(SocketAddr::from)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.0.get_ref().as_raw_fd()
    }
}

#[inline]
fn accept(listener: &StdUnixListener) -> io::Result<(Accepted, ClientAddress)> {
    let (socket, address) = acceptfrom_with(listener, FLAGS)?;
    let socket = StdUnixStream::from(socket);
    let address = ClientAddress::new(&socket, address)?;
    Ok((Accepted(socket), address))
}

/// An accepted socket that is not registered with tokio yet.
#[derive(Debug)]
pub(crate) struct Accepted(StdUnixStream);

impl Accepted {
    pub(crate) fn peer_cred(&self) -> io::Result<PeerCredentials> {
        options::peer_cred(self.0.as_fd())
    }

    /// Registers the socket. Panics outside of a tokio runtime with I/O enabled.
    #[inline]
    pub(crate) fn register(self) -> io::Result<Stream> {
        Stream::assumed(self.0, Ready::READABLE | Ready::WRITABLE)
    }
}

/// The address of an accepted client. Most clients have none, so this is small.
#[derive(Debug)]
pub(crate) struct ClientAddress(Option<Box<StdSocketAddr>>);

/// The address without a name. std cannot create it, so the kernel returns it once.
static UNNAMED: OnceLock<StdSocketAddr> = OnceLock::new();

/// The length of an address without a name (unix(7)): its family alone.
const UNNAMED_LENGTH: u32 = size_of::<libc::sa_family_t>() as u32;

impl ClientAddress {
    #[inline]
    fn new(socket: &StdUnixStream, address: Option<SocketAddrAny>) -> io::Result<ClientAddress> {
        if let Some(address) = address.filter(|address| address.addr_len() > UNNAMED_LENGTH) {
            return ClientAddress::named(address);
        }
        if UNNAMED.get().is_none() {
            let unnamed = socket.peer_addr()?;
            UNNAMED.get_or_init(|| unnamed);
        }
        Ok(ClientAddress(None))
    }

    #[cold]
    fn named(address: SocketAddrAny) -> io::Result<ClientAddress> {
        let address = SocketAddrUnix::try_from(address)?;
        // Not `path`: for the longest path it creates a `CString` with two NUL bytes, without a check. If std
        // is built with debug assertions, this panics.
        let address = if let Some(path) = address.path_bytes() {
            let path = path.split(|byte| *byte == 0).next().unwrap_or_default();
            StdSocketAddr::from_pathname(OsStr::from_bytes(path))?
        } else {
            StdSocketAddr::from_abstract_name(address.abstract_name().unwrap_or_default())?
        };
        Ok(ClientAddress(Some(Box::new(address))))
    }

    pub(crate) fn into_address(self) -> SocketAddr {
        let unnamed = || UNNAMED.get().expect("it is set before").clone();
        self.0.map_or_else(unnamed, |address| *address).into()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::fd::OwnedFd;

    use interop_tests::Directory;

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap()
    }

    /// Returns the address that `accept` returns for a client that is bound as `bind` does it.
    fn accepted(bind: impl FnOnce(&OwnedFd)) -> SocketAddr {
        let (directory, runtime) = (Directory::new(), runtime());
        let _runtime = runtime.enter();
        let listener = StdUnixListener::bind(directory.join("listener")).unwrap();
        let client = socket_with(AddressFamily::UNIX, SocketType::STREAM, FLAGS, None).unwrap();
        bind(&client);
        connect(&client, &SocketAddrUnix::new(directory.join("listener")).unwrap()).unwrap();
        accept(&listener).unwrap().1.into_address()
    }

    #[test]
    fn a_direction_is_assumed_to_be_ready_until_it_is_cleared() {
        let all = Interest::READABLE | Interest::WRITABLE;
        let both = Ready::READABLE | Ready::WRITABLE;
        let interests = [
            (Interest::READABLE, Ready::READABLE),
            (Interest::WRITABLE, Ready::WRITABLE),
            (all, both),
            (Interest::PRIORITY, Ready::EMPTY),
        ];
        for first in [Ready::EMPTY, Ready::READABLE, Ready::WRITABLE, both] {
            for (interest, directions) in interests {
                let assumed = Assumed::new(first);
                assert_eq!(assumed.ready(interest), first & directions);
                assert_eq!(assumed.is(interest), !(first & directions).is_empty());
                assumed.clear(interest);
                assert_eq!(assumed.ready(all), first - directions);
            }
        }
    }

    #[test]
    fn an_accepted_client_is_assumed_to_be_ready_in_both_directions() {
        let (directory, runtime) = (Directory::new(), runtime());
        let _runtime = runtime.enter();
        let listener = StdUnixListener::bind(directory.join("listener")).unwrap();
        let _client = StdUnixStream::connect(directory.join("listener")).unwrap();
        let accepted = accept(&listener).unwrap().0.register().unwrap();
        assert!(accepted.assumed.is(Interest::READABLE) && accepted.assumed.is(Interest::WRITABLE));
    }

    #[test]
    fn the_address_of_most_clients_is_unnamed() {
        let address = accepted(|_| ());
        assert!(address.is_unnamed(), "{address:?}");
    }

    #[test]
    fn the_address_of_a_client_with_a_path_is_that_path() {
        let directory = Directory::new();
        let path = directory.join("client");
        let address = accepted(|client| {
            rustix::net::bind(client, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        });
        assert_eq!(address.as_pathname(), Some(path.as_path()));
    }

    #[test]
    fn the_address_of_a_client_with_the_longest_path_is_that_path() {
        let directory = Directory::new();
        let length = 107 - directory.join("").as_os_str().len();
        let path = directory.join("a".repeat(length));
        let address = accepted(|client| {
            rustix::net::bind(client, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        });
        assert_eq!(address.as_pathname(), Some(path.as_path()));
    }

    #[test]
    fn the_address_of_a_client_with_an_abstract_name_is_that_name() {
        let name = format!("anchovy-client-{}", std::process::id());
        let address = accepted(|client| {
            let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).unwrap();
            rustix::net::bind(client, &address).unwrap();
        });
        assert_eq!(address.as_abstract_name(), Some(name.as_bytes()));
    }

    #[test]
    fn the_address_of_a_client_with_an_empty_abstract_name_is_that_name() {
        let address = accepted(|client| {
            rustix::net::bind(client, &SocketAddrUnix::new_abstract_name(b"").unwrap()).unwrap();
        });
        assert_eq!(address.as_abstract_name(), Some(&b""[..]));
    }
}
