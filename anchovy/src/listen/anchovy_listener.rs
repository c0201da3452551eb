//! A listening socket.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::Path;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::net::unix::SocketAddr;
use tokio::task::yield_now;

use super::accept_options::AcceptOptions;
use super::backoff::{AfterError, Backoff};
use crate::budget::Budget;
use crate::path_guard::PathGuard;
use crate::reactor::{Accepted, ClientAddress, Listener};
use crate::stream::anchovy_stream::AnchovyStream;

/// A listener that accepts [`AnchovyStream`]s.
///
/// [`accept`](Self::accept) waits while the process has no free descriptor for a client. Two options of
/// the [builder](Self::builder) are off by default:
/// [`replace_stale`](crate::ListenerBuilder::replace_stale) replaces the socket of a server that was
/// killed, and [`mode`](crate::ListenerBuilder::mode) sets the file mode before the first client can
/// connect.
///
/// Dropping the listener closes the socket. If [`bind`](Self::bind) created the file of the socket, the
/// drop also removes this file, unless the path names another file by then. To keep the file, set
/// [`unlink_on_drop(false)`](crate::ListenerBuilder::unlink_on_drop). Accepted streams stay open.
///
/// # Examples
///
/// ```
/// use anchovy::{AnchovyListener, AnchovyStream, DBUS_SCM_RIGHTS};
/// use tokio::io::AsyncReadExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("anchovy-listener-{}", std::process::id()));
/// let listener = AnchovyListener::<DBUS_SCM_RIGHTS>::builder()
///     .replace_stale(true)
///     .mode(0o600)
///     .bind(&path)?;
/// # let client = tokio::spawn(async move {
/// #     let mut client = AnchovyStream::<DBUS_SCM_RIGHTS>::connect(&path).await.unwrap();
/// #     client.send_with_fds(b"here", &[std::io::stdin()]).await.unwrap();
/// # });
/// # let served =
/// loop {
///     let (mut stream, _) = listener.accept().await?;
///     let task = tokio::spawn(async move {
///         let mut bytes = Vec::new();
///         stream.read_to_end(&mut bytes).await?;
///         println!("{} bytes, {} descriptors", bytes.len(), stream.read_queue().len());
///         std::io::Result::Ok(())
///     });
/// #   break task;
/// }
/// # ;
/// # client.await?;
/// # served.await?
/// # }
/// ```
#[must_use = "the socket is closed when this is dropped"]
pub struct AnchovyListener<const S: usize> {
    // The order matters: the path is removed before the socket is closed. Otherwise another server
    // could consider the socket stale and replace it in between.
    file: Option<PathGuard>,
    socket: Listener,
    options: AcceptOptions<S>,
    /// State of `poll_accept`, which has no future to store it in.
    backoff: Mutex<Backoff>,
    /// Clients that were disconnected because their account was full.
    refused: AtomicU64,
    /// Clients that were accepted since other tasks could last run.
    in_a_row: AtomicU32,
}

/// The maximum number of clients to accept in a row. Without it, a client that connects again and
/// again would prevent other tasks from running. A pause costs nearly as much as accepting a client.
///
/// After 16 streams were dropped without a pause, tokio wakes its I/O driver with a system call.
const MAX_IN_A_ROW: u32 = 15;

impl<const S: usize> AnchovyListener<S> {
    pub(super) fn assemble(
        file: Option<PathGuard>,
        socket: Listener,
        options: AcceptOptions<S>,
        backoff: Backoff,
    ) -> Self {
        AnchovyListener {
            file,
            socket,
            options,
            backoff: Mutex::new(backoff),
            refused: AtomicU64::new(0),
            in_a_row: AtomicU32::new(0),
        }
    }

    /// Accepts the next client.
    ///
    /// Returns its stream and its address, which is unnamed for most clients. To identify the
    /// user, call [`peer_cred`](AnchovyStream::peer_cred) on the stream.
    ///
    /// If there is no room for a client (EMFILE, ENFILE, ENOBUFS, ENOMEM), this method waits and
    /// tries again: after 5 ms at first, then after twice as long each time, and after at most one
    /// second. The client stays in the backlog meanwhile. A client that has already disconnected
    /// (ECONNABORTED) is skipped.
    ///
    /// # Errors
    ///
    /// Returns permanent errors of accept(2), and errors of registering the stream with tokio. The
    /// listener stays open.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, no client has been accepted.
    pub async fn accept(&self) -> io::Result<(AnchovyStream<S>, SocketAddr)> {
        let mut backoff = None;
        loop {
            poll_fn(|cx| self.poll_pause(cx)).await;
            match self.socket.accept().await.and_then(|accepted| self.stream(accepted)) {
                Ok(Some(accepted)) => return Ok(accepted),
                Ok(None) => {}
                Err(error) => match AfterError::from_io_error(&error) {
                    AfterError::GoOn => {}
                    AfterError::Wait => {
                        let backoff = backoff.get_or_insert_with(Backoff::new);
                        backoff.start();
                        poll_fn(|cx| backoff.poll_wait(cx)).await;
                    }
                    AfterError::Fail => return Err(error),
                },
            }
        }
    }

