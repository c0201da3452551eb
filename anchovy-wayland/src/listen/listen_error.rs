//! The error of listening on a display.
//!
//! Usually another compositor uses the name, and another name is free. A user must fix the other errors, so
//! each shows its path.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use super::lock_refusal::LockRefusal;
use crate::location_error::LocationError;

/// The error of listening on a display.
///
/// If binding fails, the files that it has created are removed.
/// [`Listener::from_parts`](crate::Listener::from_parts) removes no files.
///
/// # Examples
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
    /// The path of the socket cannot be determined.
    Location(LocationError),
    /// Another process, or another listener of this process, holds the lock. Usually another compositor is
    /// running.
    Locked {
        /// Path of the lock file.
        path: PathBuf,
    },
    /// The lock file cannot be created, opened or locked, for example because its directory does not exist
    /// or this process has no write permission.
    Lock {
        /// Path of the lock file.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
    /// The lock file is a special file, belongs to another user, or has several hard links. It was neither
    /// locked nor removed.
    LockRefused {
        /// Path of the lock file.
        path: PathBuf,
        /// Reason why the file is not used.
        reason: LockRefusal,
    },
    /// There is a socket for which neither owner nor group has write permission. As in libwayland, such a
    /// socket is not replaced.
    WriteProtected {
        /// Path of the socket.
        path: PathBuf,
    },
    /// The socket cannot be bound or used, for example for one of these reasons:
    ///
    /// - A process has the socket open, although no process holds the lock
    ///   ([`InUse`](anchovy::ListenError::InUse)).
    /// - The file at the path is not a socket ([`NotASocket`](anchovy::ListenError::NotASocket)).
    /// - A system call failed ([`Io`](anchovy::ListenError::Io)).
    Socket(anchovy::ListenError),
    /// No name of a display was free.
    NoFreeName {
        /// Runtime directory.
        directory: PathBuf,
        /// Number of the first name to try.
        first: u32,
        /// Number of the last name to try: 32.
        last: u32,
        /// Error of the first name. `None` if `first` is higher than `last`, so that no name was tried.
        reason: Option<Box<ListenError>>,
    },
    /// The [`ListenerParts`](crate::ListenerParts) do not belong to this path: the socket is bound to another
    /// path, or the lock belongs to another file.
    NotHandedOver {
        /// Path of the socket.
        path: PathBuf,
    },
}

impl ListenError {
    /// Returns whether the error concerns only this name, so that another name may be free.
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
            // The file of another user, in a directory to which several users may write.
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
        write!(f, "cannot listen: {}", Reason(self))
    }
}

/// The text of an error without its first words, to be part of another text.
struct Reason<'a>(&'a ListenError);

impl fmt::Display for Reason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ListenError::Location(error) => error.fmt(f),
            ListenError::Locked { path } => write!(
                f,
                "another process has locked {}; stop its compositor, or use another name",
                path.display()
            ),
            ListenError::Lock { path, error } => {
                let hint = match error.kind() {
                    io::ErrorKind::NotFound => "check that its directory exists",
                    io::ErrorKind::PermissionDenied => "check the write permission",
                    _ => "use another name",
                };
                write!(f, "locking the file {} failed; {hint}", path.display())
            }
            ListenError::LockRefused { path, reason } => write!(
                f,
                "the lock file {} was not used: it {reason}; remove it, or use another name",
                path.display()
            ),
            ListenError::WriteProtected { path } => write!(
                f,
                "the socket {} was not replaced: it has no write permission for owner and group; \
                 remove it, or use another name",
                path.display()
            ),
            ListenError::Socket(error) => error.fmt(f),
            ListenError::NoFreeName { directory, first, last, reason: Some(reason) } => write!(
                f,
                "no name from wayland-{first} to wayland-{last} is free in {}; \
                 the error of wayland-{first}: {}",
                directory.display(),
                Reason(reason)
            ),
            ListenError::NoFreeName { directory, first, last, reason: None } => write!(
                f,
                "no name was tried in {}: the first number is {first}, limit is {last}",
                directory.display()
            ),
            ListenError::NotHandedOver { path } => write!(
                f,
                "the socket or the lock of the listener does not belong to {}; bind the socket again",
                path.display()
            ),
        }
    }
}

impl Error for ListenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // The text includes that of the inner error, so the source is that of the inner error.
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

/// Keeps the kind of the error of the system, or uses the closest kind.
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
    fn the_source_of_a_listen_error_is_the_error_of_the_system() {
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
