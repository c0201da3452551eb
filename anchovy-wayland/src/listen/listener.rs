//! A socket that clients connect to.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::{Path, PathBuf};

use anchovy::{
    AnchovyListener, AnchovyStream, Budget, IntoUnixListener, Resource, WAYLAND_FD_LIMIT,
    WAYLAND_SCM_RIGHTS,
};
use tokio::net::unix::SocketAddr;

use super::listen_error::ListenError;
use super::listener_parts::ListenerParts;
use super::lock::Lock;

/// Descriptors for which the account of a client has room at least, or no client could be served: its
/// socket, and those of one `sendmsg`.
const FDS_OF_CLIENT: usize = 1 + WAYLAND_FD_LIMIT;

/// A socket that clients connect to, as libwayland's `wl_display_add_socket` makes it.
///
/// ```
/// use anchovy_wayland::{Connection, Limits, Listener, ObjectId, Signatures, fds};
/// # use anchovy_wayland::Connector;
///
/// /// The interfaces of the objects of one client, by id.
/// #[derive(Default)]
/// struct Interfaces(std::collections::HashMap<ObjectId, &'static str>);
///
/// impl Signatures for Interfaces {
///     fn fds(&mut self, object: ObjectId, opcode: u16) -> usize {
///         self.0.get(&object).map_or(0, |interface| fds::requests(interface, opcode))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = std::env::temp_dir().join(format!("anchovy-listener-{}", std::process::id()));
/// # std::fs::create_dir(&directory)?;
/// let builder = Listener::builder();
/// # let builder = builder.runtime_directory(&directory);
/// let listener = builder.bind_free()?;
/// # let connector = Connector::new().without_environment().display(directory.join("wayland-0"));
/// # let _client = connector.connect().await?;
/// let name = listener.name().expect("it was bound to one");
/// println!("clients use WAYLAND_DISPLAY={}", name.display());
/// let (stream, _) = listener.accept().await?;
/// println!("user {} is here", stream.peer_cred()?.uid());
/// let connection = Connection::new(stream, Interfaces::default(), Limits::server())?;
/// # drop((connection, listener));
/// # std::fs::remove_dir(directory)?;
/// # Ok(())
/// # }
/// ```
///
/// # The lock
///
/// The listener locks a file beside the socket, with `.lock` after its name (flock(2)), for as long as it
/// exists. libwayland does the same, so neither takes a name that the other one uses. The socket of a
/// compositor that was killed is replaced. A file that is no socket is not replaced, nor is a socket that
/// a process has open, with or without a lock, nor one that neither its owner nor its group may write to.
///
/// A lock file that exists is used only if it is a regular file of this user and has no other name;
/// otherwise binding fails with [`LockRefused`](ListenError::LockRefused).
///
/// Dropping the listener removes the socket and then the lock file, each if it is still the file that the
/// listener created. A child process that was forked without an exec keeps the lock.
///
/// # Budget
///
/// Each client is charged to the account of its uid in the [`budget`](Self::budget) of the listener:
/// for its socket, for descriptors that it has sent and that no message has claimed, for descriptors
/// that were sent to it and that it has not read, and for bytes that wait. A [`Connection`] over an
/// accepted stream uses the same account. A client whose account
/// has no room for its socket is closed at once and [counted](Self::refused); a connection at its
/// bound waits, and clients of other uids are not affected.
///
/// Several listeners of a process should share one budget, with
/// [`ListenerBuilder::budget`](crate::ListenerBuilder::budget) or [`with_budget`](Self::with_budget).
///
/// [`Connection`]: crate::Connection
///
/// # Permissions
///
/// The mode of the socket is 0777 less the umask, and connecting requires write permission. The directory
/// keeps other users out: `XDG_RUNTIME_DIR` is accessible to one user alone (XDG Base Directory
/// Specification).
#[derive(Debug)]
#[must_use = "dropping a listener removes its socket"]
pub struct Listener {
    // In this order, the file of the socket is removed before that of the lock. A successor has to lock
    // first, so its socket cannot be removed.
    pub(super) socket: AnchovyListener<WAYLAND_SCM_RIGHTS>,
    pub(super) lock: Option<Lock>,
    pub(super) name: Option<PathBuf>,
    pub(super) budget: Budget,
}

impl Listener {
    /// Listens on a socket that was bound by another program: a service manager, a wrapper that outlives
    /// compositors, or the client of a security context.
    ///
    /// The socket becomes non-blocking and close-on-exec. Its file is not removed, and there is no lock.
    ///
    /// ```
    /// use anchovy_wayland::Listener;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("anchovy-from-std-{}", std::process::id()));
    /// let bound = std::os::unix::net::UnixListener::bind(&path)?;
    /// let listener = Listener::from_std(bound)?;
    /// drop(listener);
    /// assert!(path.exists());
    /// # std::fs::remove_file(path)
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ListenError::Socket`], with
    /// [`NotAListener`](anchovy::ListenError::NotAListener) if it is not a Unix stream socket that
    /// listens. The socket is closed.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
    pub fn from_std(socket: StdUnixListener) -> Result<Listener, ListenError> {
        Listener::from_socket(socket)
    }

    /// Listens on the socket of a descriptor, such as one of `LISTEN_FDS`; see
    /// [`from_std`](Self::from_std).
    ///
    /// # Errors
    ///
    /// As for [`from_std`](Self::from_std).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
    ///
    /// ```
    /// use anchovy_wayland::{ListenError, Listener};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let file = std::fs::File::open("/dev/null")?;
    /// let refused = Listener::from_fd(file.into());
    /// assert!(matches!(refused, Err(ListenError::Socket(anchovy::ListenError::NotAListener))));
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_fd(fd: OwnedFd) -> Result<Listener, ListenError> {
        Listener::from_socket(fd)
    }

