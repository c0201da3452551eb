//! The parts of a listener.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener as StdListener;
use std::path::PathBuf;

/// The parts of a [`Listener`](crate::Listener), to pass it to another process or to keep it during an
/// exec.
///
/// The files are not removed. While a process has the lock file open, no other compositor can take the
/// name. Clients that connect meanwhile wait.
///
/// The descriptors are close-on-exec. To keep them during an exec, clear this flag.
///
/// # Examples
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
    /// Listening socket. It is non-blocking and close-on-exec.
    pub socket: StdListener,
    /// Path of the socket, and its locked lock file, which is close-on-exec. `None` if
    /// [another program has bound the socket](crate::Listener::from_std).
    pub file: Option<(PathBuf, OwnedFd)>,
}
