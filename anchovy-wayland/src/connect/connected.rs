//! A connection to a compositor.

use anchovy::{AnchovyStream, WAYLAND_SCM_RIGHTS};

use super::origin::Origin;

/// A socket that is connected to a compositor, and its origin.
///
/// # Examples
///
/// ```
/// use anchovy_wayland::{Connector, Listener, Origin};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let path = std::env::temp_dir().join(format!("anchovy-connected-{}", std::process::id()));
/// let listener = Listener::bind(&path)?;
/// let connector = Connector::new().without_inherited().display(&path);
/// let connected = connector.connect().await?;
/// assert_eq!(connected.origin, Origin::Path(path));
/// # drop(listener);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Connected {
    /// Connected socket, to which no byte has been sent. It is close-on-exec and registered with the
    /// runtime. Pass it to [`Connection::client`](crate::Connection::client).
    pub stream: AnchovyStream<WAYLAND_SCM_RIGHTS>,
    /// Origin of the socket.
    pub origin: Origin,
}
