//! An address, and its constructors.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::error::AddressError;
use super::transport::Transport;
use crate::guid::Guid;

/// One address: a transport, and perhaps the guid of the server that is there.
///
/// Every address that can be made has a text, and that text reads as the same address.
///
/// ```
/// use anchovy_dbus::{Address, Transport};
///
/// let address: Address = "unix:path=/run/user/1000/my%20bus".parse()?;
/// assert_eq!(address.transport(), &Transport::Path("/run/user/1000/my bus".into()));
/// assert_eq!(address, Address::path("/run/user/1000/my bus")?);
/// assert_eq!(address.to_string(), "unix:path=/run/user/1000/my%20bus");
/// # Ok::<(), anchovy_dbus::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    pub(super) transport: Transport,
    pub(super) guid: Option<Guid>,
}

impl Address {
    /// The socket at `path`: `unix:path=`.
    ///
    /// How long it may be is a matter of the kernel, which says so when it is connected to or
    /// listened on.
    ///
    /// # Errors
    ///
    /// [`AddressError::EmptyValue`] and [`AddressError::NulByte`], since the kernel takes an empty
    /// path for no address, and ends a path at its first NUL (unix(7)).
    ///
    /// ```
    /// use anchovy_dbus::Address;
    ///
    /// let address = Address::path("/run/dbus/system_bus_socket")?;
    /// assert_eq!(address.to_string(), "unix:path=/run/dbus/system_bus_socket");
    /// # Ok::<(), anchovy_dbus::AddressError>(())
    /// ```
    pub fn path(path: impl Into<PathBuf>) -> Result<Address, AddressError> {
        Ok(Address::new(Transport::Path(checked("path", path.into())?)))
    }

    /// The socket of this name in the abstract namespace of Linux: `unix:abstract=`.
    ///
    /// The name is bytes, NUL is one like any other (unix(7)), and the NUL that distinguishes it
    /// from a path is not part of it. libdbus ends it at its first NUL.
    ///
    /// # Errors
    ///
    /// [`AddressError::EmptyValue`], since the kernel takes an empty name for the wish that it
    /// choose one.
    ///
    /// ```
    /// use anchovy_dbus::Address;
    ///
    /// let address = Address::abstract_name("/tmp/dbus-test")?;
    /// assert_eq!(address.to_string(), "unix:abstract=/tmp/dbus-test");
    /// # Ok::<(), anchovy_dbus::AddressError>(())
    /// ```
    pub fn abstract_name(name: impl Into<Vec<u8>>) -> Result<Address, AddressError> {
        let name = name.into();
        if name.is_empty() {
            return Err(AddressError::EmptyValue { key: "abstract".into() });
        }
        Ok(Address::new(Transport::Abstract(name)))
    }

    /// A socket with a random name in this directory, to listen on: `unix:dir=`.
    ///
    /// # Errors
    ///
    /// As of [`path`](Address::path).
    ///
    /// ```
    /// use anchovy_dbus::Address;
    ///
    /// assert_eq!(Address::dir("/run/my-service")?.to_string(), "unix:dir=/run/my-service");
    /// # Ok::<(), anchovy_dbus::AddressError>(())
    /// ```
    pub fn dir(directory: impl Into<PathBuf>) -> Result<Address, AddressError> {
        Ok(Address::new(Transport::Dir(checked("dir", directory.into())?)))
    }

    /// A socket with a random name in this directory, to listen on: `unix:tmpdir=`.
    ///
    /// # Errors
    ///
    /// As of [`path`](Address::path).
    ///
    /// ```
    /// use anchovy_dbus::Address;
    ///
    /// assert_eq!(Address::tmpdir("/tmp")?.to_string(), "unix:tmpdir=/tmp");
    /// # Ok::<(), anchovy_dbus::AddressError>(())
    /// ```
    pub fn tmpdir(directory: impl Into<PathBuf>) -> Result<Address, AddressError> {
        Ok(Address::new(Transport::TmpDir(checked("tmpdir", directory.into())?)))
    }

    /// The socket `bus` in the directory that `XDG_RUNTIME_DIR` names, to listen on:
    /// `unix:runtime=yes`.
    ///
    /// ```
    /// use anchovy_dbus::Address;
    ///
    /// assert_eq!(Address::runtime().to_string(), "unix:runtime=yes");
    /// ```
    pub fn runtime() -> Address {
        Address::new(Transport::Runtime)
    }

    /// The same address, of the server with this guid.
    ///
    /// ```
    /// use anchovy_dbus::{Address, Guid};
    ///
    /// let address = Address::path("/run/bus")?.with_guid(Guid::from_bytes([0xab; 16]));
    /// let text = "unix:path=/run/bus,guid=abababababababababababababababab";
    /// assert_eq!(address.to_string(), text);
    /// # Ok::<(), anchovy_dbus::AddressError>(())
    /// ```
    #[must_use]
    pub fn with_guid(mut self, guid: Guid) -> Address {
        self.guid = Some(guid);
        self
    }

    /// How the server is reached.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The guid that the server must have, where the address says so.
    pub fn guid(&self) -> Option<Guid> {
        self.guid
    }

    pub(super) fn new(transport: Transport) -> Address {
        Address { transport, guid: None }
    }
}

/// A path that the kernel takes for what it is.
fn checked(key: &'static str, path: PathBuf) -> Result<PathBuf, AddressError> {
    match path.as_os_str().as_bytes() {
        [] => Err(AddressError::EmptyValue { key: key.into() }),
        bytes if bytes.contains(&0) => Err(AddressError::NulByte { key: key.into() }),
        _ => Ok(path),
    }
}
