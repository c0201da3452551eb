//! Why a server cannot listen, of every address that it tried.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::address::socket::{LONGEST, NameError};
use crate::address::{Address, Transport};

/// Why no address could be listened on.
///
/// ```
/// use anchovy_dbus::{Addresses, ListenFailure};
///
/// let addresses: Addresses = "tcp:host=localhost".parse()?;
/// let error = addresses.listen().unwrap_err();
/// assert!(matches!(error.attempts()[0].reason, ListenFailure::NotAUnixSocket));
/// # Ok::<(), anchovy_dbus::AddressError>(())
/// ```
#[derive(Debug)]
pub struct ListenError {
    pub(super) attempts: Vec<FailedListen>,
}

/// One address of a [`ListenError`].
///
/// ```
/// use anchovy_dbus::Address;
///
/// let error = Address::dir("/nonexistent")?.listen().unwrap_err();
/// let path = error.attempts()[0].path.as_ref().expect("a directory leads to a path");
/// assert!(path.starts_with("/nonexistent"));
/// # Ok::<(), anchovy_dbus::AddressError>(())
/// ```
#[derive(Debug)]
pub struct FailedListen {
    /// What was tried.
    pub address: Address,
    /// The path that this led to, where it led to one.
    pub path: Option<PathBuf>,
    /// Why it failed.
    pub reason: ListenFailure,
}

/// Why one address could not be listened on.
///
/// ```
/// use anchovy_dbus::{Address, ListenFailure};
///
/// let first = Address::tmpdir(std::env::temp_dir())?.listen()?;
/// let second = first.address.listen().unwrap_err();
/// assert!(matches!(second.attempts()[0].reason, ListenFailure::InUse));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ListenFailure {
    /// Its transport is another one than `unix`.
    NotAUnixSocket,
    /// Its path or abstract name does not fit into an address of the kernel (unix(7)).
    TooLong {
        /// The length of the path or name, in bytes.
        length: usize,
        /// The most that fits, in bytes: 107 on Linux.
        limit: usize,
    },
    /// It is `unix:runtime=yes`, and `XDG_RUNTIME_DIR` is not set, or not absolute.
    NoRuntimeDirectory,
    /// A process has a socket there.
    InUse,
    /// There is something that is no socket. It was left alone.
    NotASocket {
        /// What it is: "a file", "a directory", "a symbolic link" or "something".
        found: &'static str,
    },
    /// The system refused; an abstract name on any other than Linux, with
    /// [`Unsupported`](io::ErrorKind::Unsupported).
    Io(io::Error),
}

impl ListenError {
    /// What failed at one address, once it was bound.
    pub(crate) fn of(address: Address, error: io::Error) -> ListenError {
        let reason = ListenFailure::Io(error);
        ListenError { attempts: vec![FailedListen { address, path: None, reason }] }
    }

    /// What was tried, in order.
    pub fn attempts(&self) -> &[FailedListen] {
        &self.attempts
    }
}

impl From<NameError> for ListenFailure {
    fn from(error: NameError) -> ListenFailure {
        match error {
            NameError::TooLong(length) => ListenFailure::TooLong { length, limit: LONGEST },
            NameError::Io(error) => ListenFailure::Io(error),
        }
    }
}

impl From<io::Error> for ListenFailure {
    fn from(error: io::Error) -> ListenFailure {
        ListenFailure::Io(error)
    }
}

impl ListenFailure {
    fn kind(&self) -> io::ErrorKind {
        match self {
            ListenFailure::NotAUnixSocket => io::ErrorKind::Unsupported,
            ListenFailure::TooLong { .. } => io::ErrorKind::InvalidInput,
            ListenFailure::NoRuntimeDirectory => io::ErrorKind::NotFound,
            ListenFailure::InUse => io::ErrorKind::AddrInUse,
            ListenFailure::NotASocket { .. } => io::ErrorKind::AlreadyExists,
            ListenFailure::Io(error) => error.kind(),
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

impl fmt::Display for FailedListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.address)?;
        match (&self.path, &self.address.transport) {
            // The address says it already.
            (None, _) | (_, Transport::Path(_)) => {}
            (Some(path), _) => write!(f, "{}: ", path.display())?,
        }
        self.reason.fmt(f)
    }
}

impl fmt::Display for ListenFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenFailure::NotAUnixSocket => {
                f.write_str("this is no Unix socket, and only those are spoken here")
            }
            ListenFailure::TooLong { length, limit } => write!(
                f,
                "the name of the socket has {length} bytes, and {limit} are the most; \
                 choose a shorter one"
            ),
            ListenFailure::NoRuntimeDirectory => {
                f.write_str("XDG_RUNTIME_DIR is not set to an absolute path; use a path")
            }
            ListenFailure::InUse => f.write_str(
                "another process has this socket; end that process, or choose another address",
            ),
            ListenFailure::NotASocket { found } => write!(
                f,
                "{found} is there, which is no socket and was left alone; \
                 move it, or choose another address"
            ),
            ListenFailure::Io(error) => {
                let hint = match error.kind() {
                    io::ErrorKind::NotFound => "there is no such directory",
                    io::ErrorKind::PermissionDenied => {
                        "this user may not write to the directory, or not to the socket in it"
                    }
                    _ => return error.fmt(f),
                };
                write!(f, "{hint} ({error})")
            }
        }
    }
}

impl Error for ListenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.attempts.last().map(|attempt| &attempt.reason as _)
    }
}

impl Error for ListenFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ListenFailure::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// Of the kind of the last attempt.
impl From<ListenError> for io::Error {
    fn from(error: ListenError) -> io::Error {
        let last = error.attempts.last();
        let kind = last.map_or(io::ErrorKind::Other, |attempt| attempt.reason.kind());
        io::Error::new(kind, error)
    }
}
