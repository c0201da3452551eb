//! Where a message ends. The first sixteen bytes say it, so they are all that a reader needs before
//! it decides to wait for the rest, and each is judged as soon as it is there: a peer that is no
//! D-Bus peer is told at its first byte, and one that announces too much before it is believed.

use std::num::NonZeroU32;

use super::error::MessageError;
use super::kinds::ByteOrder;
use crate::limits::{Limits, MAX_ARRAY_BYTES, MAX_MESSAGE_BYTES};

/// The bytes before the header fields: four of one byte, three numbers (D-Bus Specification,
/// "Message Format": the signature of a header is `yyyyuua(yv)`).
pub(super) const FIXED_BYTES: usize = 16;

/// The major version of the protocol ("Message Format").
pub(super) const VERSION: u8 = 1;

/// How long the two parts of a message are, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The header, with what pads it to a multiple of 8.
    pub(crate) head_length: usize,
    /// The body.
    pub(crate) body_length: usize,
}

/// The lengths of the message that begins here, once its first 16 bytes are there.
///
/// # Errors
///
/// What can be told from those bytes, each as soon as it can.
pub(crate) fn frame(bytes: &[u8], limits: &Limits) -> Result<Option<Frame>, MessageError> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let order = ByteOrder::from_byte(first).ok_or(MessageError::ByteOrder(first))?;
    if bytes.get(1) == Some(&0) {
        return Err(MessageError::NoType);
    }
    match bytes.get(3) {
        Some(&version) if version != VERSION => return Err(MessageError::Version(version)),
        _ => {}
    }
    let Some(body_length) = number(bytes, 4, order) else { return Ok(None) };
    let Some(serial) = number(bytes, 8, order) else { return Ok(None) };
    if NonZeroU32::new(serial).is_none() {
        return Err(MessageError::NoSerial);
    }
    let Some(fields_length) = number(bytes, 12, order) else { return Ok(None) };
    Frame::new(fields_length.into(), body_length.into(), limits).map(Some)
}

impl Frame {
    /// For so many bytes of fields and of body.
    pub(super) fn new(fields: u64, body: u64, limits: &Limits) -> Result<Frame, MessageError> {
        let limit = limits.max_fields_bytes.min(MAX_ARRAY_BYTES);
        if fields > limit as u64 {
            return Err(MessageError::FieldsTooLong { length: fields, limit });
        }
        let head = FIXED_BYTES as u64 + fields.next_multiple_of(8);
        let limit = limits.max_message_bytes.min(MAX_MESSAGE_BYTES);
        let length = head.saturating_add(body);
        if length > limit as u64 {
            return Err(MessageError::TooLong { length, limit });
        }
        // Neither is more than 2²⁷.
        Ok(Frame { head_length: head as usize, body_length: body as usize })
    }

    /// Header and body together, in bytes.
    pub(crate) fn length(self) -> usize {
        self.head_length + self.body_length
    }
}

/// The number at this place, if it is there.
pub(super) fn number(bytes: &[u8], at: usize, order: ByteOrder) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(order.read(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTHS: Frame = Frame { head_length: 40, body_length: 5 };

    /// Fields of 17 bytes and a body of 5, in either order.
    fn starts() -> [[u8; 16]; 2] {
        [
            *b"l\x01\0\x01\x05\0\0\0\x07\0\0\0\x11\0\0\0",
            *b"B\x01\0\x01\0\0\0\x05\0\0\0\x07\0\0\0\x11",
        ]
    }

    fn limits() -> Limits {
        Limits::client()
    }

    #[test]
    fn sixteen_bytes_tell_both_lengths() {
        for start in starts() {
            assert_eq!(frame(&start, &limits()), Ok(Some(LENGTHS)));
            assert_eq!(LENGTHS.length(), 45);
        }
    }

    #[test]
    fn what_follows_does_not_matter() {
        for start in starts() {
            let more = [&start[..], b"\xff\xff\xff"].concat();
            assert_eq!(frame(&more, &limits()), Ok(Some(LENGTHS)));
        }
    }

    #[test]
    fn fewer_bytes_tell_nothing() {
        for start in starts() {
            for length in 0..16 {
                assert_eq!(frame(&start[..length], &limits()), Ok(None), "{length}");
            }
        }
    }

    /// The error comes with the byte at this place, and not before.
    #[track_caller]
    fn tells_at(place: usize, error: MessageError, change: impl Fn(&mut [u8; 16])) {
        for mut start in starts() {
            change(&mut start);
            assert_eq!(frame(&start[..place], &limits()), Ok(None));
            for length in place + 1..=16 {
                assert_eq!(frame(&start[..length], &limits()), Err(error), "{length}");
            }
        }
    }

    #[test]
    fn an_error_is_told_as_soon_as_its_byte_is_there() {
        tells_at(0, MessageError::ByteOrder(b'x'), |start| start[0] = b'x');
        tells_at(1, MessageError::NoType, |start| start[1] = 0);
        tells_at(3, MessageError::Version(2), |start| start[3] = 2);
        tells_at(11, MessageError::NoSerial, |start| start[8..12].fill(0));
    }

    #[test]
    fn the_fields_have_their_limit() {
        let with = |max_fields_bytes| Limits { max_fields_bytes, ..limits() };
        for start in starts() {
            assert_eq!(frame(&start, &with(17)), Ok(Some(LENGTHS)));
            let error = MessageError::FieldsTooLong { length: 17, limit: 16 };
            assert_eq!(frame(&start, &with(16)), Err(error));
        }
    }

    #[test]
    fn the_message_has_its_limit_and_the_padding_counts() {
        let with = |max_message_bytes| Limits { max_message_bytes, ..limits() };
        for start in starts() {
            assert_eq!(frame(&start, &with(45)), Ok(Some(LENGTHS)));
            let error = MessageError::TooLong { length: 45, limit: 44 };
            assert_eq!(frame(&start, &with(44)), Err(error));
        }
    }

    #[test]
    fn limits_above_those_of_the_specification_are_those_of_the_specification() {
        let most =
            Limits { max_fields_bytes: usize::MAX, max_message_bytes: usize::MAX, ..limits() };
        let fields = MAX_ARRAY_BYTES as u64;
        assert!(Frame::new(fields, 0, &most).is_ok());
        let error = MessageError::FieldsTooLong { length: fields + 1, limit: MAX_ARRAY_BYTES };
        assert_eq!(Frame::new(fields + 1, 0, &most), Err(error));

        let body = MAX_MESSAGE_BYTES as u64 - 16;
        assert!(Frame::new(0, body, &most).is_ok());
        let length = MAX_MESSAGE_BYTES as u64 + 1;
        let error = MessageError::TooLong { length, limit: MAX_MESSAGE_BYTES };
        assert_eq!(Frame::new(0, body + 1, &most), Err(error));
    }

    #[test]
    fn no_length_overflows() {
        assert!(Frame::new(u64::MAX, u64::MAX, &limits()).is_err());
        assert!(Frame::new(0, u64::MAX, &limits()).is_err());
        assert!(Frame::new(0, 1 << 32, &limits()).is_err());
        assert!(Frame::new(1 << 32, 0, &limits()).is_err());
    }
}
