//! The id of a descriptor that an exchange sends.

use std::fmt;
use std::str::FromStr;

use super::nonce::Nonce;

/// The id of a descriptor. [`Exchange::send`](super::Exchange::send) returns it, and the peer passes it
/// to [`Exchange::receive`](super::Exchange::receive) to get the descriptor.
///
/// It consists of the number of the descriptor, counted from 0 for each direction of a connection, and
/// of a random 64-bit number of that direction. So an id of another connection never refers to a
/// descriptor of this one.
///
/// Once the first descriptor of the peer (the carrier), which contains the random number of the peer, has
/// arrived, an id of another connection is refused with
/// [`ReceiveError::ForeignId`](super::ReceiveError::ForeignId). Before that, it is refused with
/// [`ReceiveError::OutOfRange`](super::ReceiveError::OutOfRange) if its number is too high, and otherwise
/// with [`ReceiveError::NotArrived`](super::ReceiveError::NotArrived) after the timeout.
///
/// The text of an id is its number in decimal, a hyphen, and the random number as 16 lower-case hexadecimal
/// digits: `3-9f8a04c1b2d3e4f5`. The text has at most 37 ASCII characters, none of which has to be
/// escaped in JSON, XML, a URL or an HTTP header. Each id has exactly one text. With the feature
/// `serde`, an id is serialized as this text.
///
/// # Examples
///
/// ```
/// use anchovy::exchange::FdId;
///
/// let id: FdId = "3-9f8a04c1b2d3e4f5".parse()?;
/// assert_eq!(id.to_string(), "3-9f8a04c1b2d3e4f5");
/// assert!("3".parse::<FdId>().is_err());
/// # Ok::<(), anchovy::exchange::ParseFdIdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct FdId {
    pub(super) index: u64,
    pub(super) nonce: Nonce,
}

impl fmt::Display for FdId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.index, self.nonce)
    }
}

impl fmt::Debug for FdId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FdId({self})")
    }
}

impl FromStr for FdId {
    type Err = ParseFdIdError;

    fn from_str(text: &str) -> Result<FdId, ParseFdIdError> {
        parse(text).ok_or_else(|| ParseFdIdError::new(text))
    }
}

fn parse(text: &str) -> Option<FdId> {
    let (index, nonce) = text.split_once('-')?;
    // `u64` would also take a plus sign and leading zeros.
    if !index.starts_with(|digit: char| digit.is_ascii_digit())
        || (index.starts_with('0') && index.len() > 1)
    {
        return None;
    }
    Some(FdId { index: index.parse().ok()?, nonce: Nonce::parse(nonce)? })
}

/// The error of parsing a text that is not an [`FdId`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseFdIdError {
    /// The text, up to [`SHOWN`] characters of it.
    text: String,
}

/// Maximum number of characters of an invalid text in the error: more than an id has, and bounded because
/// the peer sent the text.
const SHOWN: usize = 40;

impl ParseFdIdError {
    fn new(text: &str) -> ParseFdIdError {
        ParseFdIdError { text: text.chars().take(SHOWN).collect() }
    }
}

impl fmt::Display for ParseFdIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no descriptor id, expected a decimal number, a hyphen and 16 lower-case \
             hexadecimal digits",
            self.text
        )
    }
}

impl std::error::Error for ParseFdIdError {}

impl From<ParseFdIdError> for std::io::Error {
    fn from(error: ParseFdIdError) -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::InvalidInput, error)
    }
}

#[cfg(feature = "serde")]
mod serialized {
    //! An id as the text that it is displayed as.

    use std::fmt;

    use serde::de::{Deserialize, Deserializer, Error, Visitor};
    use serde::ser::{Serialize, Serializer};

    use super::FdId;

    impl Serialize for FdId {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }

    impl<'de> Deserialize<'de> for FdId {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FdId, D::Error> {
            deserializer.deserialize_str(TextVisitor)
        }
    }

    struct TextVisitor;

    impl Visitor<'_> for TextVisitor {
        type Value = FdId;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a descriptor id, such as \"3-9f8a04c1b2d3e4f5\"")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<FdId, E> {
            text.parse().map_err(E::custom)
        }
    }
}
