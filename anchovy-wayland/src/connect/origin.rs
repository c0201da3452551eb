//! Where a connection to a compositor is from.

use std::fmt;
use std::path::PathBuf;

use crate::location::SOCKET;

/// Where a connection to a compositor is from.
///
/// ```
/// use anchovy_wayland::Origin;
///
/// assert_eq!(Origin::Path("/run/wayland-0".into()).to_string(), "/run/wayland-0");
/// assert_eq!(Origin::Inherited.to_string(), "WAYLAND_SOCKET");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// It was inherited, and `WAYLAND_SOCKET` named it.
    Inherited,
    /// It was made to the socket at this path, which is absolute.
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
