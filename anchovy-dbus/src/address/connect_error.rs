//! The error of connecting to a list of addresses.

use std::error::Error;
use std::fmt;
use std::io;

use super::construct::Address;
use super::sources::with_sources;

/// The error of connecting to a list of addresses.
///
/// The text contains the reason for each address, so there is no [`source`](Error::source).
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use anchovy_dbus::{Addresses, ConnectErrorKind};
///
/// let addresses: Addresses = "tcp:host=localhost,port=1;unix:path=/nonexistent/bus".parse()?;
/// let error = addresses.connect().await.unwrap_err();
///
/// let kinds: Vec<_> = error.attempts().iter().map(|attempt| &attempt.kind).collect();
/// assert!(matches!(kinds[..], [ConnectErrorKind::NotAUnixSocket, ConnectErrorKind::Socket(_)]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ConnectError {
    pub(super) attempts: Vec<ConnectAttempt>,
}

/// One address of a [`ConnectError`].
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use anchovy_dbus::{Address, Addresses};
///
/// let error = Addresses::from(Address::path("/nonexistent")?).connect().await.unwrap_err();
/// assert_eq!(error.attempts()[0].address, Address::path("/nonexistent")?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ConnectAttempt {
    /// The address.
    pub address: Address,
    /// The reason why the address could not be connected to.
    pub kind: ConnectErrorKind,
}

/// The reason why one address could not be connected to.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use anchovy_dbus::{Address, Addresses, ConnectErrorKind};
///
/// let error = Addresses::from(Address::runtime()).connect().await.unwrap_err();
/// assert!(matches!(error.attempts()[0].kind, ConnectErrorKind::ListenOnly));
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectErrorKind {
    /// The transport of the address is not `unix`.
    NotAUnixSocket,
    /// A server can listen on the address. The address to connect to is another one, which the server
    /// chooses (D-Bus Specification, "Unix Domain Sockets").
    ListenOnly,
    /// Connecting to the socket failed.
    Socket(anchovy::ConnectError),
}

impl ConnectError {
    pub(crate) fn new(attempts: Vec<ConnectAttempt>) -> ConnectError {
        ConnectError { attempts }
    }

    /// Returns the addresses that were tried, in order.
    pub fn attempts(&self) -> &[ConnectAttempt] {
        &self.attempts
    }
}

impl From<anchovy::ConnectError> for ConnectErrorKind {
    fn from(error: anchovy::ConnectError) -> ConnectErrorKind {
        ConnectErrorKind::Socket(error)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot connect: ")?;
        for (index, attempt) in self.attempts.iter().enumerate() {
            let semicolon = if index == 0 { "" } else { "; " };
            write!(f, "{semicolon}{attempt}")?;
        }
        Ok(())
    }
}

/// Writes the address, the reason, and the causes of the reason.
impl fmt::Display for ConnectAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, with_sources(&self.kind))
    }
}

impl fmt::Display for ConnectErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectErrorKind::NotAUnixSocket => {
                f.write_str("the transport is not supported; use a Unix socket")
            }
            ConnectErrorKind::ListenOnly => f.write_str(
                "the address is only for listening; connect to the address that the server prints",
            ),
            ConnectErrorKind::Socket(error) => error.fmt(f),
        }
    }
}

impl Error for ConnectError {}

impl Error for ConnectErrorKind {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // The text of this error is its text.
            ConnectErrorKind::Socket(error) => error.source(),
            _ => None,
        }
    }
}

impl ConnectErrorKind {
    fn io_kind(&self) -> io::ErrorKind {
        match self {
            ConnectErrorKind::Socket(error) => error.kind(),
            _ => io::ErrorKind::Unsupported,
        }
    }
}

impl From<ConnectErrorKind> for io::Error {
    fn from(kind: ConnectErrorKind) -> io::Error {
        io::Error::new(kind.io_kind(), kind)
    }
}

/// The kind is that of the last attempt that failed with [`ConnectErrorKind::Socket`], or
/// [`Unsupported`](io::ErrorKind::Unsupported) if no attempt did.
impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> io::Error {
        let kind = error.attempts.iter().rev().find_map(|attempt| match &attempt.kind {
            ConnectErrorKind::Socket(error) => Some(error.kind()),
            _ => None,
        });
        io::Error::new(kind.unwrap_or(io::ErrorKind::Unsupported), error)
    }
}
