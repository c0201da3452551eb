//! The socket that whoever started this process has left open for it.
//!
//! `WAYLAND_SOCKET` has its number. The variable outlives the socket, goes on to children that have
//! not got the socket, and is a text that anybody may have written; so what it says is believed only
//! as far as it can be checked, and once.

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType};
use tokio::net::UnixStream;

use super::seat::{LAST_STANDARD_STREAM, Seat};
use crate::location::SOCKET;

/// Whether this process has taken its socket; locked as long as that is being done.
static TAKEN: Mutex<bool> = Mutex::new(false);

/// Takes `WAYLAND_SOCKET` out of the environment of a process that is to be started.
///
/// Once a [`Connector`](crate::Connector) has taken the inherited socket, the variable is still set,
/// and children inherit it, but not the socket. They would fail to connect; without the variable,
/// they find the display by its name.
///
/// ```
/// let mut command = std::process::Command::new("env");
/// anchovy_wayland::without_inherited_socket(&mut command);
/// let output = command.output()?;
/// assert!(!String::from_utf8_lossy(&output.stdout).contains("WAYLAND_SOCKET"));
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// A command of tokio takes it through `tokio::process::Command::as_std_mut`.
pub fn without_inherited_socket(command: &mut Command) -> &mut Command {
    command.env_remove(SOCKET)
}

/// The socket of which this is the number, moved to a descriptor of our own.
///
/// What is refused is still there under its number.
pub(super) fn take(value: &OsStr) -> Result<UnixStream, InheritedError> {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    if *taken {
        return Err(InheritedError::AlreadyTaken);
    }
    let fd = number(value)?;
    let failed = |error| InheritedError::Io { fd, error };
    let mut seat = match Seat::of_inherited(fd) {
        Ok(Some(seat)) => seat,
        Ok(None) => return Err(InheritedError::CloseOnExec { fd }),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::BADF) => {
            return Err(InheritedError::NotOpen { fd });
        }
        Err(error) => return Err(failed(error)),
    };
    check(fd, seat.as_fd())?;

    // All that can fail comes before the step that cannot be undone.
    let placeholder = UnixDatagram::unbound().map_err(failed)?;
    let own = seat.as_fd().try_clone_to_owned().map_err(failed)?;
    let stream = std::os::unix::net::UnixStream::from(own);
    stream.set_nonblocking(true).map_err(failed)?;
    let stream = UnixStream::from_std(stream).map_err(failed)?;
    seat.give_to(placeholder).map_err(failed)?;
    *taken = true;
    Ok(stream)
}

fn number(value: &OsStr) -> Result<RawFd, InheritedError> {
    match value.to_str().and_then(|text| text.parse().ok()) {
        None => Err(InheritedError::NotANumber { value: value.to_owned() }),
        Some(fd) if fd < 0 => Err(InheritedError::Negative { fd }),
        Some(fd) if fd <= LAST_STANDARD_STREAM => Err(InheritedError::StandardStream { fd }),
        Some(fd) => Ok(fd),
    }
}

/// Whether this is what a compositor can be spoken to with.
fn check(fd: RawFd, socket: BorrowedFd<'_>) -> Result<(), InheritedError> {
    let failed = |error: Errno| InheritedError::Io { fd, error: error.into() };
    let kind = match rustix::net::sockopt::socket_type(socket) {
        Err(Errno::NOTSOCK) => return Err(InheritedError::NotASocket { fd }),
        result => result.map_err(failed)?,
    };
    let family = rustix::net::getsockname(socket).map_err(failed)?.address_family();
    if family != AddressFamily::UNIX || kind != SocketType::STREAM {
        return Err(InheritedError::NotAUnixStream { fd });
    }
    match rustix::net::getpeername(socket) {
        Ok(_) => Ok(()),
        Err(Errno::NOTCONN) => Err(InheritedError::NotConnected { fd }),
        Err(error) => Err(failed(error)),
    }
}

