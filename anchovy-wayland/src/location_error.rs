//! The error of determining the path of the socket of a display.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// The error of determining the path of the socket of a display.
///
/// # Examples
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
    /// The name is not an absolute path, and there is no runtime directory: the program has set none, and
    /// `XDG_RUNTIME_DIR` is not set or is ignored
    /// ([`without_environment`](crate::Connector::without_environment)).
    NoRuntimeDirectory,
    /// The runtime directory (`XDG_RUNTIME_DIR`) is empty.
    EmptyRuntimeDirectory,
    /// The runtime directory (`XDG_RUNTIME_DIR`) is a relative path. The XDG Base Directory Specification
    /// requires an absolute path.
    RelativeRuntimeDirectory {
        /// The runtime directory.
        directory: PathBuf,
    },
    /// The name is empty. It does not count as `wayland-0`, because users set `WAYLAND_DISPLAY` to an empty
    /// value to prevent a program from using Wayland.
    EmptyName,
}

impl LocationError {
    pub(crate) fn kind(&self) -> io::ErrorKind {
        match self {
            LocationError::NoRuntimeDirectory => io::ErrorKind::NotFound,
            _ => io::ErrorKind::InvalidInput,
        }
    }
}

impl fmt::Display for LocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LocationError::NoRuntimeDirectory => f.write_str(
                "XDG_RUNTIME_DIR is not set, or this program ignores it; set it, or use an absolute path",
            ),
            LocationError::EmptyRuntimeDirectory => f.write_str(
                "the runtime directory (XDG_RUNTIME_DIR) is empty; set it to an absolute path",
            ),
            LocationError::RelativeRuntimeDirectory { directory } => write!(
                f,
                "the runtime directory {} (XDG_RUNTIME_DIR) is a relative path; \
                 set it to an absolute path",
                directory.display()
            ),
            LocationError::EmptyName => f.write_str(
                "the name of the display (WAYLAND_DISPLAY) is empty; set it, or unset it to use \
                 wayland-0",
            ),
        }
    }
}

impl Error for LocationError {}

impl From<LocationError> for io::Error {
    fn from(error: LocationError) -> io::Error {
        io::Error::new(error.kind(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_chain::error_chain;

    #[test]
    fn a_location_error_has_no_source() {
        for error in [
            LocationError::NoRuntimeDirectory,
            LocationError::EmptyRuntimeDirectory,
            LocationError::RelativeRuntimeDirectory { directory: "run/me".into() },
            LocationError::EmptyName,
        ] {
            assert_eq!(error_chain(&error).len(), 1);
        }
    }
}
