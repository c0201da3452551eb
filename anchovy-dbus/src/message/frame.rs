//! The frame of a message: the first 16 bytes of its header, which contain its length.
//!
//! Each byte is checked as soon as it arrives. So a peer that does not use D-Bus is detected at its
//! first byte, and a declared length that exceeds a limit before memory is reserved.

use std::num::NonZeroU32;

use super::byte_order::ByteOrder;
use super::error::MessageError;
use super::message_type::MessageType;
use crate::limits::{Limits, MAX_ARRAY_BYTES, MAX_MESSAGE_BYTES};

/// Number of bytes before the header fields: four bytes and three numbers (D-Bus Specification,
/// "Message Format": the signature of a header is `yyyyuua(yv)`).
pub(super) const FIXED_BYTES: usize = 16;

/// The major version of the protocol ("Message Format").
pub(super) const VERSION: u8 = 1;

/// The contents of the first 16 bytes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(super) byte_order: ByteOrder,
    pub(super) message_type: MessageType,
    /// The serial. A message that is being built has none.
    pub(super) serial: Option<NonZeroU32>,
    // 32 bits, because no length is above 2²⁷ and each connection stores a frame.
    pub(super) fields_length: u32,
    pub(super) body_length: u32,
}

impl Frame {
    /// Parses the frame of the message at the start of `bytes`. Returns `None` for fewer than 16 bytes.
    ///
    /// # Errors
    ///
    /// Returns the error of an invalid byte or number as soon as `bytes` contain it.
    #[inline]
    pub(crate) fn read(bytes: &[u8], limits: &Limits) -> Result<Option<Frame>, MessageError> {
        match bytes.first_chunk() {
            Some(start) => Frame::parse(start, limits).map(Some),
            None if bytes.is_empty() => Ok(None),
            None => Frame::check_begun(bytes).map(|()| None),
        }
    }

    #[inline]
    fn parse(start: &[u8; FIXED_BYTES], limits: &Limits) -> Result<Frame, MessageError> {
        let [order, code, _, version, numbers @ ..] = *start;
        let order = ByteOrder::from_byte(order).ok_or(MessageError::ByteOrder(order))?;
        let message_type = message_type(code)?;
        if version != VERSION {
            return Err(MessageError::Version(version));
        }
        let [b0, b1, b2, b3, s0, s1, s2, s3, fields @ ..] = numbers;
        let body = order.read([b0, b1, b2, b3]).into();
        let serial = order.read([s0, s1, s2, s3]);
        let serial = NonZeroU32::new(serial).ok_or(MessageError::NoSerial)?;
        let lengths = Lengths { fields: order.read(fields).into(), body };
        let frame = Frame::new(order, message_type, lengths, limits)?;
        Ok(Frame { serial: Some(serial), ..frame })
    }

    /// Returns an error if fewer than 16 bytes contain an invalid byte or number.
    #[cold]
    fn check_begun(bytes: &[u8]) -> Result<(), MessageError> {
        // Bytes of a valid frame stand for those that have not arrived. The lengths are checked when both
        // have arrived.
        let mut start = *b"l\x01\0\x01\0\0\0\0\xff\xff\xff\xff\0\0\0\0";
        for position in [0, 1, 3, 8, 9, 10, 11] {
            if let Some(byte) = bytes.get(position) {
                start[position] = *byte;
            }
        }
        Frame::parse(&start, &Limits::SPECIFICATION).map(|_| ())
    }

    /// Creates the frame of a message that has no serial yet.
    ///
    /// # Errors
    ///
    /// Returns [`MessageError::FieldsTooLong`] or [`MessageError::TooLong`].
    #[inline]
    pub(super) fn new(
        byte_order: ByteOrder,
        message_type: MessageType,
        lengths: Lengths,
        limits: &Limits,
    ) -> Result<Frame, MessageError> {
        let Lengths { fields, body } = lengths;
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
        Ok(Frame {
            byte_order,
            message_type,
            serial: None,
            fields_length: fields as u32,
            body_length: body as u32,
        })
    }

    /// Returns the length of the header fields, in bytes.
    #[inline]
    pub(super) fn fields_length(self) -> usize {
        self.fields_length as usize
    }

    /// Returns the length of the header, in bytes, with its padding to a multiple of 8.
    #[inline]
    pub(crate) fn head_length(self) -> usize {
        FIXED_BYTES + self.fields_length().next_multiple_of(8)
    }

    /// Returns the length of the body, in bytes.
    #[inline]
    pub(crate) fn body_length(self) -> usize {
        self.body_length as usize
    }

    /// Returns the length of header and body together, in bytes.
    #[inline]
    pub(crate) fn len(self) -> usize {
        self.head_length() + self.body_length()
    }
}

