//! The type of an address, and its constructors.

use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use super::error::AddressError;
use super::transport::Transport;
use crate::guid::Guid;

/// The address of a server: a transport, and optionally the guid of the server.
///
/// `Display` writes the address as text, which parses as the same address.
///
/// # Examples
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
    /// Creates the address of the socket at `path`: `unix:path=`.
    ///
    /// The maximum length of a path is checked when the address is used.
    ///
    /// # Errors
    ///
    /// Returns [`AddressError::EmptyValue`] if the path is empty, or [`AddressError::NulByte`] if it
    /// contains a NUL byte, at which the kernel would end it (unix(7)).
    ///
    /// # Examples
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

    /// Creates the address of an abstract socket (Linux only): `unix:abstract=`.
    ///
    /// The name does not include the NUL byte that distinguishes it from a path. It can contain other
    /// NUL bytes (unix(7)), but libdbus ends the name at the first one.
    ///
    /// # Errors
    ///
    /// Returns [`AddressError::EmptyValue`] if the name is empty, because the kernel would choose one.
    ///
    /// # Examples
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

    /// Creates an address for listening on a socket with a random name in this directory: `unix:dir=`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`path`](Address::path).
    ///
    /// # Examples
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

    /// Creates an address for listening on a socket with a random name in this directory:
    /// `unix:tmpdir=`.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`path`](Address::path).
    ///
    /// # Examples
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

    /// Returns the address for listening on the socket `bus` in the directory of `XDG_RUNTIME_DIR`:
    /// `unix:runtime=yes`.
    ///
    /// # Examples
    ///
    /// ```
    /// use anchovy_dbus::Address;
    ///
    /// assert_eq!(Address::runtime().to_string(), "unix:runtime=yes");
    /// ```
    pub fn runtime() -> Address {
        Address::new(Transport::Runtime)
    }

    /// Returns the address with this guid of the server.
    ///
    /// # Examples
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

    /// Returns the transport.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Returns the guid that the server must have, if the address contains one.
    pub fn guid(&self) -> Option<Guid> {
        self.guid
    }

    pub(super) fn new(transport: Transport) -> Address {
        Address { transport, guid: None }
    }
}

/// Returns the path if the kernel uses it unchanged.
fn checked(key: &'static str, path: PathBuf) -> Result<PathBuf, AddressError> {
    match path.as_os_str().as_bytes() {
        [] => Err(AddressError::EmptyValue { key: key.into() }),
        bytes if bytes.contains(&0) => Err(AddressError::NulByte { key: key.into() }),
        _ => Ok(path),
    }
}
