//! Why a client cannot connect to a compositor.

use std::error::Error;
use std::fmt;
use std::io;

use super::inherited_error::InheritedError;
use crate::location_error::LocationError;

/// Why a client cannot connect to a compositor.
///
/// Nothing else was tried: a display that was named and cannot be connected to is not replaced by
/// another one. The text includes that of the reason, and [`source`](Error::source) is the cause of the
/// reason: the error of the system, if there is one.
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
    /// `WAYLAND_SOCKET` is set, and what it names cannot be used.
    Inherited(InheritedError),
    /// The name of the display cannot be made a path.
    Location(LocationError),
    /// The socket at the path could not be connected to.
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
                "there is no {}; is a compositor running, with this runtime directory?",
                path.display()
            ),
            ConnectError::Socket(anchovy::ConnectError::Refused { path, .. }) => write!(
                f,
                "no compositor listens on {} any more; start the compositor again",
                path.display()
            ),
            ConnectError::Socket(anchovy::ConnectError::PermissionDenied { path, .. }) => write!(
                f,
                "this process may not write to {}, or not search its directory; \
                 is it the compositor of another user?",
                path.display()
            ),
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

/// The kind is that of the error of the system, or else the closest one.
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

    /// Each reason, its kind, and its text.
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
                "there is no /run/me/x; is a compositor running, with this runtime directory?"
                    .into(),
            ),
            (
                Socket::Refused { path: path(), error: cause(ErrorKind::ConnectionRefused) }.into(),
                ErrorKind::ConnectionRefused,
                "no compositor listens on /run/me/x any more; start the compositor again".into(),
            ),
            (
                Socket::PermissionDenied {
                    path: path(),
                    error: cause(ErrorKind::PermissionDenied),
                }
                .into(),
                ErrorKind::PermissionDenied,
                "this process may not write to /run/me/x, or not search its directory; \
                 is it the compositor of another user?"
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
                "cannot connect to /run/me/x".into(),
            ),
            (
                Socket::Path(anchovy::PathError::NulInPath { path: "a\0b".into() }).into(),
                ErrorKind::InvalidInput,
                "the path \"a\\0b\" contains a NUL byte".into(),
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
    fn a_connect_error_has_the_error_of_the_system_as_source() {
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
    fn as_an_io_error_a_failure_has_a_kind_and_keeps_its_type() {
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
