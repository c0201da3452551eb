//! The options of a listener.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener as StdUnixListener;
use std::path::Path;

use tokio::net::UnixListener;

use super::accept_options::AcceptOptions;
use super::adopt::{IntoUnixListener, adopt};
use super::anchovy_listener::AnchovyListener;
use super::backoff::Backoff;
use super::bind::{Bound, bind_abstract, bind_path};
use super::listen_error::ListenError;
use super::mode::PERMISSIONS;
use crate::budget::Budget;
use crate::builder::StreamBuilder;
use crate::passing::set_fd_passing;
use crate::path::SocketPath;
use crate::path_guard::PathGuard;
use crate::valid_space::{AncillarySpace, ValidSpace};

/// Clients that may wait to be accepted, if nothing else is set: as tokio. The system's own limit
/// (`net.core.somaxconn`) may be lower.
const BACKLOG: u32 = 1024;

/// A builder for [`AnchovyListener`].
///
/// ```
/// use anchovy::{AnchovyListener, WAYLAND_SCM_RIGHTS};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("anchovy-options-{}", std::process::id()));
/// let listener = AnchovyListener::<WAYLAND_SCM_RIGHTS>::builder()
///     .replace_stale(true) // of a server that was killed
///     .mode(0o600) // for this user only
///     .read_fd_limit(4) // for each accepted stream
///     .bind(&path)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `bind` or `build` is called"]
pub struct ListenerBuilder<const S: usize> {
    stream: StreamBuilder<S>,
    limits_fds: bool,
    replace_stale: bool,
    mode: Option<u32>,
    unlink_on_drop: Option<bool>,
    backlog: u32,
    fd_passing: Option<bool>,
    budget: Option<Budget>,
}

impl<const S: usize> AnchovyListener<S> {
    /// Binds a new socket to `path` and listens. A path that begins with a NUL byte is an abstract
    /// name (Linux).
    ///
    /// # Errors
    ///
    /// [`ListenError`], with [`InUse`](ListenError::InUse) if the path exists;
    /// [`replace_stale`](ListenerBuilder::replace_stale) removes the socket of a server that has
    /// ended.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
    pub fn bind(path: impl AsRef<Path>) -> Result<Self, ListenError>
    where
        AncillarySpace<S>: ValidSpace,
    {
        Self::builder().bind(path)
    }

    /// Returns a builder, for options.
    pub fn builder() -> ListenerBuilder<S>
    where
        AncillarySpace<S>: ValidSpace,
    {
        ListenerBuilder::new()
    }

    /// Takes over a listener of std. It becomes non-blocking and close-on-exec.
    ///
    /// # Errors
    ///
    /// [`ListenError::NotAListener`] if it is not a listening Unix stream socket, and
    /// [`ListenError::Io`]. The socket is closed.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
    pub fn from_std(listener: StdUnixListener) -> Result<Self, ListenError>
    where
        AncillarySpace<S>: ValidSpace,
    {
        Self::builder().build(listener)
    }

    /// Takes over a listener of tokio.
    ///
    /// # Errors
    ///
    /// As for [`from_std`](Self::from_std).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
    pub fn from_tokio(listener: UnixListener) -> Result<Self, ListenError>
    where
        AncillarySpace<S>: ValidSpace,
    {
        Self::builder().build(listener)
    }

    /// Takes over a descriptor, such as one that another process has handed over.
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
    /// use std::os::fd::OwnedFd;
    ///
    /// use anchovy::{AnchovyListener, DBUS_SCM_RIGHTS, ListenError};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let file: OwnedFd = std::fs::File::open("/dev/null")?.into();
    /// let refused = AnchovyListener::<DBUS_SCM_RIGHTS>::from_fd(file);
    /// assert!(matches!(refused, Err(ListenError::NotAListener)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_fd(fd: OwnedFd) -> Result<Self, ListenError>
    where
        AncillarySpace<S>: ValidSpace,
    {
        Self::builder().build(fd)
    }
}

impl<const S: usize> ListenerBuilder<S> {
    pub(super) fn new() -> Self {
        ListenerBuilder {
            stream: StreamBuilder::new(),
            limits_fds: false,
            replace_stale: false,
            mode: None,
            unlink_on_drop: None,
            backlog: BACKLOG,
            fd_passing: None,
            budget: None,
        }
    }

