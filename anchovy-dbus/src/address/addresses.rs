//! A list of addresses.

use std::fmt;
use std::slice;
use std::vec;

use super::construct::Address;

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
pub struct Addresses(pub(super) Vec<Address>);

#[expect(clippy::len_without_is_empty, reason = "it never is")]
impl Addresses {
    /// The same list, and `address` after all others.
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

    /// The addresses, in order.
    pub fn iter(&self) -> slice::Iter<'_, Address> {
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
