//! The error of connecting to a compositor.

use std::error::Error;
use std::fmt;
use std::io;

use super::inherited_error::InheritedError;
use crate::location_error::LocationError;

/// The error of connecting to a compositor.
///
/// After an error, no other display is tried. The text of this error describes the error that the variant
/// contains. So [`source`](Error::source) does not return the contained error, but the source of the
/// contained error: the error of the system, if there is one.
///
/// # Examples
///
/// ```
/// use anchovy_wayland::{ConnectError, Connector};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let connector = Connector::new().without_environment().display("/nonexistent/wayland-0");
/// let error = connector.connect().await.unwrap_err();
/// assert!(matches!(error, ConnectError::Socket(anchovy::ConnectError::NotFound { .. })));
/// assert!(error.to_string().contains("/nonexistent/wayland-0"));
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectError {
    /// `WAYLAND_SOCKET` is set, and its descriptor cannot be used.
    Inherited(InheritedError),
    /// The path of the socket cannot be determined.
    Location(LocationError),
    /// Connecting to the socket failed.
    Socket(anchovy::ConnectError),
}

impl ConnectError {
    fn kind(&self) -> io::ErrorKind {
        match self {
            ConnectError::Inherited(error) => error.kind(),
            ConnectError::Location(error) => error.kind(),
            ConnectError::Socket(error) => error.kind(),
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot connect to a compositor: ")?;
        match self {
            ConnectError::Inherited(error) => error.fmt(f),
            ConnectError::Location(error) => error.fmt(f),
            ConnectError::Socket(anchovy::ConnectError::NotFound { path, .. }) => write!(
                f,
                "there is no socket {}; check that the compositor is running and uses this directory",
                path.display()
            ),
            ConnectError::Socket(anchovy::ConnectError::Refused { path, .. }) => {
                write!(f, "no process listens on {}; start the compositor again", path.display())
            }
            ConnectError::Socket(anchovy::ConnectError::PermissionDenied { path, .. }) => write!(
                f,
                "no write permission for {} or no search permission for its directory; \
                 check that the compositor belongs to this user",
                path.display()
            ),
            ConnectError::Socket(anchovy::ConnectError::Io { path, .. }) => {
                write!(f, "connecting to {} failed", path.display())
            }
            ConnectError::Socket(error) => error.fmt(f),
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ConnectError::Inherited(error) => error.source(),
            ConnectError::Location(error) => error.source(),
            ConnectError::Socket(error) => error.source(),
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

impl From<anchovy::ConnectError> for ConnectError {
    fn from(error: anchovy::ConnectError) -> ConnectError {
        ConnectError::Socket(error)
    }
}

/// Keeps the kind of the error of the system, or uses the closest kind.
impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> io::Error {
        io::Error::new(error.kind(), error)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::error_chain::error_chain;

    fn cause(kind: io::ErrorKind) -> io::Error {
        io::Error::new(kind, "the cause")
    }

    /// Errors, their kinds and their texts.
    fn reasons() -> [(ConnectError, io::ErrorKind, String); 9] {
        use anchovy::ConnectError as Socket;
        use io::ErrorKind;

        let path = || PathBuf::from("/run/me/x");
        let (inherited, location) =
            (InheritedError::NotConnected { fd: 7 }, LocationError::NoRuntimeDirectory);
        let (inherited_text, location_text) = (inherited.to_string(), location.to_string());
        [
            (inherited.into(), ErrorKind::NotConnected, inherited_text),
            (location.into(), ErrorKind::NotFound, location_text),
            (
                Socket::NotFound { path: path(), error: cause(ErrorKind::NotADirectory) }.into(),
                ErrorKind::NotADirectory,
                "there is no socket /run/me/x; check that the compositor is running and uses this directory"
                    .into(),
            ),
            (
                Socket::Refused { path: path(), error: cause(ErrorKind::ConnectionRefused) }.into(),
                ErrorKind::ConnectionRefused,
                "no process listens on /run/me/x; start the compositor again".into(),
            ),
            (
                Socket::PermissionDenied {
                    path: path(),
                    error: cause(ErrorKind::PermissionDenied),
                }
                .into(),
                ErrorKind::PermissionDenied,
                "no write permission for /run/me/x or no search permission for its directory; \
                 check that the compositor belongs to this user"
                    .into(),
            ),
            (
                Socket::NotASocket { path: path(), error: cause(ErrorKind::ConnectionRefused) }
                    .into(),
                ErrorKind::InvalidInput,
                "/run/me/x is not a socket".into(),
            ),
            (
                Socket::NotAStream { path: path(), error: cause(ErrorKind::Other) }.into(),
                ErrorKind::InvalidInput,
                "/run/me/x is not a stream socket".into(),
            ),
            (
                Socket::Io { path: path(), error: cause(ErrorKind::QuotaExceeded) }.into(),
                ErrorKind::QuotaExceeded,
                "connecting to /run/me/x failed".into(),
            ),
            (
                Socket::Path(anchovy::PathError::NulInPath { path: "a\0b".into() }).into(),
                ErrorKind::InvalidInput,
                "the path \"a\\0b\" contains a NUL byte".into(),
            ),
        ]
    }

    #[test]
    fn a_connect_error_shows_its_path_and_a_remedy() {
        for (error, _, what) in reasons() {
            assert_eq!(error.to_string(), format!("cannot connect to a compositor: {what}"));
        }
    }

    #[test]
    fn the_source_of_a_connect_error_is_the_error_of_the_system() {
        for (error, _, what) in reasons() {
            let has_cause =
                matches!(&error, ConnectError::Socket(error) if error.source().is_some());
            let chain = error_chain(&error);
            assert_eq!(chain[0], format!("cannot connect to a compositor: {what}"));
            assert_eq!(chain[1..], ["the cause"][..usize::from(has_cause)], "{error:?}");
        }
        let error = InheritedError::Io { fd: 7, error: cause(io::ErrorKind::Other) };
        assert_eq!(error_chain(&ConnectError::from(error))[1..], ["the cause"]);
    }

    #[test]
    fn an_io_error_of_a_connect_error_has_its_kind_and_type() {
        for (error, kind, _) in reasons() {
            let shown = format!("{error:?}");
            let error = io::Error::from(error);
            assert_eq!(error.kind(), kind, "{shown}");
            let inner = error.into_inner().expect("it is kept");
            let inner = inner.downcast::<ConnectError>().expect("with its type");
            assert_eq!(format!("{inner:?}"), shown);
        }
    }
}