    /// Sets whether a socket at the path is removed if its listener is gone, as after a crash.
    /// Default: `false`.
    ///
    /// Only a socket that no process has open is removed: never a live one, also if it does not
    /// listen yet; never a file, a directory or a symbolic link; and in a directory with the sticky
    /// bit never one of another user, even as root. Servers do not notice the check.
    ///
    /// The removal and the bind after it happen under a lock on the directory (flock(2)), so of two
    /// processes that use this crate exactly one gets the path. Programs that take no lock are not
    /// excluded, but lose no file: the socket is moved to a name such as `.socket.4d2-0` in the same
    /// directory, and removed there if it still is the stale one. If another file was put at the path
    /// in the meantime, that file is moved back, and binding fails with
    /// [`InUse`](ListenError::InUse) or [`NotASocket`](ListenError::NotASocket). For that moment its
    /// path does not exist. If yet another file is at the path by then, binding fails with
    /// [`MovedAside`](ListenError::MovedAside), which names the place of the first.
    ///
    /// Two things remain possible for a program that may write to the directory: a file that it
    /// renames to the private name itself is removed, and a socket that it renames over the new one
    /// before `bind` returns is taken for the new one, and removed with the listener. A process that
    /// is killed during the removal leaves the stale socket under the private name.
    ///
    /// This needs permission to read the directory, and waits up to a second while another process
    /// holds the lock.
    pub fn replace_stale(mut self, replace_stale: bool) -> Self {
        self.replace_stale = replace_stale;
        self
    }

    /// Sets the permission bits of the socket's file, such as `0o600`. Default: `0o777` less the
    /// umask.
    ///
    /// The file never has more permissions than these, not even for a moment, and has exactly these
    /// whatever the umask when the first client can connect. On Linux, connecting needs permission
    /// to write (unix(7)).
    ///
    /// # Platform-specific behavior
    ///
    /// On systems where a socket has no mode before it is bound (those derived from BSD), it is bound
    /// in a private directory beside the path, which leaves room for a somewhat shorter path, and
    /// `local_addr` returns the path in that directory.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Sets whether the socket's file is removed when the listener is dropped. Default: `true` for a
    /// socket that [`bind`](Self::bind) made, `false` for one given to [`build`](Self::build).
    ///
    /// It is removed only if the path still names the same file (device and inode), so a server that
    /// has replaced it keeps its own.
    pub fn unlink_on_drop(mut self, unlink: bool) -> Self {
        self.unlink_on_drop = Some(unlink);
        self
    }

