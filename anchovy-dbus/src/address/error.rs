//! The error of parsing an address.

use std::fmt;
use std::io;

use crate::guid::GuidError;

/// The error of parsing an address or a list of addresses.
///
/// Positions are byte offsets in the whole text. Names and keys in the error are ASCII.
///
/// # Examples
///
/// ```
/// use anchovy_dbus::{AddressError, Addresses};
///
/// let error = Addresses::parse(b"unix:path=/run/my bus").unwrap_err();
/// assert_eq!(error, AddressError::Unescaped { position: 17, byte: b' ' });
/// assert_eq!(error.to_string(), "byte 17 is ' ', which must be escaped; write %20");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddressError {
    /// The text is empty.
    Empty,
    /// An address is empty: there is nothing between two semicolons, or before the first one.
    EmptyAddress {
        /// Position of the empty address.
        position: usize,
    },
    /// The text is a list of addresses, where one address is required.
    SeveralAddresses {
        /// Position of the first semicolon.
        position: usize,
    },
    /// The name of a transport has no colon after it.
    MissingColon {
        /// Position of the address.
        position: usize,
    },
    /// The name of a transport or a key is empty.
    EmptyName {
        /// Position of the empty name.
        position: usize,
    },
    /// The name of a transport or a key has a byte outside of `[-0-9A-Za-z_/.\*]`.
    ///
    /// The specification does not define the bytes of a name. All names that it defines have only these
    /// bytes.
    BadName {
        /// Position of the byte.
        position: usize,
        /// The byte.
        byte: u8,
    },
    /// A key has no `=` and value.
    MissingValue {
        /// Position of the key.
        position: usize,
    },
    /// The value of a key is empty.
    EmptyValue {
        /// The key.
        key: String,
    },
    /// A path contains a NUL byte, at which the kernel would end it (unix(7)).
    NulByte {
        /// The key.
        key: String,
    },
    /// A value contains a byte that must be escaped.
    Unescaped {
        /// Position of the byte.
        position: usize,
        /// The byte.
        byte: u8,
    },
    /// A percent sign is not followed by two hex digits.
    BadEscape {
        /// Position of the percent sign.
        position: usize,
    },
    /// A key occurs twice.
    DuplicateKey {
        /// Position of the second occurrence.
        position: usize,
        /// The key.
        key: String,
    },
    /// The transport `unix` does not have the key.
    UnknownKey {
        /// Position of the key.
        position: usize,
        /// The key.
        key: String,
    },
    /// The transport `unix` has none of the keys `path`, `abstract`, `dir`, `tmpdir` and `runtime`.
    NoSocket {
        /// Position of the address.
        position: usize,
    },
    /// The transport `unix` has two of the keys `path`, `abstract`, `dir`, `tmpdir` and `runtime`.
    TwoSockets {
        /// Position of the second key.
        position: usize,
        /// The second key.
        key: String,
    },
    /// The value of `runtime` is not `yes`.
    BadRuntime {
        /// Position of the value.
        position: usize,
    },
    /// The value of `guid` is not a guid.
    BadGuid {
        /// Position of the value.
        position: usize,
        /// The reason why it is not a guid.
        error: GuidError,
    },
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AddressError::Empty => {
                f.write_str("the address is empty; write an address such as unix:path=/run/bus")
            }
            AddressError::EmptyAddress { position } => {
                write!(f, "the address at byte {position} is empty; remove a semicolon")
            }
            AddressError::SeveralAddresses { position } => write!(
                f,
                "byte {position} is the semicolon of a list of addresses; write only one address"
            ),
            AddressError::MissingColon { position } => write!(
                f,
                "the address at byte {position} has no colon; write an address such as \
                 unix:path=/run/bus"
            ),
            AddressError::EmptyName { position } => {
                write!(f, "the name of a transport or a key at byte {position} is empty")
            }
            AddressError::BadName { position, byte } => write!(
                f,
                "byte {position} is '{}', which the name of a transport or a key cannot contain",
                byte.escape_ascii()
            ),
            AddressError::MissingValue { position } => {
                write!(f, "the key at byte {position} has no value; write key=value")
            }
            AddressError::EmptyValue { key } => {
                write!(f, "the value of {key} is empty; write a value or remove the key")
            }
            AddressError::NulByte { key } => {
                write!(f, "the value of {key} contains a NUL byte, which a path cannot contain")
            }
            AddressError::Unescaped { position, byte } => write!(
                f,
                "byte {position} is '{}', which must be escaped; write %{byte:02x}",
                byte.escape_ascii()
            ),
            AddressError::BadEscape { position } => write!(
                f,
                "the percent sign at byte {position} is not followed by two hex digits; write %25 \
                 for a percent sign"
            ),
            AddressError::DuplicateKey { position, key } => {
                write!(f, "the key {key} occurs for the second time at byte {position}; remove one")
            }
            AddressError::UnknownKey { position, key } => write!(
                f,
                "a Unix socket has no key {key} (byte {position}); use path, abstract, dir, tmpdir, \
                 runtime or guid"
            ),
            AddressError::NoSocket { position } => write!(
                f,
                "the address at byte {position} names no socket; add path, abstract, dir, tmpdir or \
                 runtime"
            ),
            AddressError::TwoSockets { position, key } => write!(
                f,
                "the key {key} at byte {position} names a second socket; use only one of path, \
                 abstract, dir, tmpdir and runtime"
            ),
            AddressError::BadRuntime { position } => {
                write!(f, "the value of runtime at byte {position} is invalid; write runtime=yes")
            }
            AddressError::BadGuid { position, .. } => {
                write!(f, "the value of guid at byte {position} is invalid")
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
