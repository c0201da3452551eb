//! Connecting to the socket at a path, with errors that state the cause.
//!
//! connect(2) fails with ECONNREFUSED both if no process listens on the socket and if the file is
//! not a socket. On a non-blocking socket it fails with EAGAIN if the backlog is full. This module
//! distinguishes the first two and waits in the third case.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use tokio::time::sleep;

use crate::error::fd_error::FdError;
use crate::path::{DisplayPath, PathError, SocketPath};
use crate::reactor::Stream;

/// The delay between two attempts while the backlog of the listener is full. It is too short for a
/// person to notice, and much longer than accepting a connection takes.
const RETRY_INTERVAL: Duration = Duration::from_millis(5);

/// Connects to the socket at `path`, and waits while the backlog of its listener is full.
pub(crate) async fn connect(path: &Path) -> Result<Stream, ConnectError> {
    let path = SocketPath::new(path)?;
    // Created before the first attempt, so that a runtime without timers panics always or never.
    let mut retry = sleep(RETRY_INTERVAL);
    loop {
        match Stream::connect(&path).await {
            // A non-blocking socket gets EAGAIN if the backlog is full (connect(2)), and readiness
            // does not report when there is room.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => retry.await,
            Err(error) => return Err(ConnectError::from_io_error(path.path, error)),
            Ok(stream) => return Ok(stream),
        }
        retry = sleep(RETRY_INTERVAL);
    }
}

/// The error of connecting to a socket.
///
/// No socket stays open. The variants distinguish causes for which connect(2) returns the same
/// errno. The error of the system is the [`source`](std::error::Error::source). In functions that
/// return [`io::Result`], `?` converts this error into an [`io::Error`] of the same
/// [`kind`](Self::kind).
///
/// # Examples
///
/// ```
/// use anchovy::{AnchovyStream, ConnectError, DBUS_SCM_RIGHTS};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let connected = AnchovyStream::<DBUS_SCM_RIGHTS>::connect("/nonexistent/bus").await;
/// assert!(matches!(connected, Err(ConnectError::NotFound { .. })));
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// The path cannot name a socket. No connection was attempted.
    Path(PathError),
    /// A limit of the [builder](crate::StreamBuilder) is out of range. No connection was
    /// attempted.
    Limit(FdError),
    /// The path does not exist (ENOENT), or a parent of it is not a directory (ENOTDIR). A missing
    /// abstract name is reported as [`Refused`](Self::Refused).
    NotFound {
        /// The path.
        path: PathBuf,
        /// The error of connect(2).
        error: io::Error,
    },
    /// No process listens on the socket (ECONNREFUSED): the server has ended without removing its
    /// socket, it does not listen yet, or the abstract name does not exist.
    Refused {
        /// The path.
        path: PathBuf,
        /// The error of connect(2).
        error: io::Error,
    },
    /// This process has no write permission for the socket, or no search permission for a parent
    /// directory (EACCES, EPERM).
    PermissionDenied {
        /// The path.
        path: PathBuf,
        /// The error of connect(2).
        error: io::Error,
    },
    /// The path names a file that is not a socket (ECONNREFUSED).
    NotASocket {
        /// The path.
        path: PathBuf,
        /// The error of connect(2).
        error: io::Error,
    },
    /// The path names a socket that is not a stream socket (EPROTOTYPE).
    NotAStream {
        /// The path.
        path: PathBuf,
        /// The error of connect(2).
        error: io::Error,
    },
    /// Another error of the system, such as a full descriptor table (EMFILE).
    Io {
        /// The path.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
}

impl ConnectError {
    /// Finds the cause of an error of connect(2), if necessary by checking the file at the path.
    fn from_io_error(path: PathBuf, error: io::Error) -> ConnectError {
        let errno = Errno::from_io_error(&error);
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                ConnectError::NotFound { path, error }
            }
            io::ErrorKind::PermissionDenied => ConnectError::PermissionDenied { path, error },
            io::ErrorKind::ConnectionRefused if is_no_socket(&path) => {
                ConnectError::NotASocket { path, error }
            }
            io::ErrorKind::ConnectionRefused => ConnectError::Refused { path, error },
            _ if errno == Some(Errno::PROTOTYPE) => ConnectError::NotAStream { path, error },
            _ => ConnectError::Io { path, error },
        }
    }

    /// Returns the [`io::ErrorKind`] of the [`io::Error`] that this error converts into.
    ///
    /// It is the kind of the contained error, except for [`NotASocket`](Self::NotASocket) and
    /// [`NotAStream`](Self::NotAStream), for which it is
    /// [`InvalidInput`](io::ErrorKind::InvalidInput).
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            ConnectError::Path(error) => error.kind(),
            ConnectError::Limit(error) => error.kind(),
            ConnectError::NotASocket { .. } | ConnectError::NotAStream { .. } => {
                io::ErrorKind::InvalidInput
            }
            ConnectError::NotFound { error, .. }
            | ConnectError::Refused { error, .. }
            | ConnectError::PermissionDenied { error, .. }
            | ConnectError::Io { error, .. } => error.kind(),
        }
    }
}

/// Returns whether the path names a file that is not a socket. Symbolic links are followed, as
/// connect(2) does. A path that no longer exists named a socket, since connect(2) did not fail
/// with ENOENT.
fn is_no_socket(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.file_type().is_socket())
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Path(error) => error.fmt(f),
            ConnectError::Limit(error) => error.fmt(f),
            ConnectError::NotFound { path, .. } => {
                write!(
                    f,
                    "there is no socket {}; check that the server is running",
                    DisplayPath(path)
                )
            }
            ConnectError::Refused { path, .. } => {
                write!(
                    f,
                    "no process listens on {}; check that the server is running",
                    DisplayPath(path)
                )
            }
            ConnectError::PermissionDenied { path, .. } => write!(
                f,
                "no write permission for {} or no search permission for its directory",
                DisplayPath(path)
            ),
            ConnectError::NotASocket { path, .. } => {
                write!(f, "{} is not a socket", DisplayPath(path))
            }
            ConnectError::NotAStream { path, .. } => {
                write!(f, "{} is not a stream socket", DisplayPath(path))
            }
            ConnectError::Io { path, .. } => write!(f, "cannot connect to {}", DisplayPath(path)),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Their texts include the cause.
            ConnectError::Path(_) | ConnectError::Limit(_) => None,
            ConnectError::NotFound { error, .. }
            | ConnectError::Refused { error, .. }
            | ConnectError::PermissionDenied { error, .. }
            | ConnectError::NotASocket { error, .. }
            | ConnectError::NotAStream { error, .. }
            | ConnectError::Io { error, .. } => Some(error),
        }
    }
}

impl From<PathError> for ConnectError {
    fn from(error: PathError) -> ConnectError {
        ConnectError::Path(error)
    }
}

impl From<FdError> for ConnectError {
    fn from(error: FdError) -> ConnectError {
        ConnectError::Limit(error)
    }
}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> io::Error {
        io::Error::new(error.kind(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_no_longer_exists_counts_as_a_socket() {
        assert!(!is_no_socket(Path::new("/nonexistent/socket")));
        assert!(is_no_socket(Path::new("/")));
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let error = ConnectError::from_io_error("/nonexistent/socket".into(), refused());
        assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
        let error = ConnectError::from_io_error("/".into(), refused());
        assert!(matches!(error, ConnectError::NotASocket { .. }), "{error:?}");
    }
}
