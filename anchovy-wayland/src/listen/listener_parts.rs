//! The parts of a listener.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener as StdListener;
use std::path::PathBuf;

/// The parts of a [`Listener`](crate::Listener), for a process that passes it to another one, or to itself
/// after an exec.
///
/// The files stay, and no other compositor gets the name as long as a process has the lock open. Clients
/// that connect meanwhile wait.
///
/// ```
/// use anchovy_wayland::{Listener, ListenerParts};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let path = std::env::temp_dir().join(format!("anchovy-parts-{}", std::process::id()));
/// let parts: ListenerParts = Listener::bind(&path)?.into_parts()?;
/// assert!(path.exists());
/// let listener = Listener::from_parts(parts)?;
/// drop(listener);
/// assert!(!path.exists());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ListenerParts {
    /// The socket: listening, non-blocking and close-on-exec.
    pub socket: StdListener,
    /// The path of the socket, and its open and locked lock file, which is close-on-exec; `None` if the
    /// socket was [bound by another program](crate::Listener::from_std).
    pub file: Option<(PathBuf, OwnedFd)>,
}
