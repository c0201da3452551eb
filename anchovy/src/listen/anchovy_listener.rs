//! A socket that clients connect to.

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
use tokio::net::{UnixListener, UnixStream};
use tokio::task::yield_now;

use super::accept_options::AcceptOptions;
use super::backoff::{AfterError, Backoff};
use crate::budget::Budget;
use crate::path_guard::PathGuard;
use crate::stream::anchovy_stream::AnchovyStream;

/// A Unix socket that accepts [`AnchovyStream`]s.
///
/// It does what every server on a Unix socket needs: it replaces the socket of a server that was
/// killed, sets permissions before anybody can connect, removes its own socket at the end, and waits
/// while there is no room for a client. [`builder`](Self::builder) has the options.
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
///
/// Dropping the listener removes the file of its socket, if it was made by
/// [`bind`](Self::bind) and is still the same file, and then closes the socket. Accepted streams
/// live on.
#[must_use = "the socket is closed when this is dropped"]
pub struct AnchovyListener<const S: usize> {
    // In this order: while the path exists, the socket is live, so no successor takes it for stale.
    file: Option<PathGuard>,
    socket: UnixListener,
    options: AcceptOptions<S>,
    /// For `poll_accept`, which has no future to keep it in.
    backoff: Mutex<Backoff>,
    /// Clients that were closed at once.
    refused: AtomicU64,
    /// Clients that were accepted without a pause in which other tasks could run.
    in_a_row: AtomicU32,
}

/// Clients that may be accepted in a row. A client that connects over and over would otherwise keep
/// the thread from everything else.
const MAX_IN_A_ROW: u32 = 4;

impl<const S: usize> AnchovyListener<S> {
    pub(super) fn assemble(
        file: Option<PathGuard>,
        socket: UnixListener,
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

    /// Accepts the next client, and returns its stream and the address that it is bound to, which is
    /// unnamed for most clients. [`peer_cred`](AnchovyStream::peer_cred) of the stream tells its
    /// user.
    ///
    /// While there is no room for a client (EMFILE, ENFILE, ENOBUFS, ENOMEM), this waits: 5 ms at
    /// first, twice as long each time, and a second at most. The client waits in the backlog
    /// meanwhile. A client that is gone again (ECONNABORTED) is skipped.
    ///
    /// # Errors
    ///
    /// Errors of accept(2) that will not pass, and those of registering the stream with tokio. The
    /// listener stays open.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no client is lost. A future that is dropped has accepted none.
    pub async fn accept(&self) -> io::Result<(AnchovyStream<S>, SocketAddr)> {
        let mut backoff = None;
        loop {
            poll_fn(|cx| self.poll_pause(cx)).await;
            match self.socket.accept().await {
                Ok((socket, address)) => {
                    if let Some(stream) = self.stream(socket)? {
                        return Ok((stream, address));
                    }
                }
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

    /// Accepts the next client; see [`accept`](Self::accept). Only the last task that polled is
    /// woken.
    pub fn poll_accept(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(AnchovyStream<S>, SocketAddr)>> {
        // Whole after each statement that changes it.
        let mut backoff = self.backoff.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            ready!(backoff.poll_wait(cx));
            ready!(self.poll_pause(cx));
            match ready!(self.socket.poll_accept(cx)) {
                Ok((socket, address)) => {
                    backoff.reset();
                    if let Some(stream) = self.stream(socket)? {
                        return Poll::Ready(Ok((stream, address)));
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

    fn stream(&self, socket: UnixStream) -> io::Result<Option<AnchovyStream<S>>> {
        let stream = self.options.stream(socket)?;
        if stream.is_none() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        Ok(stream)
    }

    /// Lets other tasks run once in a while, however many clients there are.
    fn poll_pause(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.in_a_row.fetch_add(1, Ordering::Relaxed) < MAX_IN_A_ROW {
            return Poll::Ready(());
        }
        self.in_a_row.store(0, Ordering::Relaxed);
        // tokio wakes this task only after it has looked what has arrived for others. A task that
        // wakes itself runs dozens of times before that.
        pin!(yield_now()).poll(cx)
    }

    /// Returns how many clients were closed at once because their account had no room for another
    /// socket; see [`ListenerBuilder::budget`](crate::ListenerBuilder::budget).
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Sets the budget that clients are charged to which are accepted from now on; see
    /// [`ListenerBuilder::budget`](crate::ListenerBuilder::budget).
    pub fn set_budget(&mut self, budget: Budget) {
        self.options.budget = Some(budget);
    }

    /// Returns the budget that clients are charged to, if there is one.
    pub fn budget(&self) -> Option<&Budget> {
        self.options.budget.as_ref()
    }

    /// Stops listening: removes the file of the socket if it is still the same file, whatever
    /// [`unlink_on_drop`](crate::ListenerBuilder::unlink_on_drop) says, and closes the socket. Accepted
    /// streams live on; clients that wait to be accepted are disconnected.
    ///
    /// A socket that was given to [`build`](crate::ListenerBuilder::build) without `unlink_on_drop` keeps
    /// its file.
    ///
    /// # Errors
    ///
    /// Those of unlink(2). The socket is closed all the same.
    pub fn close(self) -> io::Result<()> {
        let AnchovyListener { file, socket, .. } = self;
        let removed = file.map_or(Ok(()), PathGuard::remove);
        drop(socket);
        removed
    }

    /// Gives the socket back, non-blocking and listening. Its file stays, for whoever goes on
    /// listening: a child process, or a new listener with
    /// [`unlink_on_drop`](crate::ListenerBuilder::unlink_on_drop).
    ///
    /// With [`fd_passing(false)`](crate::ListenerBuilder::fd_passing), it stays so for the socket.
    ///
    /// # Errors
    ///
    /// Those of taking the socket from tokio. The socket is closed, and its file removed if a drop
    /// would have removed it.
    pub fn into_std(self) -> io::Result<StdUnixListener> {
        let AnchovyListener { file, socket, .. } = self;
        let socket = socket.into_std()?;
        if let Some(file) = file {
            file.keep();
        }
        Ok(socket)
    }

    /// Returns the address of the socket.
    ///
    /// # Errors
    ///
    /// Those of getsockname(2).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    /// Returns the absolute path of the socket's file. `None` for an abstract name, and for a socket
    /// that was given to [`build`](crate::ListenerBuilder::build) without
    /// [`unlink_on_drop`](crate::ListenerBuilder::unlink_on_drop).
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
