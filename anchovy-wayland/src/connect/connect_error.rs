//! Why there is no connection to a compositor.
//!
//! The system says ECONNREFUSED of a compositor that has ended and of a file that is no socket, and
//! ENOENT of a display that was never there; whoever reads the message wants to know which it is,
//! and what to do about it.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::inherited_error::InheritedError;
use crate::location_error::LocationError;

/// Why no compositor could be connected to.
///
/// Nothing else was tried: a display that was named and cannot be reached is not replaced by
/// another.
///
/// ```
/// use anchovy_wayland::{ConnectError, Connector};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let connector = Connector::new().without_environment().display("/nonexistent/wayland-0");
/// let error = connector.connect().await.unwrap_err();
/// assert!(matches!(error, ConnectError::NotFound { .. }));
/// assert!(error.to_string().contains("/nonexistent/wayland-0"));
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// `WAYLAND_SOCKET` is set, and what it names cannot be used.
    Inherited(InheritedError),
    /// The name of the display leads to no path.
    Location(LocationError),
    /// There is no such file (ENOENT), or its directory is none (ENOTDIR).
    NotFound {
        /// What was looked for.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// There is a socket, and nobody listens to it (ECONNREFUSED).
    Refused {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// This process may not write to the socket, or not search a directory on the way (EACCES,
    /// EPERM).
    PermissionDenied {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// There is something else than a socket (ECONNREFUSED).
    NotASocket {
        /// What there is.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// There is a socket of another type than a stream (EPROTOTYPE).
    NotAStream {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The system refused for another reason: a full table of descriptors, for instance.
    Io {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl ConnectError {
    /// What connect(2) said, with what can be seen at the path.
    pub(super) fn of(path: &Path, error: io::Error) -> ConnectError {
        let path = path.to_owned();
        let is_prototype =
            error.raw_os_error() == Some(rustix::io::Errno::PROTOTYPE.raw_os_error());
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                ConnectError::NotFound { path, error }
            }
            io::ErrorKind::PermissionDenied => ConnectError::PermissionDenied { path, error },
            io::ErrorKind::ConnectionRefused if !is_socket(&path) => {
                ConnectError::NotASocket { path, error }
            }
            io::ErrorKind::ConnectionRefused => ConnectError::Refused { path, error },
            _ if is_prototype => ConnectError::NotAStream { path, error },
            _ => ConnectError::Io { path, error },
        }
    }

    fn kind(&self) -> io::ErrorKind {
        match self {
            ConnectError::Inherited(error) => error.kind(),
            ConnectError::Location(error) => error.kind(),
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

/// Through symbolic links, which connect(2) follows too. What has gone since was one.
fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;

    std::fs::metadata(path).map_or(true, |found| found.file_type().is_socket())
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot connect to a compositor: ")?;
        match self {
            ConnectError::Inherited(error) => error.fmt(f),
            ConnectError::Location(error) => error.fmt(f),
            ConnectError::NotFound { path, error } => write!(
                f,
                "there is no {}; is a compositor running, with this runtime directory? ({error})",
                path.display()
            ),
            ConnectError::Refused { path, error } => write!(
                f,
                "nobody listens to {} any more; start the compositor again ({error})",
                path.display()
            ),
            ConnectError::PermissionDenied { path, error } => write!(
                f,
                "this process may not write to {}, or not search its directory; \
                 is it the compositor of another user? ({error})",
                path.display()
            ),
            ConnectError::NotASocket { path, error } => {
                write!(f, "{} is no socket; use another name ({error})", path.display())
            }
            ConnectError::NotAStream { path, error } => write!(
                f,
                "{} is a socket of another type than Wayland's; use another name ({error})",
                path.display()
            ),
            ConnectError::Io { path, error } => write!(f, "{}: {error}", path.display()),
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ConnectError::Inherited(error) => Some(error),
            ConnectError::Location(error) => Some(error),
            ConnectError::NotFound { error, .. }
            | ConnectError::Refused { error, .. }
            | ConnectError::PermissionDenied { error, .. }
            | ConnectError::NotASocket { error, .. }
            | ConnectError::NotAStream { error, .. }
            | ConnectError::Io { error, .. } => Some(error),
        }
    }
}

impl From<LocationError> for ConnectError {
    fn from(error: LocationError) -> ConnectError {
        ConnectError::Location(error)
    }
}

impl From<InheritedError> for ConnectError {
    fn from(error: InheritedError) -> ConnectError {
        ConnectError::Inherited(error)
    }
}

/// Of the kind that the system gave, or of the one that says it best.
impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> io::Error {
        io::Error::new(error.kind(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: io::ErrorKind) -> io::Error {
        io::Error::new(kind, "the cause")
    }

    /// Each reason, its kind, and what is said of it.
    fn reasons() -> [(ConnectError, io::ErrorKind, String); 8] {
        use io::ErrorKind;

        let path = || PathBuf::from("/run/me/x");
        let (inherited, location) =
            (InheritedError::NotConnected { fd: 7 }, LocationError::NoRuntimeDirectory);
        let (inherited_text, location_text) = (inherited.to_string(), location.to_string());
        [
            (inherited.into(), ErrorKind::NotConnected, inherited_text),
            (location.into(), ErrorKind::NotFound, location_text),
            (
                ConnectError::NotFound { path: path(), error: of(ErrorKind::NotADirectory) },
                ErrorKind::NotADirectory,
                "there is no /run/me/x; is a compositor running, with this runtime directory? \
                 (the cause)"
                    .into(),
            ),
            (
                ConnectError::Refused { path: path(), error: of(ErrorKind::ConnectionRefused) },
                ErrorKind::ConnectionRefused,
                "nobody listens to /run/me/x any more; start the compositor again (the cause)"
                    .into(),
            ),
            (
                ConnectError::PermissionDenied {
                    path: path(),
                    error: of(ErrorKind::PermissionDenied),
                },
                ErrorKind::PermissionDenied,
                "this process may not write to /run/me/x, or not search its directory; \
                 is it the compositor of another user? (the cause)"
                    .into(),
            ),
            (
                ConnectError::NotASocket { path: path(), error: of(ErrorKind::ConnectionRefused) },
                ErrorKind::InvalidInput,
                "/run/me/x is no socket; use another name (the cause)".into(),
            ),
            (
                ConnectError::NotAStream { path: path(), error: of(ErrorKind::Other) },
                ErrorKind::InvalidInput,
                "/run/me/x is a socket of another type than Wayland's; use another name (the cause)"
                    .into(),
            ),
            (
                ConnectError::Io { path: path(), error: of(ErrorKind::QuotaExceeded) },
                ErrorKind::QuotaExceeded,
                "/run/me/x: the cause".into(),
            ),
        ]
    }

    #[test]
    fn a_connect_error_names_its_path_and_a_remedy() {
        for (error, _, what) in reasons() {
            assert_eq!(error.to_string(), format!("cannot connect to a compositor: {what}"));
        }
    }

    #[test]
    fn a_connect_error_has_its_cause_as_source() {
        for (error, _, what) in reasons() {
            let source = error.source().expect("a cause").to_string();
            assert!(source == "the cause" || source == what, "{error:?}: {source}");
        }
    }

    #[test]
    fn as_an_io_error_a_failure_has_a_kind_and_keeps_its_type() {
        for (error, kind, _) in reasons() {
            let told = format!("{error:?}");
            let error = io::Error::from(error);
            assert_eq!(error.kind(), kind, "{told}");
            let inner = error.into_inner().expect("it is kept");
            let inner = inner.downcast::<ConnectError>().expect("with its type");
            assert_eq!(format!("{inner:?}"), told);
        }
    }

    #[test]
    fn a_socket_that_is_gone_since_it_refused_was_one() {
        let error = of(io::ErrorKind::ConnectionRefused);
        let error = ConnectError::of(Path::new("/nonexistent/wayland-0"), error);
        assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
    }
}
