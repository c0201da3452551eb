//! A listener that accepts Wayland clients.

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

/// Minimum number of descriptors of an account: the socket of a client, and the descriptors of one
/// `sendmsg`.
const FDS_OF_CLIENT: usize = 1 + WAYLAND_FD_LIMIT;

/// A listener that accepts Wayland clients. It binds its socket as libwayland's `wl_display_add_socket`
/// does.
///
/// # The lock
///
/// A listener that has bound its socket holds a lock (flock(2)) on a file beside the socket. The name of this
/// file is the name of the socket followed by `.lock`. libwayland uses the same file, so this listener and a
/// compositor with libwayland do not take each other's name. A listener over a socket that
/// [another program has bound](Self::from_std) has no lock and removes no files.
///
/// Binding replaces the socket of a compositor that was killed. It does not replace
///
/// - a file that is not a socket;
/// - a socket that a process has open, whether or not that process holds the lock;
/// - a socket for which neither owner nor group has write permission.
///
/// An existing lock file is used only if it is a regular file of this user with one hard link. Otherwise
/// binding fails with [`LockRefused`](ListenError::LockRefused).
///
/// Dropping the listener removes the socket and then the lock file. If another process has
/// replaced one of these files, the new file is not removed. A child process that was forked without an
/// exec also holds the lock: if the process of the listener is killed, the name stays in use until the
/// child process ends.
///
/// # Budget
///
/// The [`budget`](Self::budget) of the listener has one account for each uid. The account counts what all
/// clients with this uid make this process hold:
///
/// - the sockets of the clients;
/// - descriptors that the clients have sent and that no message has taken;
/// - descriptors that were sent to the clients and that the clients have not received;
/// - bytes that wait to be received or sent.
///
/// A [`Connection`] over an accepted stream uses the same account. If the account of a new client has no
/// room for its socket, the socket is closed and [counted](Self::refused). Clients with other uids
/// are not affected.
///
/// | The account has no room for | Result |
/// |---|---|
/// | received descriptors | The connections of the account do not read, with one exception: if the account holds only sockets and the descriptors that one connection has received, this connection reads. If it receives more descriptors than there is room for, receiving ends with [`FdsOverBudget`](crate::ReceiveError::FdsOverBudget). |
/// | sent descriptors | Sending descriptors waits. |
/// | received bytes | A connection that needs more memory does not read. If the account can never have room for this memory, receiving ends with [`BytesOverBudget`](crate::ReceiveError::BytesOverBudget). |
/// | unsent bytes | A connection with more than 8 KiB of unsent bytes accepts no further message. |
///
/// Several listeners of a process should share one budget, with
/// [`ListenerBuilder::budget`](crate::ListenerBuilder::budget) or [`with_budget`](Self::with_budget).
///
/// [`Connection`]: crate::Connection
///
/// # Permissions
///
/// The mode of the socket is 0777 less the umask, and connecting requires write permission. In
/// `XDG_RUNTIME_DIR`, other users have no access to the socket: the XDG Base Directory Specification
/// requires that only the owner has access to this directory. If the listener is bound to an absolute path,
/// the caller must choose a directory with suitable permissions.
///
/// # Examples
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
/// println!("accepted a client of user {}", stream.peer_cred()?.uid());
/// let connection = Connection::new(stream, Interfaces::default(), Limits::server())?;
/// # drop((connection, listener));
/// # std::fs::remove_dir(directory)?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping a listener removes its socket"]
pub struct Listener {
    // Fields are dropped in this order: the socket is removed before the lock file. A successor locks before
    // it binds, so its socket cannot be removed.
    pub(super) socket: AnchovyListener<WAYLAND_SCM_RIGHTS>,
    pub(super) lock: Option<Lock>,
    pub(super) name: Option<PathBuf>,
    pub(super) budget: Budget,
}

impl Listener {
    /// Creates a listener over a socket that another program has bound, such as a service manager, a wrapper
    /// that runs compositors, or the client of a security context.
    ///
    /// The socket is made non-blocking and close-on-exec. Its file is not removed, and there is no lock.
    ///
    /// # Errors
    ///
    /// Returns [`ListenError::Socket`], with
    /// [`NotAListener`](anchovy::ListenError::NotAListener) if the descriptor is not a listening Unix stream
    /// socket. The socket is closed.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
    ///
    /// # Examples
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
    pub fn from_std(socket: StdUnixListener) -> Result<Listener, ListenError> {
        Listener::from_socket(socket)
    }

