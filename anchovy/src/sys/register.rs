//! Registration of sockets with tokio.

use std::io;
use std::os::unix::net::{UnixListener, UnixStream};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers a stream. Panics outside of a tokio runtime with I/O enabled.
#[inline]
pub(crate) fn stream(socket: UnixStream, interest: Interest) -> io::Result<AsyncFd<UnixStream>> {
    // SAFETY: the socket owns its descriptor, which stays the same until the socket is dropped, and
    // `AsyncFd` gives no access to the socket that could replace it.
    Ok(unsafe { AsyncFd::register_with_interest(socket, interest) }?)
}

/// Registers a listener. Panics outside of a tokio runtime with I/O enabled.
pub(crate) fn listener(
    socket: UnixListener,
    interest: Interest,
) -> io::Result<AsyncFd<UnixListener>> {
    // SAFETY: as for a stream.
    Ok(unsafe { AsyncFd::register_with_interest(socket, interest) }?)
}