    /// Sets how many clients may wait to be accepted. Default: 1024; the system's own limit
    /// (`net.core.somaxconn` on Linux) may be lower.
    ///
    /// This has no effect on a socket that listens already.
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }

    /// Sets whether peers may send descriptors to accepted streams (`SO_PASSRIGHTS`, Linux 6.16).
    /// Default: as the socket has it, which is `true` for a new one.
    ///
    /// With `false`, the kernel refuses them with `EPERM` from the first byte of each connection, and
    /// unless [`read_fd_limit`](Self::read_fd_limit) is set too, it is 0. So descriptors that arrive
    /// all the same end the read side of their stream
    /// ([`TooManyReceived`](crate::FdError::TooManyReceived)): on a kernel without the option, and
    /// from a client that connected to an adopted socket and sent them before it was adopted.
    /// [`set_fd_passing`](crate::AnchovyStream::set_fd_passing) and
    /// [`set_read_fd_limit`](crate::AnchovyStream::set_read_fd_limit) admit them later.
    pub fn fd_passing(mut self, on: bool) -> Self {
        self.fd_passing = Some(on);
        self
    }

    /// Sets the limit of descriptors in one received message for each accepted stream; see
    /// [`AnchovyStream::set_read_fd_limit`](crate::AnchovyStream::set_read_fd_limit).
    pub fn read_fd_limit(mut self, limit: usize) -> Self {
        self.stream = self.stream.read_fd_limit(limit);
        self.limits_fds = true;
        self
    }

    /// Sets the limit of descriptors in the read queue for each accepted stream; see
    /// [`AnchovyStream::set_read_queue_limit`](crate::AnchovyStream::set_read_queue_limit).
    pub fn read_queue_limit(mut self, limit: usize) -> Self {
        self.stream = self.stream.read_queue_limit(limit);
        self
    }

    /// Sets the limit of descriptors that leave with one write for each accepted stream; see
    /// [`AnchovyStream::set_write_fd_limit`](crate::AnchovyStream::set_write_fd_limit).
    pub fn write_fd_limit(mut self, limit: usize) -> Self {
        self.stream = self.stream.write_fd_limit(limit);
        self
    }

    /// Sets whether accepted streams spread a write queue with more descriptors than one message may
    /// carry; see [`StreamBuilder::spread_fds`]. Default: `false`.
    pub fn spread_fds(mut self, spread: bool) -> Self {
        self.stream = self.stream.spread_fds(spread);
        self
    }

    /// Sets whether accepted streams use `SO_INQ` where the kernel has it; see
    /// [`StreamBuilder::inq`]. Default: `true`.
    pub fn inq(mut self, on: bool) -> Self {
        self.stream = self.stream.inq(on);
        self
    }

    /// Sets the budget that clients are charged to, each to the account of its uid. Default: none.
    ///
    /// A client is charged for its socket, for received descriptors that nobody has taken, and for
    /// sent ones that it has not read; see [`AnchovyStream::set_account`](crate::AnchovyStream::set_account).
    /// A client whose account has no room for another socket is closed at once, and
    /// [counted](AnchovyListener::refused).
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Binds a new socket to `path` and listens. A path that begins with a NUL byte is an abstract
    /// name (Linux), as for tokio's `UnixListener`.
    ///
    /// This makes system calls that may wait for a disk, and with
    /// [`replace_stale`](Self::replace_stale) for other processes.
    ///
    /// # Errors
    ///
    /// [`ListenError`]. Nothing stays open and no file is left behind.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled: [`accept`](AnchovyListener::accept)
    /// needs a timer when a descriptor table is full, and should not panic only then.
    pub fn bind(&self, path: impl AsRef<Path>) -> Result<AnchovyListener<S>, ListenError> {
        let path = SocketPath::new(path.as_ref())?;
        let options = self.accept_options(true)?;
        let backoff = Backoff::new();

        let Bound { mut file, socket } = if path.is_abstract() {
            self.check_abstract()?;
            bind_abstract(&path)?
        } else {
            self.check_mode()?;
            bind_path(&path.path, self.mode, self.replace_stale)?
        };
        let failed = |error| ListenError::Io { path: Some(path.path.clone()), error };
        if let Some(on) = self.fd_passing {
            // Before it listens, and so inherited by every connection. A kernel without the option
            // leaves it to the limit of each stream.
            let _ = set_fd_passing(&socket, on);
        }
        // listen(2) takes an int.
        let backlog = self.backlog.try_into().unwrap_or(i32::MAX);
        rustix::net::listen(&socket, backlog).map_err(|errno| failed(errno.into()))?;
        let socket = UnixListener::from_std(StdUnixListener::from(socket)).map_err(failed)?;
        if let Some(file) = &mut file {
            file.set_removes(self.unlink_on_drop.unwrap_or(true));
        }
        Ok(AnchovyListener::assemble(file, socket, options, backoff))
    }

    /// Takes over a socket that listens already: the `UnixListener` of std or of tokio, or a
    /// descriptor, for example of systemd's socket activation (`LISTEN_FDS`).
    ///
    /// It becomes non-blocking and close-on-exec. [`replace_stale`](Self::replace_stale),
    /// [`mode`](Self::mode) and [`backlog`](Self::backlog) have no effect on it.
    ///
    /// # Errors
    ///
    /// [`ListenError::NotAListener`], [`ListenError::Limit`], and with
    /// [`unlink_on_drop`](Self::unlink_on_drop), [`ListenError::Io`] if its path is not there or
    /// [`ListenError::AbstractName`] if it has none. The socket is closed.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
    pub fn build(&self, socket: impl IntoUnixListener) -> Result<AnchovyListener<S>, ListenError> {
        let options = self.accept_options(false)?;
        let backoff = Backoff::new();
        let socket = adopt(socket)?;
        let file = match self.unlink_on_drop {
            Some(true) => Some(guard_of(&socket)?),
            _ => None,
        };
        if let Some(on) = self.fd_passing {
            let _ = set_fd_passing(&socket, on);
        }
        let socket = UnixListener::from_std(socket)
            .map_err(|error| ListenError::Io { path: None, error })?;
        Ok(AnchovyListener::assemble(file, socket, options, backoff))
    }

    /// What each accepted stream gets. A connection inherits descriptor passing only from a socket
    /// that had it so before the client connected, which of adopted ones nobody knows.
    fn accept_options(&self, inherits_fd_passing: bool) -> Result<AcceptOptions<S>, ListenError> {
        let mut stream = self.stream.clone();
        if self.fd_passing == Some(false) && !self.limits_fds {
            stream = stream.read_fd_limit(0);
        }
        stream.check()?;
        let fd_passing = if inherits_fd_passing { None } else { self.fd_passing };
        Ok(AcceptOptions { stream, fd_passing, budget: self.budget.clone() })
    }

    fn check_mode(&self) -> Result<(), ListenError> {
        match self.mode {
            Some(mode) if mode & !PERMISSIONS != 0 => Err(ListenError::InvalidMode { mode }),
            _ => Ok(()),
        }
    }

    fn check_abstract(&self) -> Result<(), ListenError> {
        let options = [
            ("replace_stale", self.replace_stale),
            ("mode", self.mode.is_some()),
            ("unlink_on_drop", self.unlink_on_drop == Some(true)),
        ];
        match options.into_iter().find(|(_, is_set)| *is_set) {
            Some((option, _)) => Err(ListenError::AbstractName { option }),
            None => Ok(()),
        }
    }
}

/// Guards the path that a socket is bound to.
fn guard_of(socket: &StdUnixListener) -> Result<PathGuard, ListenError> {
    let address = socket.local_addr().map_err(|error| ListenError::Io { path: None, error })?;
    let Some(path) = address.as_pathname() else {
        return Err(ListenError::AbstractName { option: "unlink_on_drop" });
    };
    PathGuard::new(path).map_err(|error| ListenError::Io { path: Some(path.to_owned()), error })
}
