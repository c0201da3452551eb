//! What the kernel calls a socket, and how long that may be.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;
use std::path::Path;

/// The size of `sun_path`, in bytes: 108 on Linux (unix(7)), 104 where sockets are those of BSD.
const SUN_PATH: usize =
    if cfg!(any(target_os = "linux", target_os = "android")) { 108 } else { 104 };

/// The longest path, and the longest abstract name: one byte of `sun_path` is a NUL, behind the
/// path or before the name.
pub(in crate::address) const LONGEST: usize = SUN_PATH - 1;

/// Why the kernel has no name for a socket.
#[derive(Debug)]
pub(in crate::address) enum NameError {
    TooLong(usize),
    Io(io::Error),
}

pub(in crate::address) fn path(path: &Path) -> Result<SocketAddr, NameError> {
    fits(path.as_os_str().as_bytes())?;
    SocketAddr::from_pathname(path).map_err(NameError::Io)
}

pub(in crate::address) fn abstract_name(name: &[u8]) -> Result<SocketAddr, NameError> {
    fits(name)?;
    in_abstract_namespace(name)
}

fn fits(name: &[u8]) -> Result<(), NameError> {
    if name.len() > LONGEST { Err(NameError::TooLong(name.len())) } else { Ok(()) }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn in_abstract_namespace(name: &[u8]) -> Result<SocketAddr, NameError> {
    #[cfg(target_os = "android")]
    use std::os::android::net::SocketAddrExt;
    #[cfg(target_os = "linux")]
    use std::os::linux::net::SocketAddrExt;

    SocketAddr::from_abstract_name(name).map_err(NameError::Io)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn in_abstract_namespace(_: &[u8]) -> Result<SocketAddr, NameError> {
    let said = "only Linux has abstract sockets; use a path";
    Err(NameError::Io(io::Error::new(io::ErrorKind::Unsupported, said)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_and_a_name_may_be_as_long_as_the_kernel_has_room_for() {
        let longest = "a".repeat(LONGEST);
        assert!(path(Path::new(&longest)).is_ok());
        #[cfg(target_os = "linux")]
        assert!(abstract_name(longest.as_bytes()).is_ok());
    }

    #[test]
    fn one_byte_more_is_too_long() {
        let longer = "a".repeat(LONGEST + 1);
        assert!(matches!(path(Path::new(&longer)), Err(NameError::TooLong(108))));
        assert!(matches!(abstract_name(longer.as_bytes()), Err(NameError::TooLong(108))));
    }
}
