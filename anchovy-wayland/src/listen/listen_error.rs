//! Why a compositor cannot listen.
//!
//! Usually another compositor has the name, and another name is free. The other errors are for a person
//! to fix, so each names its file.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use super::lock_refusal::LockRefusal;
use crate::location_error::LocationError;

/// Why a compositor cannot listen on a display.
///
/// No file was left, and no file of another process was removed.
///
/// ```
/// use anchovy_wayland::{ListenError, Listener};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ListenError> {
/// let path = std::env::temp_dir().join(format!("anchovy-error-{}", std::process::id()));
/// let _first = Listener::bind(&path)?;
/// let error = Listener::bind(&path).unwrap_err();
/// assert!(matches!(error, ListenError::Locked { .. }));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ListenError {
    /// The name of the display cannot be made a path.
    Location(LocationError),
    /// Another process holds the lock: a compositor that runs.
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The lock file cannot be created, opened or locked: its directory does not exist, for instance, or
    /// this process may not write to it.
    Lock {
        /// The lock file.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
    /// The lock file must not be used: it is a FIFO, a device, another user's file, or a file that has
    /// another name. It was neither locked nor removed.
    LockRefused {
        /// The lock file.
        path: PathBuf,
        /// Why it must not be used.
        reason: LockRefusal,
    },
    /// There is a socket that neither its owner nor its group may write to. Such a socket is meant to
    /// stay; libwayland leaves it, too.
    WriteProtected {
        /// The socket.
        path: PathBuf,
    },
    /// The socket cannot be bound: a process that does not hold the lock has a socket at the path
    /// ([`InUse`](anchovy::ListenError::InUse)), there is a file that is no socket
    /// ([`NotASocket`](anchovy::ListenError::NotASocket)), or the system refused.
    Socket(anchovy::ListenError),
    /// None of the names that are tried was free.
    NoFreeName {
        /// The runtime directory.
        directory: PathBuf,
        /// The number of the first name that was tried.
        first: u32,
        /// The number of the last name that was tried.
        last: u32,
        /// The error of the first name; `None` if no name was tried, since `first` is above 32.
        reason: Option<Box<ListenError>>,
    },
    /// The parts are not those of this path: the socket is bound to another path, or the lock is of
    /// another file.
    NotHandedOver {
        /// The socket.
        path: PathBuf,
    },
}

impl ListenError {
    /// Returns whether another name may be free.
    pub(super) fn is_about_one_name(&self) -> bool {
        match self {
            ListenError::Locked { .. }
            | ListenError::LockRefused { .. }
            | ListenError::WriteProtected { .. } => true,
            ListenError::Socket(error) => matches!(
                error,
                anchovy::ListenError::InUse { .. }
                    | anchovy::ListenError::NotASocket { .. }
                    | anchovy::ListenError::OtherOwner { .. }
            ),
            // It is the file of another user, in a directory that several users may write to.
            ListenError::Lock { error, .. } => error.kind() == io::ErrorKind::PermissionDenied,
            _ => false,
        }
    }

    fn kind(&self) -> io::ErrorKind {
        match self {
            ListenError::Location(error) => error.kind(),
            ListenError::NoFreeName { reason: Some(reason), .. } => reason.kind(),
            ListenError::NoFreeName { reason: None, .. } => io::ErrorKind::InvalidInput,
            ListenError::Locked { .. } => io::ErrorKind::AddrInUse,
            ListenError::LockRefused { reason: LockRefusal::OtherOwner { .. }, .. } => {
                io::ErrorKind::PermissionDenied
            }
            ListenError::LockRefused { .. } | ListenError::WriteProtected { .. } => {
                io::ErrorKind::AlreadyExists
            }
            ListenError::NotHandedOver { .. } => io::ErrorKind::InvalidInput,
            ListenError::Lock { error, .. } => error.kind(),
            ListenError::Socket(error) => error.kind(),
        }
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenError::NoFreeName { directory, first, last, reason } => {
                write!(
                    f,
                    "cannot listen: no name from wayland-{first} to wayland-{last} is free in {}",
                    directory.display()
                )?;
                match reason {
                    Some(reason) => write!(f, "; of the first one: {reason}"),
                    None => Ok(()),
                }
            }
            ListenError::Location(error) => write!(f, "cannot listen: {error}"),
            ListenError::Locked { path } => write!(
                f,
                "cannot listen: another process has locked {}; \
                 is a compositor running? end it, or use another name",
                path.display()
            ),
            ListenError::Lock { path, error } => {
                let hint = match error.kind() {
                    io::ErrorKind::NotFound => "there is no such directory",
                    io::ErrorKind::PermissionDenied => "this process may not write there",
                    _ => "use another name",
                };
                write!(f, "cannot listen: no lock {}: {hint}", path.display())
            }
            ListenError::LockRefused { path, reason } => write!(
                f,
                "cannot listen: the lock file {} {reason}, and was left alone; \
                 remove it, or use another name",
                path.display()
            ),
            ListenError::Socket(error) => write!(f, "cannot listen: {error}"),
            ListenError::WriteProtected { path } => write!(
                f,
                "cannot listen: nobody may write to {}, so it was left alone; \
                 remove it, or use another name",
                path.display()
            ),
            ListenError::NotHandedOver { path } => write!(
                f,
                "cannot listen: {} and its lock are not those that were handed over; \
                 bind them anew",
                path.display()
            ),
        }
    }
}

impl Error for ListenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // The texts of these three include that of the part, and so the cause is that of the part.
            ListenError::Location(error) => error.source(),
            ListenError::Socket(error) => error.source(),
            ListenError::NoFreeName { reason, .. } => reason.as_ref()?.source(),
            ListenError::Lock { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl From<LocationError> for ListenError {
    fn from(error: LocationError) -> ListenError {
        ListenError::Location(error)
    }
}

impl From<anchovy::ListenError> for ListenError {
    fn from(error: anchovy::ListenError) -> ListenError {
        ListenError::Socket(error)
    }
}

/// Of the kind that the system gave, or of the one that says it best.
impl From<ListenError> for io::Error {
    fn from(error: ListenError) -> io::Error {
        io::Error::new(error.kind(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_chain::error_chain;

    #[test]
    fn a_listen_error_has_the_error_of_the_system_as_source() {
        let path = || PathBuf::from("/run/me/x");
        let refused = || io::Error::new(io::ErrorKind::PermissionDenied, "it is refused");
        let lock = || ListenError::Lock { path: path(), error: refused() };
        let free = |reason| ListenError::NoFreeName {
            directory: "/run/me".into(),
            first: 0,
            last: 32,
            reason,
        };
        for (error, cause) in [
            (LocationError::EmptyName.into(), None),
            (ListenError::Locked { path: path() }, None),
            (lock(), Some("it is refused")),
            (ListenError::WriteProtected { path: path() }, None),
            (
                ListenError::LockRefused {
                    path: path(),
                    reason: LockRefusal::HardLinked { links: 2 },
                },
                None,
            ),
            (anchovy::ListenError::InUse { path: path() }.into(), None),
            (
                anchovy::ListenError::Io { path: Some(path()), error: refused() }.into(),
                Some("it is refused"),
            ),
            (free(Some(Box::new(lock()))), Some("it is refused")),
            (free(None), None),
            (ListenError::NotHandedOver { path: path() }, None),
        ] {
            let chain = error_chain(&error);
            assert!(chain[0].starts_with("cannot listen: "), "{chain:?}");
            assert_eq!(chain.get(1).map(String::as_str), cause, "{chain:?}");
        }
    }
}
