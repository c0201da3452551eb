//! The error of listening on a list of addresses.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use super::construct::Address;
use super::sources::with_sources;

/// The error of listening on a list of addresses.
///
/// The text contains the reason for each address, so there is no [`source`](Error::source).
///
/// # Examples
///
/// ```
/// use anchovy_dbus::{Addresses, ListenErrorKind};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let addresses: Addresses = "tcp:host=localhost".parse()?;
/// let error = addresses.bind().unwrap_err();
/// assert!(matches!(error.attempts()[0].kind, ListenErrorKind::NotAUnixSocket));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ListenError {
    pub(super) attempts: Vec<ListenAttempt>,
}

/// One address of a [`ListenError`].
///
/// # Examples
///
/// ```
/// use anchovy_dbus::Address;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let error = Address::dir("/nonexistent")?.bind().unwrap_err();
/// let path = error.attempts()[0].path.as_ref().expect("a directory leads to a path");
/// assert!(path.starts_with("/nonexistent"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ListenAttempt {
    /// The address.
    pub address: Address,
    /// The path of the socket, if the address has one. If generating its name failed
    /// ([`RandomName`](ListenErrorKind::RandomName)), the path of its directory.
    pub path: Option<PathBuf>,
    /// The reason why the address could not be listened on.
    pub kind: ListenErrorKind,
}

/// The reason why one address could not be listened on.
///
/// # Examples
///
/// ```
/// use anchovy_dbus::{Address, ListenErrorKind};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let first = Address::tmpdir(std::env::temp_dir())?.bind()?;
/// let second = first.address.bind().unwrap_err();
/// let kind = &second.attempts()[0].kind;
/// assert!(matches!(kind, ListenErrorKind::Socket(anchovy::ListenError::InUse { .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ListenErrorKind {
    /// The transport of the address is not `unix`.
    NotAUnixSocket,
    /// The address is `unix:runtime=yes`, and `XDG_RUNTIME_DIR` is not set or not absolute.
    NoRuntimeDirectory,
    /// Generating random bytes for the name of the socket failed.
    RandomName(io::Error),
    /// Binding the socket failed.
    Socket(anchovy::ListenError),
}

impl ListenError {
    pub(crate) fn new(attempts: Vec<ListenAttempt>) -> ListenError {
        ListenError { attempts }
    }

    /// Returns the addresses that were tried, in order.
    pub fn attempts(&self) -> &[ListenAttempt] {
        &self.attempts
    }
}

impl From<anchovy::ListenError> for ListenErrorKind {
    fn from(error: anchovy::ListenError) -> ListenErrorKind {
        ListenErrorKind::Socket(error)
    }
}

impl ListenErrorKind {
    fn io_kind(&self) -> io::ErrorKind {
        match self {
            ListenErrorKind::NotAUnixSocket => io::ErrorKind::Unsupported,
            ListenErrorKind::NoRuntimeDirectory => io::ErrorKind::NotFound,
            ListenErrorKind::RandomName(error) => error.kind(),
            ListenErrorKind::Socket(error) => error.kind(),
        }
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot listen: ")?;
        for (index, attempt) in self.attempts.iter().enumerate() {
            let semicolon = if index == 0 { "" } else { "; " };
            write!(f, "{semicolon}{attempt}")?;
        }
        Ok(())
    }
}

/// Writes the address, the reason, and the causes of the reason.
impl fmt::Display for ListenAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, with_sources(&self.kind))
    }
}

impl fmt::Display for ListenErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenErrorKind::NotAUnixSocket => {
                f.write_str("the transport is not supported; use a Unix socket")
            }
            ListenErrorKind::NoRuntimeDirectory => f.write_str(
                "the variable XDG_RUNTIME_DIR is not set to an absolute path; use unix:path=",
            ),
            ListenErrorKind::RandomName(_) => {
                f.write_str("cannot generate random bytes for the name of the socket")
            }
            ListenErrorKind::Socket(error) => error.fmt(f),
        }
    }
}

impl Error for ListenError {}

impl Error for ListenErrorKind {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ListenErrorKind::RandomName(error) => Some(error),
            // The text of this error is its text.
            ListenErrorKind::Socket(error) => error.source(),
            ListenErrorKind::NotAUnixSocket | ListenErrorKind::NoRuntimeDirectory => None,
        }
    }
}

impl From<ListenErrorKind> for io::Error {
    fn from(kind: ListenErrorKind) -> io::Error {
        io::Error::new(kind.io_kind(), kind)
    }
}

/// The kind is that of the last attempt.
impl From<ListenError> for io::Error {
    fn from(error: ListenError) -> io::Error {
        let last = error.attempts.last();
        let kind = last.map_or(io::ErrorKind::Other, |attempt| attempt.kind.io_kind());
        io::Error::new(kind, error)
    }
}
