//! Why there is no listener.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::error::fd_error::FdError;
use crate::path::{DisplayPath, PathError};

/// Why a listener could not be made.
///
/// Whatever the call had made is gone again: no socket stays open and no file is left behind. Files
/// of others were not touched, except by [`MovedAside`](Self::MovedAside). The system's own error is the
/// [`source`](std::error::Error::source). In functions that return [`io::Result`], `?` converts it
/// into an [`io::Error`] of the same [`kind`](Self::kind).
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
    /// A limit for the accepted streams is out of range.
    Limit(FdError),
    /// The path is taken (EADDRINUSE): a process has a socket there, or the path exists and
    /// [`replace_stale`](crate::ListenerBuilder::replace_stale) is off.
    InUse {
        /// The path.
        path: PathBuf,
    },
    /// There is a file that is no socket, which
    /// [`replace_stale`](crate::ListenerBuilder::replace_stale) never removes.
    NotASocket {
        /// The path.
        path: PathBuf,
        /// What it is: "a file", "a directory", "a symbolic link" or "a special file".
        found: &'static str,
    },
    /// There is a socket of another user in a directory with the sticky bit, which
    /// [`replace_stale`](crate::ListenerBuilder::replace_stale) never removes, even as root.
    OtherOwner {
        /// The path.
        path: PathBuf,
        /// The user id of its owner.
        uid: u32,
    },
    /// Another file was put at the path while a stale socket was being replaced, and a third one when
    /// it was to be moved back. Nothing was lost: the file is at `moved_to`.
    MovedAside {
        /// The path.
        path: PathBuf,
        /// Where the file is now, in the same directory.
        moved_to: PathBuf,
        /// Why it could not be moved back.
        error: io::Error,
    },
    /// Another process held the lock on the directory for a second, while a stale socket was to be
    /// replaced. Try again.
    DirectoryLocked {
        /// The directory.
        directory: PathBuf,
    },
    /// The mode has bits other than the nine permission bits.
    InvalidMode {
        /// The mode that was asked for.
        mode: u32,
    },
    /// An option that concerns files was set for an abstract name, which has none.
    AbstractName {
        /// The name of the option.
        option: &'static str,
    },
    /// The descriptor is not a Unix stream socket that listens. It was closed.
    NotAListener,
    /// An error of the system.
    Io {
        /// The path; `None` for a socket that somebody else has bound and that has no path.
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
            ListenError::InUse { .. } | ListenError::MovedAside { .. } => io::ErrorKind::AddrInUse,
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
                write!(f, "{} is in use; end its server or use another path", DisplayPath(path))
            }
            ListenError::NotASocket { path, found } => write!(
                f,
                "{} is {found}, not a socket, and was left alone; use another path",
                DisplayPath(path)
            ),
            ListenError::OtherOwner { path, uid } => write!(
                f,
                "{} belongs to user {uid} in a sticky directory and was left alone; \
                 use another path",
                DisplayPath(path)
            ),
            ListenError::MovedAside { path, moved_to, .. } => write!(
                f,
                "the file that was put at {} during the call is now at {}, because it could not be \
                 moved back; move it to where it belongs",
                DisplayPath(path),
                DisplayPath(moved_to)
            ),
            ListenError::DirectoryLocked { directory } => {
                write!(f, "another process holds the lock on {}; try again", directory.display())
            }
            ListenError::InvalidMode { mode } => {
                write!(f, "mode {mode:#o} has bits other than 0o777")
            }
            ListenError::AbstractName { option } => {
                write!(f, "{option} is for paths, and an abstract name has no file")
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
            // The text of `Path` and `Limit` is the text of this error.
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
