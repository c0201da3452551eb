//! The error of using an inherited socket.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::RawFd;

/// The error of using the socket in `WAYLAND_SOCKET`.
///
/// As in libwayland, the display in `WAYLAND_DISPLAY` is not tried. The descriptor is unchanged.
///
/// # Examples
///
/// ```
/// use anchovy_wayland::InheritedError;
///
/// let error = InheritedError::NotOpen { fd: 7 };
/// assert!(error.to_string().contains("WAYLAND_SOCKET") && error.to_string().contains('7'));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum InheritedError {
    /// The value is not a decimal number, or the number is too high for a descriptor. An empty value is not a
    /// number.
    NotANumber {
        /// The value of `WAYLAND_SOCKET`.
        value: OsString,
    },
    /// The number is negative.
    Negative {
        /// The number in `WAYLAND_SOCKET`.
        fd: RawFd,
    },
    /// The number is 0, 1 or 2. These are the standard streams, which other code of this process uses.
    StandardStream {
        /// The number in `WAYLAND_SOCKET`.
        fd: RawFd,
    },
    /// No descriptor has this number (EBADF).
    NotOpen {
        /// The number in `WAYLAND_SOCKET`.
        fd: RawFd,
    },
    /// The descriptor is close-on-exec. So this process has opened it for another purpose, or other code of
    /// this process has already taken the socket.
    CloseOnExec {
        /// The number in `WAYLAND_SOCKET`.
        fd: RawFd,
    },
    /// The descriptor is not a socket (ENOTSOCK).
    NotASocket {
        /// The number in `WAYLAND_SOCKET`.
        fd: RawFd,
    },
    /// The socket is not a Unix stream socket.
    NotAUnixStream {
        /// The number in `WAYLAND_SOCKET`.
        fd: RawFd,
    },
    /// The socket is not connected (ENOTCONN). It may be a listening socket.
    NotConnected {
        /// The number in `WAYLAND_SOCKET`.
        fd: RawFd,
    },
    /// This process has already taken the socket.
    AlreadyTaken,
    /// A system call failed, for example because the descriptor table is full.
    Io {
        /// The number in `WAYLAND_SOCKET`.
        fd: RawFd,
        /// The error of the system.
        error: io::Error,
    },
}

impl InheritedError {
    pub(super) fn kind(&self) -> io::ErrorKind {
        match self {
            InheritedError::NotConnected { .. } => io::ErrorKind::NotConnected,
            InheritedError::Io { error, .. } => error.kind(),
            _ => io::ErrorKind::InvalidInput,
        }
    }
}

impl fmt::Display for InheritedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            InheritedError::NotANumber { value } => {
                return write!(
                    f,
                    "WAYLAND_SOCKET is {value:?}, which is not the number of a descriptor; \
                     unset the variable to connect by name"
                );
            }
            InheritedError::AlreadyTaken => {
                return f.write_str(
                    "this process has already taken the socket in WAYLAND_SOCKET; \
                     use Connector::without_inherited",
                );
            }
            InheritedError::Io { fd, error: _ } => {
                return write!(f, "cannot use the socket {fd} in WAYLAND_SOCKET");
            }
            InheritedError::Negative { fd } => {
                write!(f, "WAYLAND_SOCKET is {fd}, minimum is 3")
            }
            InheritedError::StandardStream { fd } => {
                write!(f, "WAYLAND_SOCKET is {fd}, which is a standard stream, minimum is 3")
            }
            InheritedError::NotOpen { fd } => {
                write!(f, "WAYLAND_SOCKET is {fd}, which is not an open descriptor")
            }
            InheritedError::CloseOnExec { fd } => write!(
                f,
                "WAYLAND_SOCKET is {fd}, which is close-on-exec: this process has opened it, \
                 or has already taken the socket"
            ),
            InheritedError::NotASocket { fd } => {
                write!(f, "WAYLAND_SOCKET is {fd}, which is not a socket")
            }
            InheritedError::NotAUnixStream { fd } => {
                write!(f, "WAYLAND_SOCKET is {fd}, which is not a Unix stream socket")
            }
            InheritedError::NotConnected { fd } => {
                write!(f, "WAYLAND_SOCKET is {fd}, which is not connected")
            }
        }?;
        f.write_str("; start this process with a connected socket, or unset the variable")
    }
}

impl Error for InheritedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            InheritedError::Io { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl From<InheritedError> for io::Error {
    fn from(error: InheritedError) -> io::Error {
        io::Error::new(error.kind(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_chain::error_chain;

    #[test]
    fn an_inherited_error_shows_the_number_and_the_remedy() {
        let remedy = "start this process with a connected socket, or unset the variable";
        for (error, reason) in [
            (InheritedError::Negative { fd: -7 }, "-7, minimum is 3"),
            (
                InheritedError::StandardStream { fd: 2 },
                "2, which is a standard stream, minimum is 3",
            ),
            (InheritedError::NotOpen { fd: 7 }, "7, which is not an open descriptor"),
            (
                InheritedError::CloseOnExec { fd: 7 },
                "7, which is close-on-exec: this process has opened it, or has already taken the \
                 socket",
            ),
            (InheritedError::NotASocket { fd: 7 }, "7, which is not a socket"),
            (InheritedError::NotAUnixStream { fd: 7 }, "7, which is not a Unix stream socket"),
            (InheritedError::NotConnected { fd: 7 }, "7, which is not connected"),
        ] {
            assert_eq!(error.to_string(), format!("WAYLAND_SOCKET is {reason}; {remedy}"));
        }
    }

    fn no_room() -> io::Error {
        io::Error::new(io::ErrorKind::QuotaExceeded, "no room")
    }

    #[test]
    fn an_inherited_error_of_this_process_shows_its_remedy() {
        let taken = "this process has already taken the socket in WAYLAND_SOCKET; \
                     use Connector::without_inherited";
        assert_eq!(InheritedError::AlreadyTaken.to_string(), taken);
        let text = r#"WAYLAND_SOCKET is "5x", which is not the number of a descriptor; unset the variable to connect by name"#;
        assert_eq!(InheritedError::NotANumber { value: "5x".into() }.to_string(), text);
        let failed = InheritedError::Io { fd: 7, error: no_room() };
        assert_eq!(error_chain(&failed), ["cannot use the socket 7 in WAYLAND_SOCKET", "no room"]);
    }

    #[test]
    fn an_inherited_error_has_the_kind_of_its_cause() {
        for (error, kind) in [
            (InheritedError::NotConnected { fd: 7 }, io::ErrorKind::NotConnected),
            (InheritedError::Io { fd: 7, error: no_room() }, io::ErrorKind::QuotaExceeded),
            (InheritedError::NotOpen { fd: 7 }, io::ErrorKind::InvalidInput),
        ] {
            assert_eq!(error.kind(), kind, "{error:?}");
        }
    }
}
