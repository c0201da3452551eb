//! The name of a server, as opposed to the name of its socket.
//!
//! Sockets are recycled: the path that led to one server yesterday leads to another today. So a
//! server has 16 bytes of its own, which its address may tell beforehand and its handshake tells
//! for certain; a client that compares the two knows whom it reached (D-Bus Specification, "Server
//! Addresses" and "UUIDs").

use std::fmt;
use std::io;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use hex::FromHexError;

/// The length of a guid in text, in hex digits (D-Bus Specification, "UUIDs").
const DIGITS: usize = 32;

/// 16 bytes that name a server, in text 32 hex digits.
///
/// Not a UUID of RFC 4122: it has no version in it, and no hyphens in text (D-Bus Specification,
/// "UUIDs").
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
    /// A guid that no other server has: 12 random bytes, and the seconds since 1970 in 4 bytes,
    /// most significant first (D-Bus Specification, "UUIDs").
    ///
    /// The seconds are there for who reads a log; the 96 random bits are what makes it unique.
    ///
    /// # Errors
    ///
    /// Those of getrandom(2), which on a system with that call does not happen.
    ///
    /// ```
    /// use anchovy_dbus::Guid;
    ///
    /// assert_ne!(Guid::generate()?, Guid::generate()?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn generate() -> io::Result<Guid> {
        // A clock before 1970 is wrong, but no reason not to serve.
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs());
        let mut bytes = [0; DIGITS / 2];
        getrandom::fill(&mut bytes[..12])?;
        // 32 bits are what there is room for; they wrap in 2106.
        bytes[12..].copy_from_slice(&(seconds as u32).to_be_bytes());
        Ok(Guid(bytes))
    }

    /// A guid from its text: exactly 32 hex digits, of either case.
    ///
    /// # Errors
    ///
    /// [`GuidError`], which says what is there instead.
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

    /// A guid from its 16 bytes.
    ///
    /// ```
    /// use anchovy_dbus::Guid;
    ///
    /// assert_eq!(Guid::from_bytes([0xa1; 16]).to_string(), "a1".repeat(16));
    /// ```
    pub const fn from_bytes(bytes: [u8; DIGITS / 2]) -> Guid {
        Guid(bytes)
    }

    /// The 16 bytes.
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

/// Why a text is no [`Guid`].
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
    /// There are not 32 bytes.
    Length {
        /// How many there are.
        length: usize,
    },
    /// One of them is no hex digit.
    NotAHexDigit {
        /// Which one, counted from 0.
        position: usize,
        /// What it is.
        byte: u8,
    },
}

impl fmt::Display for GuidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            GuidError::Length { length } => {
                write!(f, "a guid has 32 hex digits and nothing else, this has {length} bytes")
            }
            GuidError::NotAHexDigit { position, byte } => write!(
                f,
                "a guid has 32 hex digits and nothing else, byte {position} of this is '{}'",
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
    fn digits_of_either_case_are_read_and_small_ones_are_written() {
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
    fn what_is_no_hex_digit_is_named_with_its_place() {
        for byte in [b'g', b'G', b'-', b' ', b'/', b':', b'@', b'`', 0, 0xff] {
            let mut text = TEXT.as_bytes().to_vec();
            text[31] = byte;
            let error = Guid::parse(&text).unwrap_err();
            assert_eq!(error, GuidError::NotAHexDigit { position: 31, byte });
            assert!(error.to_string().contains("byte 31"), "{error}");
        }
    }

    #[test]
    fn a_generated_guid_ends_with_the_time_and_begins_with_chance() {
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
