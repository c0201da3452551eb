//! The socket that the parent process has left open for this process.
//!
//! `WAYLAND_SOCKET` is its number. The variable stays set after the socket is closed, child processes
//! inherit the variable without the socket, and any program may have set it. So the descriptor is checked,
//! and is taken only once.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anchovy::{AnchovyStream, WAYLAND_SCM_RIGHTS};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType};

use super::inherited_error::InheritedError;
use super::inherited_fd::{InheritedFd, LAST_STANDARD_STREAM};
use crate::location::SOCKET;

/// Whether this process has taken its socket. It is locked while the socket is being taken.
static TAKEN: Mutex<bool> = Mutex::new(false);

/// Removes `WAYLAND_SOCKET` from the environment of a command.
///
/// After a [`Connector`](crate::Connector) has taken the inherited socket, child processes inherit the
/// variable, but not the socket. With the variable, they would fail to connect. Without it, they connect
/// to the display by its name.
///
/// For a command of tokio, use `tokio::process::Command::as_std_mut`.
///
/// # Examples
///
/// ```
/// let mut command = std::process::Command::new("env");
/// anchovy_wayland::without_inherited_socket(&mut command);
/// let output = command.output()?;
/// assert!(!String::from_utf8_lossy(&output.stdout).contains("WAYLAND_SOCKET"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn without_inherited_socket(command: &mut Command) -> &mut Command {
    command.env_remove(SOCKET)
}

/// Moves the socket with the number in `value` to a new descriptor. After an error, the descriptor with
/// this number is unchanged.
pub(super) fn take(value: &OsStr) -> Result<AnchovyStream<WAYLAND_SCM_RIGHTS>, InheritedError> {
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    if *taken {
        return Err(InheritedError::AlreadyTaken);
    }
    let fd = number(value)?;
    let failed = |error| InheritedError::Io { fd, error };
    let mut inherited = match InheritedFd::from_number(fd) {
        Ok(Some(inherited)) => inherited,
        Ok(None) => return Err(InheritedError::CloseOnExec { fd }),
        Err(error) if Errno::from_io_error(&error) == Some(Errno::BADF) => {
            return Err(InheritedError::NotOpen { fd });
        }
        Err(error) => return Err(failed(error)),
    };
    check(fd, inherited.as_fd())?;

    // `replace` cannot be undone, so everything else that can fail comes before it.
    let placeholder = UnixDatagram::unbound().map_err(failed)?;
    let own = inherited.as_fd().try_clone_to_owned().map_err(failed)?;
    let stream = AnchovyStream::new(UnixStream::from(own)).map_err(failed)?;
    inherited.replace(placeholder).map_err(failed)?;
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

/// Checks that the descriptor is a connected Unix stream socket.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(value: &str) -> InheritedError {
        number(OsStr::new(value)).unwrap_err()
    }

    #[test]
    fn a_number_is_a_decimal_integer() {
        assert_eq!(number(OsStr::new("3")).unwrap(), 3);
        assert_eq!(number(OsStr::new("2147483647")).unwrap(), i32::MAX);
        for value in ["", "5x", "x", "0x5", "5 ", "5.0", "2147483648"] {
            let error = refused(value);
            assert!(error.to_string().contains(&format!("{value:?}")), "{error}");
            assert!(matches!(error, InheritedError::NotANumber { .. }), "{value}: {error:?}");
        }
    }

    #[test]
    fn a_value_that_is_not_utf8_is_not_a_number() {
        use std::os::unix::ffi::OsStrExt;

        let error = number(OsStr::from_bytes(b"5\xff")).unwrap_err();
        assert!(matches!(error, InheritedError::NotANumber { .. }), "{error:?}");
    }

    #[test]
    fn a_negative_number_is_reported() {
        for value in ["-1", "-2147483648"] {
            assert!(matches!(refused(value), InheritedError::Negative { .. }));
        }
    }

    #[test]
    fn a_standard_stream_is_not_the_inherited_socket() {
        for fd in 0..=2 {
            let error = refused(&fd.to_string());
            assert!(matches!(error, InheritedError::StandardStream { fd: found } if found == fd));
        }
    }
}
