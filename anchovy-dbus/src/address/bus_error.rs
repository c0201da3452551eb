//! Errors of finding a bus.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::PathBuf;

use super::error::AddressError;

/// The error of finding the address of a bus in the environment.
///
/// # Examples
///
/// ```
/// use anchovy_dbus::BusAddressError;
///
/// let text = BusAddressError::NoSessionBus.to_string();
/// assert!(text.contains("DBUS_SESSION_BUS_ADDRESS"));
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
        /// The reason why the value is not valid.
        error: AddressError,
    },
    /// Neither `DBUS_SESSION_BUS_ADDRESS` nor `XDG_RUNTIME_DIR` is set.
    NoSessionBus,
    /// `DBUS_SESSION_BUS_ADDRESS` is not set, and `XDG_RUNTIME_DIR` is a relative path. The XDG Base
    /// Directory Specification requires an absolute path.
    RelativeRuntimeDirectory {
        /// The value of `XDG_RUNTIME_DIR`.
        directory: PathBuf,
    },
    /// `DBUS_SESSION_BUS_ADDRESS` is not set, and the socket in `XDG_RUNTIME_DIR` cannot be used.
    UnusableSocket {
        /// The path of the socket.
        path: PathBuf,
        /// The reason why it cannot be used.
        problem: RuntimeSocketProblem,
    },
    /// Neither `DBUS_STARTER_ADDRESS` nor `DBUS_STARTER_BUS_TYPE` is set.
    NotStarted,
    /// `DBUS_STARTER_ADDRESS` is not set, and `DBUS_STARTER_BUS_TYPE` is neither `session` nor
    /// `system`.
    UnknownBusType {
        /// The value of `DBUS_STARTER_BUS_TYPE`.
        kind: OsString,
    },
}

/// The reason why the socket in `XDG_RUNTIME_DIR` is not the session bus of this user.
///
/// # Examples
///
/// ```
/// use anchovy_dbus::RuntimeSocketProblem;
///
/// let problem = RuntimeSocketProblem::Foreign { owner: 0, user: 1000 };
/// assert_eq!(problem.to_string(), "it belongs to user 0, the user of this process is 1000");
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum RuntimeSocketProblem {
    /// The metadata of the file cannot be read. Usually the file does not exist.
    Io(io::Error),
    /// The file is not a socket. A symbolic link to a socket is not accepted.
    NotASocket,
    /// The file belongs to another user.
    Foreign {
        /// The user id of the owner.
        owner: u32,
        /// The real user id of this process.
        user: u32,
    },
}

impl fmt::Display for BusAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BusAddressError::Invalid { variable, value, .. } => {
                write!(f, "the value {value:?} of {variable} is not a valid list of D-Bus addresses")
            }
            BusAddressError::NoSessionBus => f.write_str(
                "cannot find a session bus, neither DBUS_SESSION_BUS_ADDRESS nor XDG_RUNTIME_DIR is \
                 set; use a login session or dbus-run-session",
            ),
            BusAddressError::RelativeRuntimeDirectory { directory } => write!(
                f,
                "cannot find a session bus, DBUS_SESSION_BUS_ADDRESS is not set and XDG_RUNTIME_DIR \
                 is {directory:?}; set an absolute path",
            ),
            BusAddressError::UnusableSocket { path, problem } => write!(
                f,
                "cannot find a session bus, DBUS_SESSION_BUS_ADDRESS is not set and {} cannot be \
                 used: {problem}",
                path.display()
            ),
            BusAddressError::NotStarted => f.write_str(
                "no bus started this process, neither DBUS_STARTER_ADDRESS nor \
                 DBUS_STARTER_BUS_TYPE is set; connect to the session bus or the system bus",
            ),
            BusAddressError::UnknownBusType { kind } => write!(
                f,
                "cannot find the bus that started this process, DBUS_STARTER_BUS_TYPE is {kind:?} \
                 and DBUS_STARTER_ADDRESS is not set; expected session or system",
            ),
        }
    }
}

impl fmt::Display for RuntimeSocketProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RuntimeSocketProblem::Io(error) if error.kind() == io::ErrorKind::NotFound => {
                f.write_str("it does not exist; check that the bus is running")
            }
            RuntimeSocketProblem::Io(_) => f.write_str("its metadata cannot be read"),
            RuntimeSocketProblem::NotASocket => f.write_str("it is not a socket"),
            RuntimeSocketProblem::Foreign { owner, user } => {
                write!(f, "it belongs to user {owner}, the user of this process is {user}")
            }
        }
    }
}

impl Error for BusAddressError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            BusAddressError::Invalid { error, .. } => Some(error),
            // The text contains the problem.
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
