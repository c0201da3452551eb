//! The transports that an address can name.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::other_transport::OtherTransport;

/// The transport of an address.
///
/// # Examples
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
    /// `unix:path=`: a socket in the file system, for connecting and listening.
    Path(PathBuf),
    /// `unix:abstract=`: a name in the abstract namespace, for connecting and listening. Linux only.
    ///
    /// Every process in the network namespace can connect to this name, even from another mount namespace.
    /// Every process can also bind the name first (D-Bus Specification, "Unix Domain Sockets").
    Abstract(Vec<u8>),
    /// `unix:dir=`: a socket with a random name in this directory, for listening only.
    Dir(PathBuf),
    /// `unix:tmpdir=`: the same as [`Dir`](Transport::Dir), for listening only.
    ///
    /// The specification allows an abstract socket here. This crate creates a file, which has
    /// permissions.
    TmpDir(PathBuf),
    /// `unix:runtime=yes`: the socket `bus` in `XDG_RUNTIME_DIR`, for listening only.
    Runtime,
    /// Any other transport, such as `tcp`, `nonce-tcp`, `unixexec`, `launchd`, `systemd` and
    /// `autolaunch`.
    ///
    /// Such an address is supported neither for connecting nor for listening. It is parsed, so that a list
    /// that also contains a Unix socket can be used.
    Other(OtherTransport),
}

/// Returns the path of an abstract name in anchovy and tokio: a NUL byte, and the name.
pub(super) fn abstract_path(name: &[u8]) -> PathBuf {
    OsString::from_vec([b"\0", name].concat()).into()
}