    fn from_socket(socket: impl IntoUnixListener) -> Result<Listener, ListenError> {
        let budget = Budget::default();
        let socket = AnchovyListener::builder().budget(budget.clone()).build(socket)?;
        Ok(Listener { socket, lock: None, name: None, budget })
    }

    /// Creates a listener of the parts of another one ([`into_parts`](Listener::into_parts)), in this
    /// process or in another.
    ///
    /// Its [`name`](Listener::name) is the whole path.
    ///
    /// # Errors
    ///
    /// [`NotHandedOver`](ListenError::NotHandedOver) if the socket is not bound to this path, or if the
    /// lock is of another file; [`Locked`](ListenError::Locked) if another process has the lock;
    /// [`Socket`](ListenError::Socket) if the socket cannot be used. The files are not removed then.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and timers.
    pub fn from_parts(parts: ListenerParts) -> Result<Listener, ListenError> {
        let ListenerParts { socket, file } = parts;
        let Some((path, lock)) = file else { return Listener::from_socket(socket) };
        let address = socket.local_addr().map_err(|error| {
            ListenError::from(anchovy::ListenError::Io { path: Some(path.clone()), error })
        })?;
        if address.as_pathname() != Some(&*path) {
            return Err(ListenError::NotHandedOver { path });
        }
        let lock = Lock::resume(&path, lock)?;
        let budget = Budget::default();
        let builder = AnchovyListener::builder().budget(budget.clone());
        match builder.unlink_on_drop(true).build(socket) {
            Ok(socket) => Ok(Listener { socket, lock: Some(lock), name: Some(path), budget }),
            Err(error) => {
                lock.keep();
                Err(error.into())
            }
        }
    }

    /// Takes the listener apart, without removing its files.
    ///
    /// # Errors
    ///
    /// Those of taking the socket from tokio. The files are removed then.
    pub fn into_parts(self) -> io::Result<ListenerParts> {
        let Listener { socket, lock, .. } = self;
        let path = socket.path().map(Path::to_owned);
        let socket = socket.into_std()?;
        let file = path.zip(lock).map(|(path, lock)| (path, lock.keep()));
        Ok(ListenerParts { socket, file })
    }

    /// Charges clients that are accepted from now on to another budget, which several listeners may
    /// share.
    pub fn with_budget(mut self, budget: Budget) -> Listener {
        self.socket.set_budget(budget.clone());
        self.budget = budget;
        self
    }

    /// Returns the budget that clients are charged to.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Returns the number of clients that were closed at once because their account had no room for
    /// another socket.
    pub fn refused(&self) -> u64 {
        self.socket.refused()
    }

    /// Returns what the listener was bound to: a name, or an absolute path; `None` if the socket was
    /// [bound by another program](Listener::from_std).
    ///
    /// It is the `WAYLAND_DISPLAY` of clients that have the same `XDG_RUNTIME_DIR`.
    pub fn name(&self) -> Option<&Path> {
        self.name.as_deref()
    }

    /// Returns the absolute path of the socket; `None` if it was
    /// [bound by another program](Listener::from_std).
    pub fn path(&self) -> Option<&Path> {
        self.socket.path()
    }

    /// Accepts the next client, and returns its stream and the address that it is bound to, which is
    /// unnamed for most clients.
    ///
    /// [`peer_cred`](AnchovyStream::peer_cred) of the stream returns user, group and process at the time
    /// when the client connected (`SO_PEERCRED`, unix(7)). The process may have passed its socket on since,
    /// or have ended, and its id may be that of another one: decide by the user.
    ///
    /// While there is no room for a client (EMFILE, ENFILE, ENOBUFS, ENOMEM), it waits: 5 ms at first,
    /// twice as long each time, and at most a second.
    ///
    /// ```
    /// use anchovy_wayland::{Connector, Listener};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let path = std::env::temp_dir().join(format!("anchovy-accept-{}", std::process::id()));
    /// let listener = Listener::bind(&path)?;
    /// let _client = Connector::new().without_environment().display(&path).connect().await?;
    /// let (stream, _) = listener.accept().await?;
    /// assert_eq!(stream.peer_cred()?.pid(), Some(std::process::id() as i32));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if the budget is too small for any client;
    /// otherwise those of accept(2) that are not temporary.
    ///
    /// # Cancel safety
    ///
    /// No client is lost if this is dropped.
    pub async fn accept(&self) -> io::Result<(AnchovyStream<WAYLAND_SCM_RIGHTS>, SocketAddr)> {
        if !self.budget.could_ever_hold(Resource::HeldFds, FDS_OF_CLIENT) {
            let total = self.budget.totals().held_fds;
            let error = format!(
                "the budget has no room for the {FDS_OF_CLIENT} descriptors of a client, \
                 an account may hold at most half of the total of {total}"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
        }
        self.socket.accept().await
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