    /// Accepts the next client, as [`accept`](Self::accept) does. Only the last task that polled
    /// is woken.
    pub fn poll_accept(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(AnchovyStream<S>, SocketAddr)>> {
        // Ignores poisoning: the state is consistent after each statement that changes it.
        let mut backoff = self.backoff.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            ready!(backoff.poll_wait(cx));
            ready!(self.poll_pause(cx));
            let accepted = ready!(self.socket.poll_accept(cx));
            match accepted.and_then(|accepted| self.stream(accepted)) {
                Ok(accepted) => {
                    backoff.reset();
                    if let Some(accepted) = accepted {
                        return Poll::Ready(Ok(accepted));
                    }
                }
                Err(error) => match AfterError::from_io_error(&error) {
                    AfterError::GoOn => {}
                    AfterError::Wait => backoff.start(),
                    AfterError::Fail => return Poll::Ready(Err(error)),
                },
            }
        }
    }

    /// Returns the stream and the address of a client, or `None` if its account has no room.
    #[inline]
    fn stream(
        &self,
        (socket, address): (Accepted, ClientAddress),
    ) -> io::Result<Option<(AnchovyStream<S>, SocketAddr)>> {
        let stream = self.options.stream(socket)?;
        if stream.is_none() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        Ok(stream.map(|stream| (stream, address.into_address())))
    }

    /// Lets other tasks run after several clients in a row.
    fn poll_pause(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.in_a_row.fetch_add(1, Ordering::Relaxed) < MAX_IN_A_ROW {
            return Poll::Ready(());
        }
        self.in_a_row.store(0, Ordering::Relaxed);
        // `yield_now` wakes this task only after tokio has polled its I/O driver. A task that
        // wakes itself runs dozens of times before that.
        pin!(yield_now()).poll(cx)
    }

    /// Returns the number of clients that were disconnected as soon as they were accepted, because
    /// their account had no room for another socket; see
    /// [`ListenerBuilder::budget`](crate::ListenerBuilder::budget).
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Sets the budget that limits what clients make this process hold, for clients that are accepted from
    /// now on; see [`ListenerBuilder::budget`](crate::ListenerBuilder::budget).
    pub fn set_budget(&mut self, budget: Budget) {
        self.options.budget = Some(budget);
    }

    /// Returns the budget that limits what clients make this process hold, if any.
    pub fn budget(&self) -> Option<&Budget> {
        self.options.budget.as_ref()
    }

    /// Closes the listener and removes the file of its socket, if the path still names that file.
    ///
    /// The file of a listener that [`bind`](crate::ListenerBuilder::bind) returned is removed even with
    /// [`unlink_on_drop(false)`](crate::ListenerBuilder::unlink_on_drop). The file of a listener that
    /// [`build`](crate::ListenerBuilder::build) returned is removed only with `unlink_on_drop(true)`.
    ///
    /// Accepted streams stay open. Clients that wait to be accepted are disconnected.
    ///
    /// # Errors
    ///
    /// Returns the error of unlink(2). The socket is closed nevertheless.
    pub fn close(self) -> io::Result<()> {
        let AnchovyListener { file, socket, .. } = self;
        let removed = file.map_or(Ok(()), PathGuard::remove);
        drop(socket);
        removed
    }

    /// Converts the listener into a listener of std, which is non-blocking.
    ///
    /// The file of the socket is not removed, so a child process can continue to listen on the
    /// socket. To convert the listener of std back into an `AnchovyListener` that removes the file, use
    /// [`build`](crate::ListenerBuilder::build) with
    /// [`unlink_on_drop(true)`](crate::ListenerBuilder::unlink_on_drop). If
    /// [`fd_passing(false)`](crate::ListenerBuilder::fd_passing) was set, passing stays disabled on the
    /// socket.
    ///
    /// # Errors
    ///
    /// Returns the error of deregistering the socket from tokio. The socket is closed, and its
    /// file is removed if dropping the listener would have removed it.
    pub fn into_std(self) -> io::Result<StdUnixListener> {
        let AnchovyListener { file, socket, .. } = self;
        let socket = socket.into_std()?;
        if let Some(file) = file {
            file.keep();
        }
        Ok(socket)
    }

    /// Returns the local address of the socket.
    ///
    /// # Errors
    ///
    /// Returns the error of getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Returns the absolute path of the socket's file.
    ///
    /// Returns `None` for an abstract name. For a socket that was passed to
    /// [`build`](crate::ListenerBuilder::build), also returns `None` unless
    /// [`unlink_on_drop(true)`](crate::ListenerBuilder::unlink_on_drop) was set.
    pub fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(PathGuard::path)
    }
}

impl<const S: usize> AsFd for AnchovyListener<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl<const S: usize> AsRawFd for AnchovyListener<S> {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl<const S: usize> fmt::Debug for AnchovyListener<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnchovyListener")
            .field("fd", &self.as_raw_fd())
            .field("S", &S)
            .field("path", &self.path())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
