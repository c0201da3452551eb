//! What a listener is made of.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener as StdListener;
use std::path::PathBuf;

/// What a [`Listener`](crate::Listener) is made of, for a process that hands it to another, or to itself after an
/// exec.
///
/// The files stay, and nobody else gets the name as long as the lock is open somewhere. Clients that
/// connect in between wait.
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
    /// Listening, non-blocking and close-on-exec.
    pub socket: StdListener,
    /// The socket's file, and its open and locked lock file, which is close-on-exec; nothing if the
    /// socket was [bound by somebody else](crate::Listener::from_std).
    pub file: Option<(PathBuf, OwnedFd)>,
}
