//! Connecting to the socket at a path, with errors that tell what is there.
//!
//! connect(2) answers ECONNREFUSED both for a socket that nobody listens on and for a file that is no
//! socket, and EAGAIN where a blocking socket would wait. Both are sorted out here.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::UnixStream;
use tokio::time::sleep;

use crate::error::fd_error::FdError;
use crate::path::{DisplayPath, PathError, SocketPath};

/// Time between two attempts while the backlog of the listener is full: short beside what a person
/// notices, long beside what accepting a connection takes.
const RETRY_INTERVAL: Duration = Duration::from_millis(5);

/// Connects to the socket at `path`, and waits while the backlog of its listener is full.
pub(crate) async fn connect(path: &Path) -> Result<UnixStream, ConnectError> {
    let SocketPath { path, address } = SocketPath::new(path)?;
    let address = address.into();
    // Made before the first attempt, so that a runtime without timers panics always or never.
    let mut retry = sleep(RETRY_INTERVAL);
    loop {
        match UnixStream::connect_addr(&address).await {
            // connect(2): a non-blocking Unix socket gets EAGAIN where a blocking one would wait,
            // and no readiness tells when there is room.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => retry.await,
            Err(error) => return Err(ConnectError::from_io_error(path, error)),
            Ok(stream) => return Ok(stream),
        }
        retry = sleep(RETRY_INTERVAL);
    }
}

/// Why a socket could not be connected to.
///
/// No socket stays open. The variants tell apart what one errno of connect(2) mixes up; the system's
/// own error is the [`source`](std::error::Error::source). In functions that return
/// [`io::Result`], `?` converts it into an [`io::Error`] of the same [`kind`](Self::kind).
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
    /// The path cannot name a socket; nothing was tried.
    Path(PathError),
    /// A limit of the [builder](crate::StreamBuilder) is out of range; nothing was tried.
    Limit(FdError),
    /// There is no such file (ENOENT), or a directory on the way is none (ENOTDIR). For an abstract
    /// name, see [`Refused`](Self::Refused).
    NotFound {
        /// The path.
        path: PathBuf,
        /// The error of connect(2).
        error: io::Error,
    },
    /// Nobody listens (ECONNREFUSED): the server has ended and left its socket behind, does not
    /// listen yet, or there is no such abstract name.
    Refused {
        /// The path.
        path: PathBuf,
        /// The error of connect(2).
        error: io::Error,
    },
    /// This process may not write to the socket, or not search a directory on the way (EACCES,
    /// EPERM).
    PermissionDenied {
        /// The path.
        path: PathBuf,
        /// The error of connect(2).
        error: io::Error,
    },
    /// There is a file that is no socket (ECONNREFUSED).
    NotASocket {
        /// The path.
        path: PathBuf,
        /// The error of connect(2).
        error: io::Error,
    },
    /// There is a socket of another type than a stream (EPROTOTYPE).
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
    /// Sorts an error of connect(2), with a look at the path.
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

    /// Returns the [`io::ErrorKind`] of the [`io::Error`] that this error converts into: that of the
    /// system, or [`InvalidInput`](io::ErrorKind::InvalidInput) if something else than a stream
    /// socket is there.
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

/// Returns whether the path names a file that is no socket. Symbolic links are followed, as
/// connect(2) does; a path that has vanished since named a socket.
fn is_no_socket(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| !found.file_type().is_socket())
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Path(error) => error.fmt(f),
            ConnectError::Limit(error) => error.fmt(f),
            ConnectError::NotFound { path, .. } => {
                write!(f, "there is no socket {}; is the server running?", DisplayPath(path))
            }
            ConnectError::Refused { path, .. } => {
                write!(f, "nobody listens on {}; is the server running?", DisplayPath(path))
            }
            ConnectError::PermissionDenied { path, .. } => write!(
                f,
                "no permission to write to {} or to search its directory",
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
            // Their text is the text of this error.
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
    fn a_socket_that_has_vanished_since_it_refused_was_one() {
        assert!(!is_no_socket(Path::new("/nonexistent/socket")));
        assert!(is_no_socket(Path::new("/")));
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let error = ConnectError::from_io_error("/nonexistent/socket".into(), refused());
        assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
        let error = ConnectError::from_io_error("/".into(), refused());
        assert!(matches!(error, ConnectError::NotASocket { .. }), "{error:?}");
    }
}
