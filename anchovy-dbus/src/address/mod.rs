//! Where a server is, in the words of D-Bus.
//!
//! An address names a transport and what that transport needs to know; a list of them names several
//! ways to the same server, of which the first that works is taken (D-Bus Specification, "Server
//! Addresses"). Such texts come from the environment and from command lines, so they may be wrong
//! in any way, and some name what this crate does not speak, or where one can listen but nobody can
//! connect. What is wrong is found while reading, what cannot be used is found while using: a list
//! with one usable address stays usable.

mod bus;
mod connect;
mod error;
mod escape;
mod listen;
mod parse;
mod socket;
#[cfg(test)]
mod test_directory;

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

pub use bus::{BusAddressError, RuntimeSocketProblem};
pub use connect::{ConnectError, ConnectFailure, Connected, FailedConnect};
pub use error::AddressError;
pub use listen::{Bound, FailedListen, ListenError, ListenFailure, SocketFile};

use crate::guid::Guid;
use escape::Escaped;

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
    transport: Transport,
    guid: Option<Guid>,
}

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

/// A transport that is no Unix socket, as its text says.
///
/// ```
/// use anchovy_dbus::{Address, Transport};
///
/// let address: Address = "unixexec:path=ssh,argv1=a%20host".parse()?;
/// let Transport::Other(other) = address.transport() else { panic!() };
/// assert_eq!(other.name(), "unixexec");
/// assert_eq!(other.value("argv1"), Some(&b"a host"[..]));
/// assert_eq!(other.pairs().count(), 2);
/// # Ok::<(), anchovy_dbus::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OtherTransport {
    name: String,
    pairs: Vec<(String, Vec<u8>)>,
}

impl OtherTransport {
    /// What stands before the colon.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Keys and their values, in the order of the text; a value is bytes, its escapes undone. The
    /// key `guid` is not among them, see [`Address::guid`].
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = (&str, &[u8])> {
        self.pairs.iter().map(|(key, value)| (key.as_str(), value.as_slice()))
    }

    /// The value of one key.
    pub fn value(&self, key: &str) -> Option<&[u8]> {
        self.pairs().find(|(name, _)| *name == key).map(|(_, value)| value)
    }
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
        Ok(Address::of(Transport::Path(checked("path", path.into())?)))
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
        Ok(Address::of(Transport::Abstract(name)))
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
        Ok(Address::of(Transport::Dir(checked("dir", directory.into())?)))
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
        Ok(Address::of(Transport::TmpDir(checked("tmpdir", directory.into())?)))
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
        Address::of(Transport::Runtime)
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
    pub fn with_guid(mut self, guid: Guid) -> Address {
        self.guid = Some(guid);
        self
    }

    /// Reads one address; as [`str::parse`], for bytes.
    ///
    /// # Errors
    ///
    /// [`AddressError`], and that is also what a list of more than one is.
    ///
    /// ```
    /// use anchovy_dbus::Address;
    ///
    /// assert!(Address::parse(b"unix:path=/run/bus").is_ok());
    /// assert!(Address::parse(b"unix:path=/run/my bus").is_err()); // has to be %20
    /// ```
    pub fn parse(text: &[u8]) -> Result<Address, AddressError> {
        parse::address(text)
    }

    /// How the server is reached.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The guid that the server must have, where the address says so.
    pub fn guid(&self) -> Option<Guid> {
        self.guid
    }

    fn of(transport: Transport) -> Address {
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

/// The path of these bytes.
fn path_of(bytes: Vec<u8>) -> PathBuf {
    OsString::from_vec(bytes).into()
}

/// The canonical text: lower-case hex digits, the guid last, and `%2a` for `*`, which
/// implementations older than 0.38 of the specification do not read unescaped.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn path(key: &str, path: &Path, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "unix:{key}={}", Escaped(path.as_os_str().as_bytes()))
        }

