//! Why a compositor cannot listen.
//!
//! Most of the time another compositor has the name, and there is another one to be had; the rest is
//! for a person to put right, who needs to know at which file to look.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

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
    /// A process that does not hold the lock has the socket open.
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// A socket is there whose permissions allow neither its owner nor its group to write to it. Who
    /// has done that wants it to stay; libwayland leaves it, too.
    WriteProtected {
        /// The socket.
        path: PathBuf,
    },
    /// There is something that is no socket.
    NotASocket {
        /// What is there.
        path: PathBuf,
        /// What it is: "a file", "a directory", "a symbolic link" or "something".
        found: &'static str,
    },
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
    /// The system refused for another reason: a full table of descriptors, for instance.
    Io {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

impl ListenError {
    /// Whether it is this name alone that is not to be had.
    pub(super) fn is_about_one_name(&self) -> bool {
        match self {
            ListenError::Locked { .. }
            | ListenError::InUse { .. }
            | ListenError::WriteProtected { .. }
            | ListenError::NotASocket { .. } => true,
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
            ListenError::Locked { .. } | ListenError::InUse { .. } => io::ErrorKind::AddrInUse,
            ListenError::WriteProtected { .. } | ListenError::NotASocket { .. } => {
                io::ErrorKind::AlreadyExists
            }
            ListenError::NotHandedOver { .. } => io::ErrorKind::InvalidInput,
            ListenError::Lock { error, .. } | ListenError::Io { error, .. } => error.kind(),
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
                write!(f, "cannot listen: no lock {}: {hint} ({error})", path.display())
            }
            ListenError::InUse { path } => write!(
                f,
                "cannot listen: a process has {} open, without a lock; \
                 end it, or use another name",
                path.display()
            ),
            ListenError::WriteProtected { path } => write!(
                f,
                "cannot listen: nobody may write to {}, so it was left alone; \
                 remove it, or use another name",
                path.display()
            ),
            ListenError::NotASocket { path, found } => write!(
                f,
                "cannot listen: {} is {found}, and was left alone; \
                 move it, or use another name",
                path.display()
            ),
            ListenError::NotHandedOver { path } => write!(
                f,
                "cannot listen: {} and its lock are not those that were handed over; \
                 bind them anew",
                path.display()
            ),
            ListenError::Io { path, error } => {
                write!(f, "cannot listen: {}: {error}", path.display())
            }
        }
    }
}

impl Error for ListenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ListenError::Location(error) => Some(error),
            ListenError::Lock { error, .. } | ListenError::Io { error, .. } => Some(error),
            ListenError::NoFreeName { reason: Some(reason), .. } => Some(reason),
            _ => None,
        }
    }
}

impl From<LocationError> for ListenError {
    fn from(error: LocationError) -> ListenError {
        ListenError::Location(error)
    }
}

/// Of the kind that the system gave, or of the one that says it best.
impl From<ListenError> for io::Error {
    fn from(error: ListenError) -> io::Error {
        io::Error::new(error.kind(), error)
    }
}
