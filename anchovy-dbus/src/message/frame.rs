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