        match &self.transport {
            Transport::Path(socket) => path("path", socket, f)?,
            Transport::Abstract(name) => write!(f, "unix:abstract={}", Escaped(name))?,
            Transport::Dir(directory) => path("dir", directory, f)?,
            Transport::TmpDir(directory) => path("tmpdir", directory, f)?,
            Transport::Runtime => f.write_str("unix:runtime=yes")?,
            Transport::Other(other) => {
                write!(f, "{}:", other.name)?;
                for (index, (key, value)) in other.pairs().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(f, "{comma}{key}={}", Escaped(value))?;
                }
            }
        }
        let Some(guid) = self.guid else { return Ok(()) };
        let bare = matches!(&self.transport, Transport::Other(other) if other.pairs.is_empty());
        write!(f, "{}guid={guid}", if bare { "" } else { "," })
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Address, AddressError> {
        Address::parse(text.as_bytes())
    }
}

/// Several ways to a server, in the order in which they are tried; at least one.
///
/// ```
/// use anchovy_dbus::{Address, Addresses};
///
/// let addresses: Addresses = "unix:path=/run/bus;tcp:host=localhost,port=4242".parse()?;
/// assert_eq!(addresses.len(), 2);
/// assert_eq!(addresses.iter().next(), Some(&Address::path("/run/bus")?));
/// # Ok::<(), anchovy_dbus::AddressError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Addresses(Vec<Address>);

#[expect(clippy::len_without_is_empty, reason = "it never is")]
impl Addresses {
    /// Reads a list, whose addresses are separated by semicolons; as [`str::parse`], for bytes.
    ///
    /// One semicolon may follow the last address: the specification knows it as a separator only,
    /// but the reference implementation takes it, and so it is found in the field. Any other empty
    /// address is an error.
    ///
    /// What else the specification leaves open is read strictly. Names and keys have the bytes that
    /// values have unescaped, and no others. A key occurs once, and has a value that is not empty.
    /// A Unix socket has no other keys than the specification gives it, since one that is not
    /// understood may be one that must not be ignored.
    ///
    /// # Errors
    ///
    /// [`AddressError`], which says where and what.
    ///
    /// ```
    /// use anchovy_dbus::{AddressError, Addresses};
    ///
    /// let list = Addresses::parse(b"unix:runtime=yes;unix:tmpdir=/tmp")?;
    /// assert_eq!(list.to_string(), "unix:runtime=yes;unix:tmpdir=/tmp");
    ///
    /// assert_eq!(Addresses::parse(b""), Err(AddressError::Empty));
    /// # Ok::<(), AddressError>(())
    /// ```
    pub fn parse(text: &[u8]) -> Result<Addresses, AddressError> {
        parse::addresses(text).map(Addresses)
    }

    /// The same list, and `address` after all others.
    ///
    /// ```
    /// use anchovy_dbus::{Address, Addresses};
    ///
    /// let addresses = Addresses::from(Address::runtime()).or(Address::tmpdir("/tmp")?);
    /// assert_eq!(addresses.to_string(), "unix:runtime=yes;unix:tmpdir=/tmp");
    /// # Ok::<(), anchovy_dbus::AddressError>(())
    /// ```
    pub fn or(mut self, address: Address) -> Addresses {
        self.0.push(address);
        self
    }

    /// The addresses, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Address> {
        self.0.iter()
    }

    /// How many there are; at least 1.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl From<Address> for Addresses {
    fn from(address: Address) -> Addresses {
        Addresses(vec![address])
    }
}

impl<'a> IntoIterator for &'a Addresses {
    type Item = &'a Address;
    type IntoIter = std::slice::Iter<'a, Address>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Addresses {
    type Item = Address;
    type IntoIter = std::vec::IntoIter<Address>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, address) in self.iter().enumerate() {
            let semicolon = if index == 0 { "" } else { ";" };
            write!(f, "{semicolon}{address}")?;
        }
        Ok(())
    }
}

impl FromStr for Addresses {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Addresses, AddressError> {
        Addresses::parse(text.as_bytes())
    }
}
