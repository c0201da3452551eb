//! The origin of a socket that is connected to a compositor.

use std::fmt;
use std::path::PathBuf;

use crate::location::SOCKET;

/// The origin of a socket that is connected to a compositor.
///
/// # Examples
///
/// ```
/// use anchovy_wayland::Origin;
///
/// assert_eq!(Origin::Path("/run/wayland-0".into()).to_string(), "/run/wayland-0");
/// assert_eq!(Origin::Inherited.to_string(), "WAYLAND_SOCKET");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The socket was inherited, and `WAYLAND_SOCKET` is its number.
    Inherited,
    /// The socket was connected to this absolute path.
    Path(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Inherited => f.write_str(SOCKET),
            Origin::Path(path) => path.display().fmt(f),
        }
    }
}
