//! The identifier of a server.
//!
//! Another server can reuse the path of a socket. So each server has an identifier of 16 bytes, which
//! its address can contain and which it sends in the handshake. A client compares the two (D-Bus
//! Specification, "Server Addresses" and "UUIDs").

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use hex::FromHexError;

/// Length of a guid as text, in hex digits (D-Bus Specification, "UUIDs").
const DIGITS: usize = 32;

/// The identifier of a server: 16 bytes, or 32 hex digits as text.
///
/// It is not a UUID of RFC 4122: it contains no version, and its text has no hyphens (D-Bus
/// Specification, "UUIDs").
///
/// # Examples
///
/// ```
/// use anchovy_dbus::Guid;
///
/// let guid: Guid = "0123456789ABCDEF0123456789abcdef".parse()?;
/// assert_eq!(guid.to_string(), "0123456789abcdef0123456789abcdef");
/// assert_eq!(guid.to_bytes()[0], 0x01);
/// # Ok::<(), anchovy_dbus::GuidError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Guid([u8; DIGITS / 2]);

impl Guid {
    /// Generates a unique guid: 12 random bytes, and the seconds since 1970 as 4 bytes, the most
    /// significant first (D-Bus Specification, "UUIDs").
    ///
    /// # Errors
    ///
    /// Returns the error of getrandom(2), which does not fail on Linux 3.17 and later.
    ///
    /// # Examples
    ///
    /// ```
    /// use anchovy_dbus::Guid;
    ///
    /// assert_ne!(Guid::generate()?, Guid::generate()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn generate() -> io::Result<Guid> {
        // A clock before 1970 is wrong, but the random bytes suffice.
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
        let mut bytes = [0; DIGITS / 2];
        getrandom::fill(&mut bytes[..12])?;
        // 32 bits of seconds wrap in 2106.
        bytes[12..].copy_from_slice(&(seconds as u32).to_be_bytes());
        Ok(Guid(bytes))
    }

    /// Parses a guid: exactly 32 hex digits in upper or lower case.
    ///
    /// # Errors
    ///
    /// Returns a [`GuidError`] if the text is not a guid.
    ///
    /// # Examples
    ///
    /// ```
    /// use anchovy_dbus::{Guid, GuidError};
    ///
    /// assert!(Guid::parse(b"0123456789abcdef0123456789abcdef").is_ok());
    /// assert_eq!(Guid::parse(b"0123"), Err(GuidError::Length { length: 4 }));
    /// ```
    pub fn parse(text: &[u8]) -> Result<Guid, GuidError> {
        let mut bytes = [0; DIGITS / 2];
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) => Ok(Guid(bytes)),
            Err(FromHexError::InvalidHexCharacter { index: position, .. }) => {
                Err(GuidError::NotAHexDigit { position, byte: text[position] })
            }
            Err(_) => Err(GuidError::Length { length: text.len() }),
        }
    }

    /// Creates a guid from its 16 bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use anchovy_dbus::Guid;
    ///
    /// assert_eq!(Guid::from_bytes([0xa1; 16]).to_string(), "a1".repeat(16));
    /// ```
    pub const fn from_bytes(bytes: [u8; DIGITS / 2]) -> Guid {
        Guid(bytes)
    }

    /// Returns the 16 bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use anchovy_dbus::Guid;
    ///
    /// assert_eq!(Guid::from_bytes([7; 16]).to_bytes(), [7; 16]);
    /// ```
    pub const fn to_bytes(self) -> [u8; DIGITS / 2] {
        self.0
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Guid({self})")
    }
}

impl FromStr for Guid {
    type Err = GuidError;

    fn from_str(text: &str) -> Result<Guid, GuidError> {
        Guid::parse(text.as_bytes())
    }
}

/// The error of parsing a [`Guid`].
///
/// # Examples
///
/// ```
/// use anchovy_dbus::{Guid, GuidError};
///
/// // A UUID as other software writes it.
/// let hyphens = Guid::parse(b"01234567-89ab-cdef-0123-456789abcdef");
/// assert_eq!(hyphens, Err(GuidError::Length { length: 36 }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GuidError {
    /// The text does not have 32 bytes.
    Length {
        /// Number of bytes of the text.
        length: usize,
    },
    /// A byte of the text is not a hex digit.
    NotAHexDigit {
        /// Index of the byte.
        position: usize,
        /// The byte.
        byte: u8,
    },
}

impl fmt::Display for GuidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            GuidError::Length { length } => {
                write!(f, "the guid has {length} bytes, expected 32 hex digits")
            }
            GuidError::NotAHexDigit { position, byte } => write!(
                f,
                "byte {position} of the guid is '{}', expected 32 hex digits",
                byte.escape_ascii()
            ),
        }
    }
}

impl std::error::Error for GuidError {}

impl From<GuidError> for io::Error {
    fn from(error: GuidError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidInput, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "0123456789abcdeffedcba9876543210";

    #[test]
    fn digits_become_bytes_in_order() {
        let guid = Guid::parse(TEXT.as_bytes()).unwrap();
        let bytes = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef];
        assert_eq!(guid.to_bytes()[..8], bytes);
        assert_eq!(guid.to_bytes()[8..], [0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54, 0x32, 0x10]);
    }

    #[test]
    fn digits_of_both_cases_are_parsed_and_lower_case_is_written() {
        let guid: Guid = TEXT.to_uppercase().parse().unwrap();
        assert_eq!(guid.to_string(), TEXT);
        assert_eq!(format!("{guid:?}"), format!("Guid({TEXT})"));
    }

    #[test]
    fn one_digit_less_or_more_is_no_guid() {
        assert_eq!(Guid::parse(&TEXT.as_bytes()[1..]), Err(GuidError::Length { length: 31 }));
        assert_eq!(format!("{TEXT}0").parse::<Guid>(), Err(GuidError::Length { length: 33 }));
        assert_eq!(Guid::parse(b""), Err(GuidError::Length { length: 0 }));
    }

    #[test]
    fn the_error_names_the_first_byte_that_is_not_a_hex_digit() {
        for byte in [b'g', b'G', b'-', b' ', b'/', b':', b'@', b'`', 0, 0xff] {
            let mut text = TEXT.as_bytes().to_vec();
            text[31] = byte;
            let error = Guid::parse(&text).unwrap_err();
            assert_eq!(error, GuidError::NotAHexDigit { position: 31, byte });
            assert!(error.to_string().contains("byte 31"), "{error}");
        }
    }

    #[test]
    fn a_generated_guid_has_random_bytes_and_then_the_time() {
        let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as u32;
        let before = now();
        let (one, other) = (Guid::generate().unwrap(), Guid::generate().unwrap());
        let after = now();

        let seconds = u32::from_be_bytes(one.to_bytes()[12..].try_into().unwrap());
        assert!((before..=after).contains(&seconds), "{before} {seconds} {after}");
        // Each of the three is equal by chance once in 2^32 runs.
        for range in [0..4, 4..8, 8..12] {
            assert_ne!(one.to_bytes()[range.clone()], other.to_bytes()[range]);
        }
    }
}