/// Why what `WAYLAND_SOCKET` names cannot be used.
///
/// As in libwayland, no display is looked for instead. It is still under its number, unless it was
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
    /// It is no decimal number, or one that no descriptor has. Empty is no number.
    NotANumber {
        /// What it is.
        value: OsString,
    },
    /// It is less than 0.
    Negative {
        /// The number.
        fd: RawFd,
    },
    /// It is 0, 1 or 2. These are the standard streams, which are everybody's in this process.
    StandardStream {
        /// The number.
        fd: RawFd,
    },
    /// No descriptor has this number (EBADF).
    NotOpen {
        /// The number.
        fd: RawFd,
    },
    /// The descriptor is close-on-exec, so this process has not inherited it but opened it, for
    /// another purpose, or somebody here has taken the socket already.
    CloseOnExec {
        /// The number.
        fd: RawFd,
    },
    /// It is something else than a socket (ENOTSOCK).
    NotASocket {
        /// The number.
        fd: RawFd,
    },
    /// It is a socket of another family than Unix, or of another type than a stream.
    NotAUnixStream {
        /// The number.
        fd: RawFd,
    },
    /// It is a socket that is not connected (ENOTCONN); one that listens, for instance.
    NotConnected {
        /// The number.
        fd: RawFd,
    },
    /// This process has taken it already, and there is only one.
    AlreadyTaken,
    /// The system refused for another reason: a full table of descriptors, for instance.
    Io {
        /// The number.
        fd: RawFd,
        /// What the system said.
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
            InheritedError::Io { fd, error } => {
                return write!(f, "WAYLAND_SOCKET is {fd}, which cannot be used: {error}");
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(value: &str) -> InheritedError {
        number(OsStr::new(value)).unwrap_err()
    }

    #[test]
    fn a_number_is_decimal_and_whole() {
        assert_eq!(number(OsStr::new("3")).unwrap(), 3);
        assert_eq!(number(OsStr::new("2147483647")).unwrap(), i32::MAX);
        for value in ["", "5x", "x", "0x5", "5 ", "5.0", "2147483648"] {
            let error = refused(value);
            assert!(error.to_string().contains(&format!("{value:?}")), "{error}");
            assert!(matches!(error, InheritedError::NotANumber { .. }), "{value}: {error:?}");
        }
    }

    #[test]
    fn a_value_that_is_no_text_is_no_number() {
        use std::os::unix::ffi::OsStrExt;

        let error = number(OsStr::from_bytes(b"5\xff")).unwrap_err();
        assert!(matches!(error, InheritedError::NotANumber { .. }), "{error:?}");
    }

    #[test]
    fn a_number_below_zero_is_told_as_such() {
        for value in ["-1", "-2147483648"] {
            assert!(matches!(refused(value), InheritedError::Negative { .. }));
        }
    }

    #[test]
    fn what_whoever_starts_this_process_can_cure_is_told_with_the_number_and_the_cure() {
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
    fn what_this_process_can_cure_is_told_with_its_own_cure_or_cause() {
        let taken = "the socket in WAYLAND_SOCKET was taken by this process before; \
                     connect without it";
        assert_eq!(InheritedError::AlreadyTaken.to_string(), taken);
        let text = r#"WAYLAND_SOCKET is "5x", which is no number of a descriptor; unset it to connect by name"#;
        assert_eq!(InheritedError::NotANumber { value: "5x".into() }.to_string(), text);
        let failed = InheritedError::Io { fd: 7, error: no_room() };
        assert_eq!(failed.to_string(), "WAYLAND_SOCKET is 7, which cannot be used: no room");
        assert_eq!(failed.source().map(ToString::to_string), Some("no room".into()));
    }

    #[test]
    fn a_refusal_has_the_kind_that_the_system_gave_or_that_says_it_best() {
        for (error, kind) in [
            (InheritedError::NotConnected { fd: 7 }, io::ErrorKind::NotConnected),
            (InheritedError::Io { fd: 7, error: no_room() }, io::ErrorKind::QuotaExceeded),
            (InheritedError::NotOpen { fd: 7 }, io::ErrorKind::InvalidInput),
        ] {
            assert_eq!(error.kind(), kind, "{error:?}");
        }
    }

    #[test]
    fn the_standard_streams_are_nobodys_socket() {
        for fd in 0..=2 {
            let error = refused(&fd.to_string());
            assert!(matches!(error, InheritedError::StandardStream { fd: found } if found == fd));
        }
    }
}
