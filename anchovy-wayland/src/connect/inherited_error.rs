//! Why an inherited socket cannot be used.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::RawFd;

/// Why the socket that `WAYLAND_SOCKET` names cannot be used.
///
/// As in libwayland, no display is tried instead. The descriptor keeps its number, unless the socket was
/// [taken](InheritedError::AlreadyTaken).
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
    /// The value is no decimal number, or one that no descriptor can have. An empty value is no number.
    NotANumber {
        /// The value.
        value: OsString,
    },
    /// The number is less than 0.
    Negative {
        /// The number.
        fd: RawFd,
    },
    /// The number is 0, 1 or 2. These are the standard streams, which all of this process uses.
    StandardStream {
        /// The number.
        fd: RawFd,
    },
    /// No descriptor has this number (EBADF).
    NotOpen {
        /// The number.
        fd: RawFd,
    },
    /// The descriptor is close-on-exec. So this process has not inherited it but opened it for another
    /// purpose, or other code of this process has taken the socket already.
    CloseOnExec {
        /// The number.
        fd: RawFd,
    },
    /// The descriptor is no socket (ENOTSOCK).
    NotASocket {
        /// The number.
        fd: RawFd,
    },
    /// The socket is no Unix socket, or no stream socket.
    NotAUnixStream {
        /// The number.
        fd: RawFd,
    },
    /// The socket is not connected (ENOTCONN): it may be one that listens.
    NotConnected {
        /// The number.
        fd: RawFd,
    },
    /// This process has taken the socket already.
    AlreadyTaken,
    /// The system refused for another reason, such as a full descriptor table.
    Io {
        /// The number.
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
                    "WAYLAND_SOCKET is {value:?}, which is no number of a descriptor; \
                     unset it to connect by name"
                );
            }
            InheritedError::AlreadyTaken => {
                return f.write_str(
                    "the socket in WAYLAND_SOCKET was taken by this process before; \
                     connect without it",
                );
            }
            InheritedError::Io { fd, error: _ } => {
                return write!(f, "WAYLAND_SOCKET is {fd}, which cannot be used");
            }
            InheritedError::Negative { fd } => {
                write!(f, "WAYLAND_SOCKET is {fd}, and no descriptor is less than 0")
            }
            InheritedError::StandardStream { fd } => {
                write!(f, "WAYLAND_SOCKET is {fd}, which is a standard stream")
            }
            InheritedError::NotOpen { fd } => {
                write!(f, "WAYLAND_SOCKET is {fd}, and no descriptor {fd} was inherited")
            }
            InheritedError::CloseOnExec { fd } => write!(
                f,
                "WAYLAND_SOCKET is {fd}, which was not inherited but opened by this process, \
                 or taken already (it is close-on-exec)"
            ),
            InheritedError::NotASocket { fd } => {
                write!(f, "WAYLAND_SOCKET is {fd}, which is no socket")
            }
            InheritedError::NotAUnixStream { fd } => {
                write!(f, "WAYLAND_SOCKET is {fd}, which is no Unix stream socket")
            }
            InheritedError::NotConnected { fd } => {
                write!(f, "WAYLAND_SOCKET is {fd}, which is a socket without a peer")
            }
        }?;
        f.write_str(
            "; whoever starts this process has to leave it a connected socket, or to unset it",
        )
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
    fn an_inherited_error_of_the_parent_names_the_number_and_the_remedy() {
        let cure = "whoever starts this process has to leave it a connected socket, or to unset it";
        for (error, reason) in [
            (InheritedError::Negative { fd: -7 }, "-7, and no descriptor is less than 0"),
            (InheritedError::StandardStream { fd: 2 }, "2, which is a standard stream"),
            (InheritedError::NotOpen { fd: 7 }, "7, and no descriptor 7 was inherited"),
            (
                InheritedError::CloseOnExec { fd: 7 },
                "7, which was not inherited but opened by this process, or taken already \
                 (it is close-on-exec)",
            ),
            (InheritedError::NotASocket { fd: 7 }, "7, which is no socket"),
            (InheritedError::NotAUnixStream { fd: 7 }, "7, which is no Unix stream socket"),
            (InheritedError::NotConnected { fd: 7 }, "7, which is a socket without a peer"),
        ] {
            assert_eq!(error.to_string(), format!("WAYLAND_SOCKET is {reason}; {cure}"));
        }
    }

    fn no_room() -> io::Error {
        io::Error::new(io::ErrorKind::QuotaExceeded, "no room")
    }

    #[test]
    fn an_inherited_error_of_this_process_names_its_remedy() {
        let taken = "the socket in WAYLAND_SOCKET was taken by this process before; \
                     connect without it";
        assert_eq!(InheritedError::AlreadyTaken.to_string(), taken);
        let text = r#"WAYLAND_SOCKET is "5x", which is no number of a descriptor; unset it to connect by name"#;
        assert_eq!(InheritedError::NotANumber { value: "5x".into() }.to_string(), text);
        let failed = InheritedError::Io { fd: 7, error: no_room() };
        assert_eq!(error_chain(&failed), ["WAYLAND_SOCKET is 7, which cannot be used", "no room"]);
    }

    #[test]
    fn an_inherited_error_has_a_fitting_kind() {
        for (error, kind) in [
            (InheritedError::NotConnected { fd: 7 }, io::ErrorKind::NotConnected),
            (InheritedError::Io { fd: 7, error: no_room() }, io::ErrorKind::QuotaExceeded),
            (InheritedError::NotOpen { fd: 7 }, io::ErrorKind::InvalidInput),
        ] {
            assert_eq!(error.kind(), kind, "{error:?}");
        }
    }
}
