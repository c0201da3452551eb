//! A socket that clients connect to.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::unix::UCred;
use tokio::net::{UnixListener, UnixStream};

use super::accept;
use super::file::{Identity, OwnFile};
use super::listen_error::ListenError;
use super::listener_parts::ListenerParts;
use super::lock::Lock;

/// A socket that clients connect to, as libwayland's `wl_display_add_socket` makes it.
///
/// ```
/// use anchovy_wayland::{Connection, Limits, Listener};
/// # use anchovy_wayland::Connector;
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
/// let (stream, credentials) = listener.accept().await?;
/// println!("user {} is here", credentials.uid());
/// let connection = Connection::new(stream, |_, _| 0, Limits::default())?;
/// # drop((connection, listener));
/// # std::fs::remove_dir(directory)?;
/// # Ok(())
/// # }
/// ```
///
/// # The lock
///
/// Beside the socket there is a file with `.lock` behind its name, which is locked (flock(2)) as long
/// as this exists, exactly as libwayland does it, so that each keeps the other away. A socket that a
/// compositor has left behind, because it was killed, is replaced. What is no socket is not, nor is
/// one that a process has open, lock or no lock, nor one that neither its owner nor its group may
/// write to.
///
/// Dropping this removes first the socket and then the lock file, each if it is still the one that
/// was made. A process that forks without an exec keeps the lock in its child.
///
/// # Permissions
///
/// Those of the socket are what the umask leaves of 0777, and connecting needs the right to write. It
/// is the directory that keeps other users out: `XDG_RUNTIME_DIR` belongs to one alone (XDG Base
/// Directory Specification).
#[derive(Debug)]
#[must_use = "dropping a listener removes its socket"]
pub struct Listener {
    // They go in this order: so a successor, who has to lock first, finds no file that will be
    // removed under it.
    pub(super) file: Option<OwnFile>,
    pub(super) socket: UnixListener,
    pub(super) lock: Option<Lock>,
    pub(super) name: Option<PathBuf>,
}

impl Listener {
    /// Listens on a socket that somebody else has bound: a service manager, a wrapper that outlives
    /// compositors, or the client of a security context.
    ///
    /// It becomes non-blocking and close-on-exec. Its file is not removed, and there is no lock.
    ///
    /// ```
    /// use anchovy_wayland::Listener;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// # let path = std::env::temp_dir().join(format!("anchovy-adopt-{}", std::process::id()));
    /// let bound = std::os::unix::net::UnixListener::bind(&path)?;
    /// let listener = Listener::adopt(bound)?;
    /// drop(listener);
    /// assert!(path.exists());
    /// # std::fs::remove_file(path)
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of registering it with tokio.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and timers.
    pub fn adopt(socket: StdListener) -> io::Result<Listener> {
        need_timers();
        rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
        socket.set_nonblocking(true)?;
        let socket = UnixListener::from_std(socket)?;
        Ok(Listener { file: None, socket, lock: None, name: None })
    }

    /// Goes on where [`into_parts`](Listener::into_parts) was called, in this process or in another.
    ///
    /// [`name`](Listener::name) is the whole path now.
    ///
    /// # Errors
    ///
    /// [`NotHandedOver`](ListenError::NotHandedOver) if the socket is not bound to this path, or if
    /// the lock is not that of the file that is there; [`Locked`](ListenError::Locked) if another
    /// process has got the lock; [`Io`](ListenError::Io). The files stay then.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and timers.
    pub fn from_parts(parts: ListenerParts) -> Result<Listener, ListenError> {
        let address = parts.socket.local_addr();
        let bound = address.as_ref().ok().and_then(|address| address.as_pathname());
        let bound = bound.map(Path::to_owned).unwrap_or_default();
        let failed = |error| ListenError::Io { path: bound.clone(), error };
        let mut listener = Listener::adopt(parts.socket).map_err(failed)?;
        if let Some((path, lock)) = parts.file {
            if path != bound {
                return Err(ListenError::NotHandedOver { path });
            }
            let identity = Identity::of(&path).map_err(failed)?;
            let lock = Lock::resume(&path, lock)?;
            listener.file = Some(OwnFile::new(path.clone(), identity));
            listener.lock = Some(lock);
            listener.name = Some(path);
        }
        Ok(listener)
    }

    /// Takes it apart, and leaves its files where they are.
    ///
    /// # Errors
    ///
    /// Those of taking the socket from tokio; then the files are removed.
    pub fn into_parts(self) -> io::Result<ListenerParts> {
        let Listener { file, socket, lock, name: _ } = self;
        let socket = socket.into_std()?;
        let file = file.zip(lock).map(|(file, lock)| (file.keep(), lock.keep()));
        Ok(ListenerParts { socket, file })
    }

    /// What it was bound to: a name, or an absolute path; nothing if the socket was
    /// [adopted](Listener::adopt).
    ///
    /// This is what `WAYLAND_DISPLAY` is for clients that have the same `XDG_RUNTIME_DIR`.
    pub fn name(&self) -> Option<&Path> {
        self.name.as_deref()
    }

    /// Where the socket is, absolute; nothing if it was [adopted](Listener::adopt).
    pub fn path(&self) -> Option<&Path> {
        self.file.as_ref().map(OwnFile::path)
    }

    /// The next client, and who has connected it, by the kernel (`SO_PEERCRED`, unix(7)).
    ///
    /// That is user, group and process of the moment when it connected. A process may have handed its
    /// socket on since, or be gone and its number be another's, so decide by user.
    ///
    /// A full table of descriptors (EMFILE, ENFILE), and a kernel without memory (ENOBUFS, ENOMEM),
    /// are no errors: they are waited for, 5 ms at first and twice as long each time, up to a second.
    /// The client waits meanwhile.
    ///
    /// ```
    /// use anchovy_wayland::{Connector, Listener};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let path = std::env::temp_dir().join(format!("anchovy-accept-{}", std::process::id()));
    /// let listener = Listener::bind(&path)?;
    /// let _client = Connector::new().without_environment().display(&path).connect().await?;
    /// let (_stream, credentials) = listener.accept().await?;
    /// assert_eq!(credentials.pid(), Some(std::process::id() as i32));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of accept(2) that will not pass.
    ///
    /// # Cancel safety
    ///
    /// No client is lost if this is dropped.
    pub async fn accept(&self) -> io::Result<(UnixStream, UCred)> {
        accept::accept(&self.socket).await
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Panics where there is no timer: now, and not when the table is full for the first time.
pub(super) fn need_timers() {
    drop(tokio::time::sleep(Duration::ZERO));
}