/// Lengths of the header fields and of the body, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lengths {
    pub(super) fields: u64,
    pub(super) body: u64,
}

/// Returns the message type with this code.
#[inline]
pub(super) fn message_type(code: u8) -> Result<MessageType, MessageError> {
    if code == 0 { Err(MessageError::NoType) } else { Ok(MessageType::from_code(code)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths of the header and of the body.
    const LENGTHS: (usize, usize) = (40, 5);

    /// Returns the lengths in the frame of a message.
    fn lengths(bytes: &[u8], limits: &Limits) -> Result<Option<(usize, usize)>, MessageError> {
        let frame = Frame::read(bytes, limits)?;
        Ok(frame.map(|frame| (frame.head_length(), frame.body_length())))
    }

    /// Checks the lengths of the header fields and of the body.
    fn check(fields: u64, body: u64, limits: &Limits) -> Result<(), MessageError> {
        let lengths = Lengths { fields, body };
        Frame::new(ByteOrder::Little, MessageType::Signal, lengths, limits).map(|_| ())
    }

    /// Frames with fields of 17 bytes and a body of 5, in both byte orders.
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
            assert_eq!(lengths(&start, &limits()), Ok(Some(LENGTHS)));
            let frame = Frame::read(&start, &limits()).unwrap().unwrap();
            assert_eq!(frame.len(), 45);
        }
    }

    #[test]
    fn what_follows_does_not_matter() {
        for start in starts() {
            let more = [&start[..], b"\xff\xff\xff"].concat();
            assert_eq!(lengths(&more, &limits()), Ok(Some(LENGTHS)));
        }
    }

    #[test]
    fn fewer_bytes_tell_nothing() {
        for start in starts() {
            for length in 0..16 {
                assert_eq!(lengths(&start[..length], &limits()), Ok(None), "{length}");
            }
        }
    }

    /// Asserts that the error is returned with the byte at this position, and not before.
    #[track_caller]
    fn tells_at(place: usize, error: MessageError, change: impl Fn(&mut [u8; 16])) {
        for mut start in starts() {
            change(&mut start);
            assert_eq!(lengths(&start[..place], &limits()), Ok(None));
            for length in place + 1..=16 {
                assert_eq!(lengths(&start[..length], &limits()), Err(error.clone()), "{length}");
            }
        }
    }

    #[test]
    fn an_error_is_returned_as_soon_as_its_byte_arrives() {
        tells_at(0, MessageError::ByteOrder(b'x'), |start| start[0] = b'x');
        tells_at(1, MessageError::NoType, |start| start[1] = 0);
        tells_at(3, MessageError::Version(2), |start| start[3] = 2);
        tells_at(11, MessageError::NoSerial, |start| start[8..12].fill(0));
    }

    #[test]
    fn the_fields_have_their_limit() {
        let with = |max_fields_bytes| Limits { max_fields_bytes, ..limits() };
        for start in starts() {
            assert_eq!(lengths(&start, &with(17)), Ok(Some(LENGTHS)));
            let error = MessageError::FieldsTooLong { length: 17, limit: 16 };
            assert_eq!(lengths(&start, &with(16)), Err(error));
        }
    }

    #[test]
    fn the_message_has_its_limit_and_the_padding_counts() {
        let with = |max_message_bytes| Limits { max_message_bytes, ..limits() };
        for start in starts() {
            assert_eq!(lengths(&start, &with(45)), Ok(Some(LENGTHS)));
            let error = MessageError::TooLong { length: 45, limit: 44 };
            assert_eq!(lengths(&start, &with(44)), Err(error));
        }
    }

    #[test]
    fn limits_above_those_of_the_specification_are_those_of_the_specification() {
        let most =
            Limits { max_fields_bytes: usize::MAX, max_message_bytes: usize::MAX, ..limits() };
        let fields = MAX_ARRAY_BYTES as u64;
        assert!(check(fields, 0, &most).is_ok());
        let error = MessageError::FieldsTooLong { length: fields + 1, limit: MAX_ARRAY_BYTES };
        assert_eq!(check(fields + 1, 0, &most), Err(error));

        let body = MAX_MESSAGE_BYTES as u64 - 16;
        assert!(check(0, body, &most).is_ok());
        let length = MAX_MESSAGE_BYTES as u64 + 1;
        let error = MessageError::TooLong { length, limit: MAX_MESSAGE_BYTES };
        assert_eq!(check(0, body + 1, &most), Err(error));
    }

    #[test]
    fn no_length_overflows() {
        assert!(check(u64::MAX, u64::MAX, &limits()).is_err());
        assert!(check(0, u64::MAX, &limits()).is_err());
        assert!(check(0, 1 << 32, &limits()).is_err());
        assert!(check(1 << 32, 0, &limits()).is_err());
    }
}
