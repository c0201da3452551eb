//! The error of a string that is not a list of addresses.

use std::error::Error;
use std::fmt;
use std::io;

use super::error::AddressError;

/// The error of converting a string into [`Addresses`](crate::Addresses), with the string.
#[derive(Debug)]
#[non_exhaustive]
pub struct InvalidAddresses {
    /// The string.
    pub text: String,
    /// The reason why it is not valid.
    pub error: AddressError,
}

impl fmt::Display for InvalidAddresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is not a valid list of D-Bus addresses", self.text)
    }
}

impl Error for InvalidAddresses {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

impl From<InvalidAddresses> for io::Error {
    fn from(error: InvalidAddresses) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidInput, error)
    }
}
