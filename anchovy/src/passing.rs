//! Descriptor passing on any socket, such as a listener.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use crate::sys::options;

/// Sets whether peers can send descriptors to this socket (`SO_PASSRIGHTS`).
///
/// This function is for listeners and for sockets of other types. For a stream of this crate, use
/// [`AnchovyStream::set_fd_passing`](crate::AnchovyStream::set_fd_passing), because the stream has to know
/// the setting. A connection inherits the setting of its listener
/// at the time of connect(2). So if passing is disabled on a listener before listen(2), a client cannot
/// send descriptors, not even with the first byte of the connection. After accept(2), passing can be
/// enabled for a single connection.
///
/// # Errors
///
/// If `on` is false, returns [`Unsupported`](io::ErrorKind::Unsupported) on kernels without the
/// option (before Linux 6.16, and on other systems).
///
/// # Examples
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
        // Without the option, passing is always enabled.
        Err(error) if on && error.kind() == io::ErrorKind::Unsupported => Ok(()),
        outcome => outcome,
    }
}

/// Returns whether peers can send descriptors to this socket (`SO_PASSRIGHTS`).
pub(crate) fn fd_passing(socket: BorrowedFd<'_>) -> io::Result<bool> {
    match options::fd_passing(socket) {
        // Without the option, passing is always enabled.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(true),
        outcome => outcome,
    }
}
