//! Why a compositor cannot listen.
//!
//! Most of the time another compositor has the name, and there is another one to be had; the rest is
//! for a person to put right, who needs to know at which file to look.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use super::lock_refusal::LockRefusal;
use crate::location_error::LocationError;

/// Why a display cannot be listened at.
///
/// Nothing was left behind, and nothing of others was removed.
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
    /// The name of the display leads to no path.
    Location(LocationError),
    /// Another process holds the lock: a compositor that lives.
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The lock file cannot be made, opened or locked: there is no such directory, for instance, or
    /// this process may not write to it.
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The lock file is none that this process may use: a FIFO, a device, another user's file, or a
    /// file that has another name. It was neither locked nor removed.
    LockRefused {
        /// The lock file.
        path: PathBuf,
        /// What is wrong with it.
        reason: LockRefusal,
    },
    /// A socket is there whose permissions allow neither its owner nor its group to write to it. Who
    /// has done that wants it to stay; libwayland leaves it, too.
    WriteProtected {
        /// The socket.
        path: PathBuf,
    },
    /// There is no socket at the path: a process that does not hold the lock has one there
    /// ([`InUse`](anchovy::ListenError::InUse)), something else than a socket is there
    /// ([`NotASocket`](anchovy::ListenError::NotASocket)), or the system refused.
    Socket(anchovy::ListenError),
    /// None of the names that are tried was free.
    NoFreeName {
        /// The runtime directory.
        directory: PathBuf,
        /// The number of the first name that was tried.
        first: u32,
        /// The number of the last one.
        last: u32,
        /// What was wrong with the first one; nothing if none was tried, from above 32.
        reason: Option<Box<ListenError>>,
    },
    /// What was handed over is not what is at this path: the socket is bound to another one, or the
    /// lock is not that of the file that is there.
    NotHandedOver {
        /// The socket.
        path: PathBuf,
    },
}

impl ListenError {
    /// Whether it is this name alone that is not to be had.
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
            // The file of another user, where more than one may write to the directory.
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
