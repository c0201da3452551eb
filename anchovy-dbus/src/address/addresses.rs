//! A list of addresses.

use std::fmt;
use std::slice;
use std::vec;

use super::construct::Address;
use super::invalid_addresses::InvalidAddresses;

/// A list of one or more addresses, in the order in which they are tried.
///
/// # Examples
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
pub struct Addresses(pub(super) Vec<Address>);

#[expect(clippy::len_without_is_empty, reason = "a list is never empty")]
impl Addresses {
    /// Returns the list with `address` added at the end.
    ///
    /// # Examples
    ///
    /// ```
    /// use anchovy_dbus::{Address, Addresses};
    ///
    /// let addresses = Addresses::from(Address::runtime()).or(Address::tmpdir("/tmp")?);
    /// assert_eq!(addresses.to_string(), "unix:runtime=yes;unix:tmpdir=/tmp");
    /// # Ok::<(), anchovy_dbus::AddressError>(())
    /// ```
    #[must_use]
    pub fn or(mut self, address: Address) -> Addresses {
        self.0.push(address);
        self
    }

    /// Returns an iterator over the addresses, in order.
    pub fn iter(&self) -> slice::Iter<'_, Address> {
        self.0.iter()
    }

    /// Returns the number of addresses, which is at least 1.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl From<Address> for Addresses {
    fn from(address: Address) -> Addresses {
        Addresses(vec![address])
    }
}

impl From<&Address> for Addresses {
    fn from(address: &Address) -> Addresses {
        address.clone().into()
    }
}

impl From<&Addresses> for Addresses {
    fn from(addresses: &Addresses) -> Addresses {
        addresses.clone()
    }
}

/// Parses a list of addresses. The error contains the string.
///
/// # Examples
///
/// ```
/// use anchovy_dbus::Addresses;
///
/// assert_eq!(Addresses::try_from("unix:path=/run/bus")?.len(), 1);
/// let refused = Addresses::try_from("unix:way=/run/bus").unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "\"unix:way=/run/bus\" is not a valid list of D-Bus addresses"
/// );
/// # Ok::<(), anchovy_dbus::InvalidAddresses>(())
/// ```
impl TryFrom<&str> for Addresses {
    type Error = InvalidAddresses;

    fn try_from(text: &str) -> Result<Addresses, InvalidAddresses> {
        text.parse().map_err(|error| InvalidAddresses { text: text.to_owned(), error })
    }
}

impl TryFrom<&String> for Addresses {
    type Error = InvalidAddresses;

    fn try_from(text: &String) -> Result<Addresses, InvalidAddresses> {
        Addresses::try_from(text.as_str())
    }
}

impl TryFrom<String> for Addresses {
    type Error = InvalidAddresses;

    fn try_from(text: String) -> Result<Addresses, InvalidAddresses> {
        Addresses::try_from(text.as_str())
    }
}

impl<'a> IntoIterator for &'a Addresses {
    type Item = &'a Address;
    type IntoIter = slice::Iter<'a, Address>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Addresses {
    type Item = Address;
    type IntoIter = vec::IntoIter<Address>;

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
