//! Errors of finding a bus.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::error::AddressError;

/// Why the environment does not lead to a bus.
///
/// ```
/// use anchovy_dbus::BusAddressError;
///
/// let said = BusAddressError::NoSessionBus.to_string();
/// assert!(said.contains("DBUS_SESSION_BUS_ADDRESS"));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum BusAddressError {
    /// The value of a variable is not a valid list of addresses.
    Invalid {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: OsString,
        /// What is wrong with its value.
        error: AddressError,
    },
    /// Neither `DBUS_SESSION_BUS_ADDRESS` nor `XDG_RUNTIME_DIR` is set.
    NoSessionBus,
    /// `DBUS_SESSION_BUS_ADDRESS` is not set, and `XDG_RUNTIME_DIR` is not absolute, which the XDG
    /// Base Directory Specification demands.
    RelativeRuntimeDirectory {
        /// Its value.
        directory: PathBuf,
    },
    /// `DBUS_SESSION_BUS_ADDRESS` is not set, and the socket in `XDG_RUNTIME_DIR` cannot be used.
    UnusableSocket {
        /// Where it should be.
        path: PathBuf,
        /// Why it cannot be used.
        problem: RuntimeSocketProblem,
    },
    /// Neither `DBUS_STARTER_ADDRESS` nor `DBUS_STARTER_BUS_TYPE` is set.
    NotStarted,
    /// `DBUS_STARTER_ADDRESS` is not set, and `DBUS_STARTER_BUS_TYPE` is neither `session` nor
    /// `system`.
    UnknownBusType {
        /// Its value.
        kind: OsString,
    },
}

/// Why the socket in `XDG_RUNTIME_DIR` is not the session bus of this user.
///
/// ```
/// use anchovy_dbus::RuntimeSocketProblem;
///
/// let problem = RuntimeSocketProblem::Foreign { owner: 0, user: 1000 };
/// assert_eq!(problem.to_string(), "it belongs to user 0, and this process is of user 1000");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum RuntimeSocketProblem {
    /// It cannot be looked at; most often, it is not there.
    Io(io::Error),
    /// It is no socket. A symbolic link is none, wherever it leads.
    NotASocket,
    /// It belongs to somebody else.
    Foreign {
        /// The user id of its owner.
        owner: u32,
        /// The real user id of this process.
        user: u32,
    },
}

impl fmt::Display for BusAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BusAddressError::Invalid { variable, value, .. } => {
                write!(f, "the value {value:?} of {variable} is not a valid list of addresses")
            }
            BusAddressError::NoSessionBus => f.write_str(
                "no session bus is known: neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is \
                 set; run this in a login session, or under dbus-run-session",
            ),
            BusAddressError::RelativeRuntimeDirectory { directory } => write!(
                f,
                "no session bus is known: DBUS_SESSION_BUS_ADDRESS is not set, and \
                 XDG_RUNTIME_DIR is {}, which is not absolute",
                directory.display()
            ),
            BusAddressError::UnusableSocket { path, problem } => write!(
                f,
                "no session bus is known: DBUS_SESSION_BUS_ADDRESS is not set, and {} cannot be \
                 used: {problem}",
                path.display()
            ),
            BusAddressError::NotStarted => f.write_str(
                "no bus started this process: neither DBUS_STARTER_ADDRESS nor \
                 DBUS_STARTER_BUS_TYPE is set; connect to the session bus or the system bus",
            ),
            BusAddressError::UnknownBusType { kind } => write!(
                f,
                "DBUS_STARTER_BUS_TYPE is {}, which is neither session nor system, and \
                 DBUS_STARTER_ADDRESS is not set",
                Path::new(kind).display()
            ),
        }
    }
}

impl fmt::Display for RuntimeSocketProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuntimeSocketProblem::Io(error) if error.kind() == io::ErrorKind::NotFound => {
                f.write_str("it is not there; is the bus running?")
            }
            RuntimeSocketProblem::Io(_) => f.write_str("it cannot be examined"),
            RuntimeSocketProblem::NotASocket => f.write_str("it is no socket"),
            RuntimeSocketProblem::Foreign { owner, user } => {
                write!(f, "it belongs to user {owner}, and this process is of user {user}")
            }
        }
    }
}

impl Error for BusAddressError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            BusAddressError::Invalid { error, .. } => Some(error),
            // The text has the problem.
            BusAddressError::UnusableSocket { problem, .. } => problem.source(),
            _ => None,
        }
    }
}

impl Error for RuntimeSocketProblem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            RuntimeSocketProblem::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<BusAddressError> for io::Error {
    fn from(error: BusAddressError) -> io::Error {
        let kind = match &error {
            BusAddressError::UnusableSocket { problem, .. } => problem.io_kind(),
            BusAddressError::NoSessionBus | BusAddressError::NotStarted => io::ErrorKind::NotFound,
            _ => io::ErrorKind::InvalidInput,
        };
        io::Error::new(kind, error)
    }
}

impl RuntimeSocketProblem {
    fn io_kind(&self) -> io::ErrorKind {
        match self {
            RuntimeSocketProblem::Io(error) => error.kind(),
            RuntimeSocketProblem::NotASocket => io::ErrorKind::InvalidInput,
            RuntimeSocketProblem::Foreign { .. } => io::ErrorKind::PermissionDenied,
        }
    }
}

impl From<RuntimeSocketProblem> for io::Error {
    fn from(problem: RuntimeSocketProblem) -> io::Error {
        io::Error::new(problem.io_kind(), problem)
    }
}
