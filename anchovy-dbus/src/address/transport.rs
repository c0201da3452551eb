//! The transports that an address can name.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::other_transport::OtherTransport;

/// How a server is reached.
///
/// ```
/// use anchovy_dbus::{Address, Transport};
///
/// let address: Address = "tcp:host=localhost,port=4242".parse()?;
/// match address.transport() {
///     Transport::Other(other) => assert_eq!(other.name(), "tcp"),
///     transport => panic!("{transport:?}"),
/// }
/// # Ok::<(), anchovy_dbus::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Transport {
    /// `unix:path=`, a socket in the file system: to connect to and to listen on.
    Path(PathBuf),
    /// `unix:abstract=`, a name in the abstract namespace that only Linux has: to connect to and to
    /// listen on.
    ///
    /// Whoever shares the network namespace reaches it, whatever they see of the file system, and
    /// anybody may take the name first (D-Bus Specification, "Unix Domain Sockets").
    Abstract(Vec<u8>),
    /// `unix:dir=`, a socket with a random name in this directory: to listen on only.
    Dir(PathBuf),
    /// `unix:tmpdir=`, the same as [`Dir`](Transport::Dir): to listen on only.
    ///
    /// The specification lets a server choose an abstract socket here, and does not demand it; a
    /// file has permissions, so that is what this crate chooses.
    TmpDir(PathBuf),
    /// `unix:runtime=yes`, the socket `bus` in `XDG_RUNTIME_DIR`: to listen on only.
    Runtime,
    /// Any other transport, such as `tcp`, `nonce-tcp`, `unixexec`, `launchd`, `systemd` and
    /// `autolaunch`.
    ///
    /// It is read, so that a list with a Unix socket in it works, and is neither connected to nor
    /// listened on.
    Other(OtherTransport),
}

/// The path by which anchovy and tokio know an abstract name: a NUL byte, and the name.
pub(super) fn abstract_path(name: &[u8]) -> PathBuf {
    OsString::from_vec([b"\0", name].concat()).into()
}
