//! Why a text is no address, said so that it can be mended.

use std::fmt;
use std::io;

use crate::guid::GuidError;

/// Why a text is no address.
///
/// Positions are bytes of the whole text, counted from 0. Names and keys in here are ASCII,
/// whatever the text was.
///
/// ```
/// use anchovy_dbus::{AddressError, Addresses};
///
/// let error = Addresses::parse(b"unix:path=/run/my bus").unwrap_err();
/// assert_eq!(error, AddressError::Unescaped { position: 17, byte: b' ' });
/// assert_eq!(error.to_string(), "byte 17: ' ' has to be escaped here, as %20");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// There is nothing.
    Empty,
    /// There is nothing between two semicolons, or before the first.
    EmptyAddress {
        /// Where it would be.
        position: usize,
    },
    /// There is a list where one address is wanted.
    SeveralAddresses {
        /// Where the first semicolon is.
        position: usize,
    },
    /// No colon ends the name of a transport.
    MissingColon {
        /// Where the address begins.
        position: usize,
    },
    /// A transport or a key has no name.
    EmptyName {
        /// Where it would be.
        position: usize,
    },
    /// The name of a transport or a key has a byte outside of `[-0-9A-Za-z_/.\*]`.
    ///
    /// The specification names no set; all names that it defines are in this one, and no other
    /// byte could be told from what separates names.
    BadName {
        /// Where the byte is.
        position: usize,
        /// What it is.
        byte: u8,
    },
    /// A key without `=` and a value.
    MissingValue {
        /// Where the key is.
        position: usize,
    },
    /// A key whose value is empty.
    EmptyValue {
        /// The key.
        key: String,
    },
    /// A path with a NUL, at which the kernel would end it (unix(7)).
    NulByte {
        /// The key.
        key: String,
    },
    /// A byte in a value that has to be escaped.
    Unescaped {
        /// Where it is.
        position: usize,
        /// What it is.
        byte: u8,
    },
    /// A percent sign without two hex digits behind it.
    BadEscape {
        /// Where it is.
        position: usize,
    },
    /// A key for the second time.
    DuplicateKey {
        /// Where it is for the second time.
        position: usize,
        /// The key.
        key: String,
    },
    /// A key that a Unix socket does not have.
    UnknownKey {
        /// Where it is.
        position: usize,
        /// The key.
        key: String,
    },
    /// A Unix socket without one of `path`, `abstract`, `dir`, `tmpdir` and `runtime`.
    NoSocket {
        /// Where the address begins.
        position: usize,
    },
    /// A Unix socket with two of them.
    TwoSockets {
        /// Where the second one is.
        position: usize,
        /// The second one.
        key: String,
    },
    /// `runtime` with another value than `yes`.
    BadRuntime {
        /// Where the value is.
        position: usize,
    },
    /// `guid` with a value that is none.
    BadGuid {
        /// Where the value is.
        position: usize,
        /// Why it is none.
        error: GuidError,
    },
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressError::Empty => f.write_str("there is no address; one is unix:path=/run/bus"),
            AddressError::EmptyAddress { position } => {
                write!(f, "byte {position}: there is no address where one should be; take out a ;")
            }
            AddressError::SeveralAddresses { position } => {
                write!(f, "byte {position}: a list goes on here, and one address is wanted")
            }
            AddressError::MissingColon { position } => {
                write!(f, "byte {position}: this address has no colon; one is unix:path=/run/bus")
            }
            AddressError::EmptyName { position } => {
                write!(f, "byte {position}: the name of a transport or a key is missing")
            }
            AddressError::BadName { position, byte } => write!(
                f,
                "byte {position}: '{}' cannot be in the name of a transport or a key",
                byte.escape_ascii()
            ),
            AddressError::MissingValue { position } => {
                write!(f, "byte {position}: this key has no value; write key=value")
            }
            AddressError::EmptyValue { key } => {
                write!(f, "the value of {key} is empty; give one, or take the key out")
            }
            AddressError::NulByte { key } => {
                write!(f, "the value of {key} has a NUL byte in it, which no path can")
            }
            AddressError::Unescaped { position, byte } => write!(
                f,
                "byte {position}: '{}' has to be escaped here, as %{byte:02x}",
                byte.escape_ascii()
            ),
            AddressError::BadEscape { position } => write!(
                f,
                "byte {position}: two hex digits have to follow this percent sign, \
                 which by itself is %25"
            ),
            AddressError::DuplicateKey { position, key } => {
                write!(f, "byte {position}: {key} is here for the second time; take one out")
            }
            AddressError::UnknownKey { position, key } => write!(
                f,
                "byte {position}: a Unix socket has no key {key}, only path, abstract, dir, \
                 tmpdir, runtime and guid"
            ),
            AddressError::NoSocket { position } => write!(
                f,
                "byte {position}: this does not say which socket; give one of path, abstract, dir, \
                 tmpdir and runtime"
            ),
            AddressError::TwoSockets { position, key } => write!(
                f,
                "byte {position}: {key} names another socket; give only one of path, abstract, \
                 dir, tmpdir and runtime"
            ),
            AddressError::BadRuntime { position } => {
                write!(f, "byte {position}: the value of runtime can only be yes")
            }
            AddressError::BadGuid { position, .. } => {
                write!(f, "byte {position}: the value of guid is not a guid")
            }
        }
    }
}

impl std::error::Error for AddressError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            AddressError::BadGuid { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl From<AddressError> for io::Error {
    fn from(error: AddressError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidInput, error)
    }
}
