//! Transports that are not supported.

/// The name and parameters of a transport that is not a Unix socket.
///
/// # Examples
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
    pub(super) name: String,
    pub(super) pairs: Vec<(String, Vec<u8>)>,
}

impl OtherTransport {
    /// Returns the name of the transport, such as `tcp`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the keys and their unescaped values, in the order of the text. The key `guid` is not
    /// included; see [`Address::guid`](crate::Address::guid).
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = (&str, &[u8])> {
        self.pairs.iter().map(|(key, value)| (key.as_str(), value.as_slice()))
    }

    /// Returns the unescaped value of a key, if the address has it.
    pub fn value(&self, key: &str) -> Option<&[u8]> {
        self.pairs().find(|(name, _)| *name == key).map(|(_, value)| value)
    }
}
