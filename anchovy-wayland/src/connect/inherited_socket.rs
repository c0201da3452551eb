//! The socket that whoever started this process has left open for it.
//!
//! `WAYLAND_SOCKET` has its number. The variable outlives the socket, goes on to children that have
//! not got the socket, and is a text that anybody may have written; so what it says is believed only
//! as far as it can be checked, and once.

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

    // All that can fail comes before the step that cannot be undone.
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
    fn a_number_below_zero_is_reported() {
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
