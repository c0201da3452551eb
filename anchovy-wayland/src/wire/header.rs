//! The header of a message: its object, its opcode and its length.

use super::object_id::ObjectId;
use super::wire_error::{WireError, WireErrorKind};

/// Length of a header, in bytes.
pub(crate) const HEADER_BYTES: usize = 8;

/// Highest length that a header can specify, in bytes. It is a multiple of 4.
pub(crate) const LONGEST_MESSAGE: usize = 0xfffc;

/// The header of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) object: ObjectId,
    pub(crate) opcode: u16,
    pub(crate) length: usize,
}

impl Header {
    /// Parses the header at the start of the bytes. Returns `None` if it is incomplete.
    #[inline]
    pub(crate) fn parse(bytes: &[u8], limit: usize) -> Result<Option<Header>, WireError> {
        let (Some(object), Some(second)) = (word(bytes, 0), word(bytes, 4)) else {
            return Ok(None);
        };
        let (opcode, length) = ((second & 0xffff) as u16, (second >> 16) as usize);
        let error = |kind| WireError { object, opcode, kind };
        let limit = limit.min(LONGEST_MESSAGE);
        match ObjectId::new(object) {
            None => Err(error(WireErrorKind::NullObject)),
            _ if length < HEADER_BYTES => Err(error(WireErrorKind::TooShort { length })),
            _ if length % 4 != 0 => Err(error(WireErrorKind::Unaligned { length })),
            _ if length > limit => Err(error(WireErrorKind::TooLong { length, limit })),
            Some(object) => Ok(Some(Header { object, opcode, length })),
        }
    }
}

#[inline]
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::super::testing::words;
    use super::*;

    #[test]
    fn an_incomplete_header_is_not_parsed() {
        let bytes = words(&[7, 12 << 16 | 3]);
        for end in 0..8 {
            assert_eq!(Header::parse(&bytes[..end], 4096), Ok(None));
        }
        assert!(Header::parse(&bytes, 4096).expect("good").is_some());
    }

    #[test]
    fn a_header_without_a_valid_length_is_an_error() {
        let kind_of = |length: u32, limit| {
            let error = Header::parse(&words(&[7, length << 16 | 3]), limit).expect_err("a fault");
            assert_eq!((error.object, error.opcode), (7, 3));
            error.kind
        };
        for length in [0, 4, 7] {
            let kind = WireErrorKind::TooShort { length: length as usize };
            assert_eq!(kind_of(length, 4096), kind);
        }
        for length in [9, 10, 11, 13, 65535] {
            let kind = WireErrorKind::Unaligned { length: length as usize };
            assert_eq!(kind_of(length, 4096), kind);
        }
        assert_eq!(kind_of(4100, 4096), WireErrorKind::TooLong { length: 4100, limit: 4096 });
        assert!(Header::parse(&words(&[7, 4096 << 16]), 4096).is_ok());
        assert!(Header::parse(&words(&[7, 8 << 16]), 4096).is_ok());
        assert!(Header::parse(&words(&[7, 65532 << 16]), usize::MAX).is_ok());
        let error = Header::parse(&words(&[0, 12 << 16 | 3]), 4096).expect_err("no object");
        assert_eq!(error, WireError { object: 0, opcode: 3, kind: WireErrorKind::NullObject });
    }
}
