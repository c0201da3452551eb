//! Errors of creating a listener.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::error::fd_error::FdError;
use crate::path::{DisplayPath, PathError};

/// The error of creating a listener.
///
/// No socket stays open. No file is left behind, and files of other programs are unchanged, except
/// in the case of [`MovedAside`](Self::MovedAside). The error of the system is the
/// [`source`](std::error::Error::source). In functions that return [`io::Result`], `?` converts
/// this error into an [`io::Error`] of the same [`kind`](Self::kind).
///
/// # Examples
///
/// ```
/// use anchovy::{AnchovyListener, DBUS_SCM_RIGHTS, ListenError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ListenError> {
/// # let path = std::env::temp_dir().join(format!("anchovy-in-use-{}", std::process::id()));
/// let listener = AnchovyListener::<DBUS_SCM_RIGHTS>::bind(&path)?;
/// let second = AnchovyListener::<DBUS_SCM_RIGHTS>::bind(&path);
/// assert!(matches!(second, Err(ListenError::InUse { .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ListenError {
    /// The path cannot name a socket.
    Path(PathError),
    /// A limit of the accepted streams is out of range.
    Limit(FdError),
    /// The path is in use (EADDRINUSE): a process has a socket there, or the path names another file
    /// and [`replace_stale`](crate::ListenerBuilder::replace_stale) is not set.
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// The path names a socket that no process has open, usually because its server was killed, and
    /// [`replace_stale`](crate::ListenerBuilder::replace_stale) is not set.
    Stale {
        /// The path.
        path: PathBuf,
    },
    /// The path names a file that is not a socket.
    /// [`replace_stale`](crate::ListenerBuilder::replace_stale) never removes such a file.
    NotASocket {
        /// The path.
        path: PathBuf,
        /// The type of the file: "a file", "a directory", "a symbolic link" or "a special file".
        found: &'static str,
    },
    /// The path names a socket of another user in a directory with the sticky bit.
    /// [`replace_stale`](crate::ListenerBuilder::replace_stale) never removes it, even if this
    /// process runs as root.
    OtherOwner {
        /// The path.
        path: PathBuf,
        /// The user id of the socket's owner.
        uid: u32,
    },
    /// While a stale socket was being replaced, the file at the path was moved aside for a check and
    /// could not be moved back; see [`replace_stale`](crate::ListenerBuilder::replace_stale). The usual
    /// reason is that another program has put a second file at the path. No file was lost: the file that
    /// was moved is at `moved_to`.
    MovedAside {
        /// The path.
        path: PathBuf,
        /// The current path of the file, in the same directory.
        moved_to: PathBuf,
        /// The reason why the file could not be moved back.
        error: io::Error,
    },
    /// Another process held the lock on the directory for one second, so a stale socket could not
    /// be replaced. The call can be repeated.
    DirectoryLocked {
        /// The directory.
        directory: PathBuf,
    },
    /// The mode has bits other than the nine permission bits.
    InvalidMode {
        /// The requested mode.
        mode: u32,
    },
    /// An option that applies to files was set for an abstract name, which has no file.
    AbstractName {
        /// The name of the option.
        option: &'static str,
    },
    /// The descriptor is not a listening Unix stream socket. It was closed.
    NotAListener,
    /// A system call failed.
    Io {
        /// The path. For a socket that was passed to [`build`](crate::ListenerBuilder::build), the path is
        /// `None` unless the system call was a check of its file.
        path: Option<PathBuf>,
        /// The error of the system.
        error: io::Error,
    },
}

impl ListenError {
    /// Returns the [`io::ErrorKind`] of the [`io::Error`] that this error converts into.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            ListenError::Path(error) => error.kind(),
            ListenError::Limit(error) => error.kind(),
            ListenError::InUse { .. }
            | ListenError::Stale { .. }
            | ListenError::MovedAside { .. } => io::ErrorKind::AddrInUse,
            ListenError::NotASocket { .. } => io::ErrorKind::AlreadyExists,
            ListenError::OtherOwner { .. } => io::ErrorKind::PermissionDenied,
            ListenError::DirectoryLocked { .. } => io::ErrorKind::ResourceBusy,
            ListenError::InvalidMode { .. }
            | ListenError::AbstractName { .. }
            | ListenError::NotAListener => io::ErrorKind::InvalidInput,
            ListenError::Io { error, .. } => error.kind(),
        }
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenError::Path(error) => error.fmt(f),
            ListenError::Limit(error) => error.fmt(f),
            ListenError::InUse { path } => {
                write!(f, "{} is in use; stop its server or use another path", DisplayPath(path))
            }
            ListenError::Stale { path } => write!(
                f,
                "{} is a socket that no process has open; set replace_stale to replace it",
                DisplayPath(path)
            ),
            ListenError::NotASocket { path, found } => write!(
                f,
                "{} is {found}, not a socket; it was not removed, use another path",
                DisplayPath(path)
            ),
            ListenError::OtherOwner { path, uid } => write!(
                f,
                "{} is a socket of user {uid} in a directory with the sticky bit; \
                 it was not removed, use another path",
                DisplayPath(path)
            ),
            ListenError::MovedAside { path, moved_to, .. } => write!(
                f,
                "a file that another program put at {} was moved to {} and could not be moved \
                 back; move it back",
                DisplayPath(path),
                DisplayPath(moved_to)
            ),
            ListenError::DirectoryLocked { directory } => {
                write!(
                    f,
                    "another process held the lock on {} for 1 s; try again",
                    directory.display()
                )
            }
            ListenError::InvalidMode { mode } => {
                write!(f, "mode {mode:#o} has bits other than the permission bits 0o777")
            }
            ListenError::AbstractName { option } => {
                write!(f, "{option} cannot be set for an abstract name, which has no file")
            }
            ListenError::NotAListener => {
                f.write_str("the descriptor is not a listening Unix stream socket; it was closed")
            }
            ListenError::Io { path: Some(path), .. } => {
                write!(f, "cannot listen on {}", DisplayPath(path))
            }
            ListenError::Io { path: None, .. } => f.write_str("cannot listen on the socket"),
        }
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // The texts of `Path` and `Limit` include their cause.
            ListenError::Io { error, .. } | ListenError::MovedAside { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl From<PathError> for ListenError {
    fn from(error: PathError) -> ListenError {
        ListenError::Path(error)
    }
}

impl From<FdError> for ListenError {
    fn from(error: FdError) -> ListenError {
        ListenError::Limit(error)
    }
}

impl From<ListenError> for io::Error {
    fn from(error: ListenError) -> io::Error {
        io::Error::new(error.kind(), error)
    }
}
