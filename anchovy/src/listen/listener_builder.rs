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
use crate::reactor::Listener;
use crate::valid_space::{AncillarySpace, ValidSpace};

/// The default backlog, as in tokio. The limit of the system (`net.core.somaxconn`) may be lower.
const BACKLOG: u32 = 1024;

/// A builder for [`AnchovyListener`].
///
/// # Examples
///
/// ```
/// use anchovy::{AnchovyListener, WAYLAND_SCM_RIGHTS};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("anchovy-options-{}", std::process::id()));
/// let listener = AnchovyListener::<WAYLAND_SCM_RIGHTS>::builder()
///     .replace_stale(true) // replaces the socket of a server that was killed
///     .mode(0o600) // only this user can connect
///     .read_fd_limit(4) // applies to each accepted stream
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
    /// Binds a new socket to `path` and listens on it. A path that begins with a NUL byte is an
    /// abstract name (Linux only).
    ///
    /// # Errors
    ///
    /// Returns a [`ListenError`]. If the path exists, the error is [`InUse`](ListenError::InUse), or
    /// [`Stale`](ListenError::Stale) if the path is the socket of a server that was killed. To replace such a
    /// socket, set [`replace_stale`](ListenerBuilder::replace_stale).
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
    pub fn bind(path: impl AsRef<Path>) -> Result<Self, ListenError>
    where
        AncillarySpace<S>: ValidSpace,
    {
        Self::builder().bind(path)
    }

    /// Returns a builder that sets the options of a listener.
    pub fn builder() -> ListenerBuilder<S>
    where
        AncillarySpace<S>: ValidSpace,
    {
        ListenerBuilder::new()
    }

    /// Converts a listener of std. The socket becomes non-blocking and close-on-exec.
    ///
    /// # Errors
    ///
    /// Returns [`ListenError::NotAListener`] if `listener` is not a listening Unix stream socket,
    /// and [`ListenError::Io`] if a system call fails. The socket is closed.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
    pub fn from_std(listener: StdUnixListener) -> Result<Self, ListenError>
    where
        AncillarySpace<S>: ValidSpace,
    {
        Self::builder().build(listener)
    }

    /// Converts a listener of tokio.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`from_std`](Self::from_std).
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
    pub fn from_tokio(listener: UnixListener) -> Result<Self, ListenError>
    where
        AncillarySpace<S>: ValidSpace,
    {
        Self::builder().build(listener)
    }

    /// Converts a descriptor, such as one that another process has passed to this one.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`from_std`](Self::from_std).
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
    ///
    /// # Examples
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

    /// Sets whether a stale socket at the path is removed. A socket is stale if no process has it
    /// open, as after a crash. Default: `false`.
    ///
    /// The following are never removed:
    ///
    /// - a socket that a process has open, even if it does not listen yet;
    /// - a file, a directory or a symbolic link;
    /// - in a directory with the sticky bit, a socket of another user, even if this process runs
    ///   as root.
    ///
    /// To check whether a process has the socket open, `bind` tries to connect a datagram socket to it.
    /// The kernel never connects a datagram socket to a stream socket, so the server does not notice the
    /// check. While a process has it open, `bind` repeats the check for up to 250 milliseconds, because a
    /// process that was killed has its sockets open for some milliseconds. A process with much memory ends
    /// later; then the error is [`InUse`](ListenError::InUse).
    ///
    /// `bind` holds a lock on the directory (flock(2)) while it removes the stale socket and binds the
    /// new one. If two processes that use this crate start at once, exactly one gets the path. `bind`
    /// waits up to one second for the lock, and needs permission to read the directory.
    ///
    /// # Programs that do not take the lock
    ///
    /// A program that does not take the lock may put a file of its own at the path during the call of
    /// `bind`. So that this file is not lost, the file at the path is first renamed to a private name, such
    /// as `.socket.4d2-0`, in the same directory. The renamed file is then checked:
    ///
    /// - If it is the stale socket, it is removed.
    /// - If it is the file of the other program, it is renamed back, and `bind` fails with
    ///   [`InUse`](ListenError::InUse) or [`NotASocket`](ListenError::NotASocket). In between,
    ///   nothing is at the path.
    /// - If it cannot be renamed back, `bind` fails with [`MovedAside`](ListenError::MovedAside), which
    ///   contains the private name. The usual reason is that another program has put a second file at the
    ///   path meanwhile.
    ///
    /// A program with write permission for the directory can still cause two mistakes. If it renames a
    /// file to the private name, that file is removed. If it renames a socket of its own over the new
    /// socket before `bind` returns, `bind` takes that socket for the new one. The socket of the program is
    /// then removed when the listener is dropped.
    ///
    /// If this process is killed during the removal, the stale socket stays at the private name.
    pub fn replace_stale(mut self, replace_stale: bool) -> Self {
        self.replace_stale = replace_stale;
        self
    }

    /// Sets the permission bits of the socket's file, such as `0o600`. Default: `0o777` without
    /// the bits of the umask.
    ///
    /// The file never has more permissions than these. It has exactly these, regardless of the
    /// umask, before the first client can connect. On Linux, connecting requires write permission
    /// (unix(7)).
    ///
    /// # Platform-specific behavior
    ///
    /// On systems derived from BSD, a socket has no mode before it is bound. There, the socket is bound in
    /// a private directory beside the path. The maximum length of the path is therefore shorter,
    /// and `local_addr` returns the path in that directory.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Sets whether the socket's file is removed when the listener is dropped. Default: `true` for
    /// a socket that [`bind`](Self::bind) has made, `false` for one that was passed to
    /// [`build`](Self::build).
    ///
    /// The file is removed only if the path still names the same file (device and inode). If
    /// another server has replaced the file, the file of that server stays.
    pub fn unlink_on_drop(mut self, unlink: bool) -> Self {
        self.unlink_on_drop = Some(unlink);
        self
    }

    /// Sets the maximum number of clients that wait to be accepted. Default: 1024. The limit of
    /// the system (`net.core.somaxconn` on Linux) may be lower.
    ///
    /// This has no effect on a socket that already listens.
    pub fn backlog(mut self, backlog: u32) -> Self {
        self.backlog = backlog;
        self
    }

    /// Sets whether peers can send descriptors to accepted streams (`SO_PASSRIGHTS`, Linux 6.16).
    /// Default: the setting of the socket, which is `true` for a new one.
    ///
    /// With `false`, a client's `sendmsg` that has descriptors fails with `EPERM`, even if it is the
    /// first one of the connection. Descriptors can still arrive in two cases: the kernel does not have
    /// the option, or the client connected before the listening socket was passed to
    /// [`build`](Self::build), and sent the descriptors before it was accepted. Therefore `false` also
    /// sets the default of [`read_fd_limit`](Self::read_fd_limit) to 0: if descriptors arrive, the read
    /// side of the stream fails with [`TooManyReceived`](crate::FdError::TooManyReceived).
    ///
    /// To enable passing for a single stream later, use
    /// [`set_fd_passing`](crate::AnchovyStream::set_fd_passing) and
    /// [`set_read_fd_limit`](crate::AnchovyStream::set_read_fd_limit).
    pub fn fd_passing(mut self, on: bool) -> Self {
        self.fd_passing = Some(on);
        self
    }

    /// Sets the maximum number of descriptors in one received message, for each accepted stream;
    /// see [`AnchovyStream::set_read_fd_limit`](crate::AnchovyStream::set_read_fd_limit).
    pub fn read_fd_limit(mut self, limit: usize) -> Self {
        self.stream = self.stream.read_fd_limit(limit);
        self.limits_fds = true;
        self
    }

    /// Sets the maximum number of descriptors in the read queue of each accepted stream; see
    /// [`AnchovyStream::set_read_queue_limit`](crate::AnchovyStream::set_read_queue_limit).
    pub fn read_queue_limit(mut self, limit: usize) -> Self {
        self.stream = self.stream.read_queue_limit(limit);
        self
    }

    /// Sets the maximum number of descriptors in one sent message, for each accepted stream; see
    /// [`AnchovyStream::set_write_fd_limit`](crate::AnchovyStream::set_write_fd_limit).
    pub fn write_fd_limit(mut self, limit: usize) -> Self {
        self.stream = self.stream.write_fd_limit(limit);
        self
    }

    /// Sets whether accepted streams send a large write queue in several messages; see
    /// [`StreamBuilder::spread_fds`]. Default: `false`.
    pub fn spread_fds(mut self, spread: bool) -> Self {
        self.stream = self.stream.spread_fds(spread);
        self
    }

    /// Sets whether accepted streams use `SO_INQ` if the kernel supports it; see
    /// [`StreamBuilder::inq`]. Default: `true`.
    pub fn inq(mut self, on: bool) -> Self {
        self.stream = self.stream.inq(on);
        self
    }

    /// Sets whether each receive of an accepted stream reports the process that sent the bytes; see
    /// [`StreamBuilder::sender_credentials`].
    ///
    /// Connections inherit the option from the listener at the time of connect(2), so bytes that a
    /// client sends before it is accepted have a sender too. If a client connected before the listening
    /// socket was passed to [`build`](Self::build), bytes that it sent before it was accepted may have no
    /// sender.
    pub fn sender_credentials(mut self, on: bool) -> Self {
        self.stream = self.stream.sender_credentials(on);
        self
    }

    /// Sets the budget that limits what clients make this process hold. Each client is charged to the
    /// [account](crate::Account) of its uid. Default: none.
    ///
    /// The account is charged for the socket of the client, for received descriptors that the
    /// program has not taken, and for sent descriptors that the client has not read; see
    /// [`AnchovyStream::set_account`](crate::AnchovyStream::set_account). If the account has no room
    /// for another socket, the client is disconnected as soon as it is accepted, and counted by
    /// [`refused`](AnchovyListener::refused).
    pub fn budget(mut self, budget: Budget) -> Self {
        self.budget = Some(budget);
        self
    }

    /// Binds a new socket to `path` and listens on it. A path that begins with a NUL byte is an
    /// abstract name (Linux only), as for tokio's `UnixListener`.
    ///
    /// This method makes blocking system calls, which may wait for a disk. With
    /// [`replace_stale`](Self::replace_stale), it may also wait for other processes: up to 250 milliseconds
    /// for the end of a process that has the socket open, and up to a second for the lock.
    ///
    /// # Errors
    ///
    /// Returns a [`ListenError`]. No socket stays open and no file is left behind, except as
    /// described at [`MovedAside`](ListenError::MovedAside).
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
    /// [`accept`](AnchovyListener::accept) needs a timer if the descriptor table is full. This method
    /// panics without one so that the missing timer is noticed at the start.
    pub fn bind(&self, path: impl AsRef<Path>) -> Result<AnchovyListener<S>, ListenError> {
        let path = SocketPath::new(path.as_ref())?;
        let mut options = self.accept_options(true)?;
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
            // Every connection inherits the option if it is set before listen(2). Without the
            // option in the kernel, the limit of each stream applies.
            options.refused = set_fd_passing(&socket, on).is_ok() && !on;
        }
        options.stream.set_inherited(&socket).map_err(failed)?;
        // listen(2) takes an int.
        let backlog = self.backlog.try_into().unwrap_or(i32::MAX);
        rustix::net::listen(&socket, backlog).map_err(|errno| failed(errno.into()))?;
        let socket = Listener::new(StdUnixListener::from(socket)).map_err(failed)?;
        if let Some(file) = &mut file {
            file.set_removes(self.unlink_on_drop.unwrap_or(true));
        }
        Ok(AnchovyListener::assemble(file, socket, options, backoff))
    }

    /// Converts a socket that already listens: the `UnixListener` of std or of tokio, or a
    /// descriptor, for example from systemd's socket activation (`LISTEN_FDS`).
    ///
    /// The socket becomes non-blocking and close-on-exec. [`replace_stale`](Self::replace_stale),
    /// [`mode`](Self::mode) and [`backlog`](Self::backlog) have no effect on it.
    ///
    /// # Errors
    ///
    /// Returns one of the following. The socket is closed.
    ///
    /// - [`ListenError::NotAListener`] if `socket` is not a listening Unix stream socket.
    /// - [`ListenError::Limit`] if a limit of the accepted streams is out of range.
    /// - [`ListenError::Io`] if a system call fails, or if
    ///   [`unlink_on_drop(true)`](Self::unlink_on_drop) is set and the path of the socket does not exist.
    /// - [`ListenError::AbstractName`] if [`unlink_on_drop(true)`](Self::unlink_on_drop) is set and the
    ///   socket has no path.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
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
        let failed = |error| ListenError::Io { path: None, error };
        options.stream.set_inherited(&socket).map_err(failed)?;
        let socket = Listener::new(socket).map_err(failed)?;
        Ok(AnchovyListener::assemble(file, socket, options, backoff))
    }

    /// Returns the options of accepted streams. A connection inherits descriptor passing from its
    /// listener at the time of connect(2). For an adopted listener that time is unknown.
    fn accept_options(&self, inherits_fd_passing: bool) -> Result<AcceptOptions<S>, ListenError> {
        let mut stream = self.stream.clone();
        if self.fd_passing == Some(false) && !self.limits_fds {
            stream = stream.read_fd_limit(0);
        }
        stream.check()?;
        let fd_passing = if inherits_fd_passing { None } else { self.fd_passing };
        Ok(AcceptOptions { stream, fd_passing, refused: false, budget: self.budget.clone() })
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
