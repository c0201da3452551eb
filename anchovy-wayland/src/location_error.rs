//! Why there is no path for the socket of a display.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why there is no path for the socket of a display.
///
/// ```
/// use anchovy_wayland::{ConnectError, Connector, LocationError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let connector = Connector::new().without_environment().display("wayland-1");
/// let error = connector.connect().await.unwrap_err();
/// assert!(matches!(error, ConnectError::Location(LocationError::NoRuntimeDirectory)));
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum LocationError {
    /// `XDG_RUNTIME_DIR` is not set, or is not looked at, and the name is no absolute path.
    NoRuntimeDirectory,
    /// The runtime directory (`XDG_RUNTIME_DIR`) is set, and empty.
    EmptyRuntimeDirectory,
    /// The runtime directory (`XDG_RUNTIME_DIR`) is a relative path, which the XDG Base Directory
    /// Specification has everybody ignore.
    RelativeRuntimeDirectory {
        /// What it is.
        directory: PathBuf,
    },
    /// The name is empty. `WAYLAND_DISPLAY` is often set to that in order to keep a program from
    /// Wayland, so it does not stand for `wayland-0`.
    EmptyName,
    /// The path has a NUL, which no path of the system has.
    NulInPath {
        /// The path.
        path: PathBuf,
    },
    /// The path does not fit into an address of the kernel (`sun_path`, unix(7)).
    TooLong {
        /// The path.
        path: PathBuf,
        /// Its length, in bytes.
        length: usize,
        /// The most that fits, in bytes, behind which there is a NUL: 107 on Linux.
        limit: usize,
    },
    /// The standard library makes no address of the path.
    Unusable {
        /// The path.
        path: PathBuf,
        /// What it says.
        error: io::Error,
    },
}

impl LocationError {
    pub(crate) fn kind(&self) -> io::ErrorKind {
        match self {
            LocationError::NoRuntimeDirectory => io::ErrorKind::NotFound,
            LocationError::Unusable { error, .. } => error.kind(),
            _ => io::ErrorKind::InvalidInput,
        }
    }
}

impl fmt::Display for LocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LocationError::NoRuntimeDirectory => f.write_str(
                "no runtime directory is known, since XDG_RUNTIME_DIR is not set or not looked at; \
                 set it, or use an absolute path",
            ),
            LocationError::EmptyRuntimeDirectory => f.write_str(
                "the runtime directory is set to nothing (XDG_RUNTIME_DIR); \
                 set it to an absolute path",
            ),
            LocationError::RelativeRuntimeDirectory { directory } => write!(
                f,
                "the runtime directory {} is a relative path (XDG_RUNTIME_DIR); \
                 set it to an absolute one",
                directory.display()
            ),
            LocationError::EmptyName => f.write_str(
                "the name of the display is empty (WAYLAND_DISPLAY), so no display is meant; \
                 set it, or unset it for wayland-0",
            ),
            LocationError::NulInPath { path } => {
                write!(f, "the path {path:?} has a NUL, which no path has; use another name")
            }
            LocationError::TooLong { path, length, limit } => write!(
                f,
                "the path {} has {length} bytes, and that of a socket may have {limit}; \
                 use a shorter runtime directory or name",
                path.display()
            ),
            LocationError::Unusable { path, error } => {
                write!(f, "the path {} is none for a socket: {error}", path.display())
            }
        }
    }
}

impl Error for LocationError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            LocationError::Unusable { error, .. } => Some(error),
            _ => None,
        }
    }
}
