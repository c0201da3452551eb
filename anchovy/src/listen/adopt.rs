//! Conversion of sockets that are already bound, for example by a service manager.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener as StdUnixListener;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketType, getsockname, sockopt};
use tokio::net::UnixListener;

use super::listen_error::ListenError;

/// A socket that can become an [`AnchovyListener`](crate::AnchovyListener): the `UnixListener` of
/// std or of tokio, or a descriptor.
///
/// The trait is sealed.
pub trait IntoUnixListener: sealed::Sealed {}

impl IntoUnixListener for StdUnixListener {}
impl IntoUnixListener for UnixListener {}
impl IntoUnixListener for OwnedFd {}

pub(super) mod sealed {
    use super::*;

    pub trait Sealed {
        /// Takes the socket from its previous owner.
        fn into_fd(self) -> io::Result<OwnedFd>;
    }

    impl Sealed for StdUnixListener {
        fn into_fd(self) -> io::Result<OwnedFd> {
            Ok(self.into())
        }
    }

    impl Sealed for UnixListener {
        fn into_fd(self) -> io::Result<OwnedFd> {
            Ok(self.into_std()?.into())
        }
    }

    impl Sealed for OwnedFd {
        fn into_fd(self) -> io::Result<OwnedFd> {
            Ok(self)
        }
    }
}

/// Checks that a socket is a listening Unix stream socket, and makes it non-blocking and
/// close-on-exec. Descriptors from a service manager are neither.
pub(super) fn adopt(socket: impl IntoUnixListener) -> Result<StdUnixListener, ListenError> {
    let failed = |error| ListenError::Io { path: None, error };
    let socket = socket.into_fd().map_err(failed)?;
    let is_listener = getsockname(&socket)
        .is_ok_and(|address| address.address_family() == AddressFamily::UNIX)
        && sockopt::socket_type(&socket) == Ok(SocketType::STREAM)
        && listens(&socket);
    if !is_listener {
        return Err(ListenError::NotAListener);
    }
    fcntl_setfd(&socket, FdFlags::CLOEXEC).map_err(|errno| failed(errno.into()))?;
    let listener = StdUnixListener::from(socket);
    listener.set_nonblocking(true).map_err(failed)?;
    Ok(listener)
}

/// Returns whether a socket listens (`SO_ACCEPTCONN`).
#[cfg(not(target_vendor = "apple"))]
fn listens(socket: &OwnedFd) -> bool {
    sockopt::socket_acceptconn(socket) == Ok(true)
}

/// Returns `true`: these systems have no such option, and accept(2) fails on a socket that does
/// not listen.
#[cfg(target_vendor = "apple")]
fn listens(_: &OwnedFd) -> bool {
    true
}
