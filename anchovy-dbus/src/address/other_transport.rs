//! A transport that is kept as text.

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
    pub(super) name: String,
    pub(super) pairs: Vec<(String, Vec<u8>)>,
}

impl OtherTransport {
    /// What stands before the colon.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Keys and their values, in the order of the text; a value is bytes, its escapes undone. The
    /// key `guid` is not among them, see [`Address::guid`](crate::Address::guid).
    pub fn pairs(&self) -> impl ExactSizeIterator<Item = (&str, &[u8])> {
        self.pairs.iter().map(|(key, value)| (key.as_str(), value.as_slice()))
    }

    /// The value of one key.
    pub fn value(&self, key: &str) -> Option<&[u8]> {
        self.pairs().find(|(name, _)| *name == key).map(|(_, value)| value)
    }
}
