//! Descriptors refused by the kernel: for sockets that are no streams of ours, which a listener is.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use crate::sys::options;

/// Lets the kernel refuse descriptors that peers send to this socket, or carry them again
/// (`SO_PASSRIGHTS`), as [`AnchovyStream::set_fd_passing`](crate::AnchovyStream::set_fd_passing)
/// does for a stream.
///
/// A connection has from its start what its listener has while it is made, so on a listener this
/// comes before anything that a client can send.
///
/// # Errors
///
/// [`Unsupported`](io::ErrorKind::Unsupported) where the kernel cannot refuse (before Linux 6.16,
/// other systems).
///
/// ```
/// use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("anchovy-passing-{}", std::process::id()));
/// let listener = tokio::net::UnixListener::bind(&path)?;
/// if anchovy::set_fd_passing(&listener, false).is_ok() {
///     let mut client = AnchovyStream::<DBUS_SCM_RIGHTS>::connect(&path).await?;
///     assert!(client.send_with_fds(b"here", &[std::io::stdin()]).await.is_err());
///
///     let (server, _) = listener.accept().await?;
///     anchovy::set_fd_passing(&server, true)?;
///     assert!(client.send_with_fds(b"here", &[std::io::stdin()]).await.is_ok());
/// }
/// # std::fs::remove_file(path)
/// # }
/// ```
pub fn set_fd_passing(socket: impl AsFd, on: bool) -> io::Result<()> {
    match options::set_fd_passing(socket.as_fd(), on) {
        // Without the option, it is always on.
        Err(error) if on && error.kind() == io::ErrorKind::Unsupported => Ok(()),
        outcome => outcome,
    }
}

/// Returns whether peers can send descriptors to this socket (`SO_PASSRIGHTS`).
pub(crate) fn fd_passing(socket: BorrowedFd<'_>) -> io::Result<bool> {
    match options::fd_passing(socket) {
        // Without the option, it is always on.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(true),
        outcome => outcome,
    }
}
