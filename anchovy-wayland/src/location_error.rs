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
    /// `XDG_RUNTIME_DIR` is not set or not used, and the name is no absolute path.
    NoRuntimeDirectory,
    /// The runtime directory (`XDG_RUNTIME_DIR`) is set, and empty.
    EmptyRuntimeDirectory,
    /// The runtime directory (`XDG_RUNTIME_DIR`) is a relative path, which programs must ignore according
    /// to the XDG Base Directory Specification.
    RelativeRuntimeDirectory {
        /// The value.
        directory: PathBuf,
    },
    /// The name is empty. An empty `WAYLAND_DISPLAY` often is meant to keep a program from using Wayland,
    /// so it does not mean `wayland-0`.
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
    fn a_location_error_has_no_other_cause() {
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