    /// Creates a listener over the socket of a descriptor, such as one of `LISTEN_FDS`; see
    /// [`from_std`](Self::from_std).
    ///
    /// # Errors
    ///
    /// Returns the errors of [`from_std`](Self::from_std).
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
    ///
    /// # Examples
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

    /// Creates a listener from the parts of a listener of this process or another process; see
    /// [`into_parts`](Listener::into_parts).
    ///
    /// The [`name`](Listener::name) of the new listener is the whole path. The budget is a new one with the
    /// default totals. To use another budget, call [`with_budget`](Listener::with_budget).
    ///
    /// # Errors
    ///
    /// The files are not removed after any of these errors.
    ///
    /// - [`NotHandedOver`](ListenError::NotHandedOver): the socket is bound to another path, or the lock
    ///   belongs to another file.
    /// - [`Locked`](ListenError::Locked): another process, or another listener of this process, holds the
    ///   lock.
    /// - [`Lock`](ListenError::Lock): a system call for the lock file failed.
    /// - [`Socket`](ListenError::Socket): the socket cannot be used.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
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

    /// Converts the listener into its parts, without removing its files.
    ///
    /// # Errors
    ///
    /// Returns the error of deregistering the socket from the tokio runtime. In this case, the files are
    /// removed.
    pub fn into_parts(self) -> io::Result<ListenerParts> {
        let Listener { socket, lock, .. } = self;
        let path = socket.path().map(Path::to_owned);
        let socket = socket.into_std()?;
        let file = path.zip(lock).map(|(path, lock)| (path, lock.keep()));
        Ok(ListenerParts { socket, file })
    }

    /// Sets the budget for clients that are accepted from now on. Several listeners can share a budget.
    pub fn with_budget(mut self, budget: Budget) -> Listener {
        self.socket.set_budget(budget.clone());
        self.budget = budget;
        self
    }

    /// Returns the budget of the clients.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Returns the number of accepted clients that were closed because their account had no room for another
    /// socket.
    pub fn refused(&self) -> u64 {
        self.socket.refused()
    }

    /// Returns the name or the absolute path to which the listener was bound. Returns `None` if
    /// [another program has bound the socket](Listener::from_std).
    ///
    /// Clients can use the name as `WAYLAND_DISPLAY`. If it is not an absolute path, `XDG_RUNTIME_DIR` of the
    /// client must be the runtime directory of the listener.
    pub fn name(&self) -> Option<&Path> {
        self.name.as_deref()
    }

    /// Returns the absolute path of the socket. Returns `None` if
    /// [another program has bound the socket](Listener::from_std).
    pub fn path(&self) -> Option<&Path> {
        self.socket.path()
    }

    /// Accepts the next client. Returns its stream and its address, which is unnamed for most clients.
    ///
    /// [`peer_cred`](AnchovyStream::peer_cred) of the stream returns the user, the group and the process
    /// that connected (`SO_PEERCRED`, unix(7)). Do not use the process id for access decisions: the process
    /// may have passed its socket to another process, or it may have ended and another process may have its
    /// id.
    ///
    /// While the process or the system has no room for a client (EMFILE, ENFILE, ENOBUFS, ENOMEM), this
    /// method waits and tries again: after 5 ms, then after twice the previous time, at most 1 second.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidInput`](io::ErrorKind::InvalidInput) if the budget is too small for any client, and
    /// the errors of accept(2) that are not temporary.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, no client is lost.
    ///
    /// # Examples
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
    pub async fn accept(&self) -> io::Result<(AnchovyStream<WAYLAND_SCM_RIGHTS>, SocketAddr)> {
        if !self.budget.could_ever_hold(Resource::HeldFds, FDS_OF_CLIENT) {
            let total = self.budget.totals().held_fds;
            let error = format!(
                "a client requires {FDS_OF_CLIENT} descriptors, an account may hold at most half of \
                 the total of {total}; raise BudgetBuilder::held_fds"
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
