//! Parsing of the array of header fields (D-Bus Specification, "Header Fields").
//!
//! All fields are checked once. Only the positions of their values are stored, so that access to a field
//! does not parse or allocate.

use super::byte_order::ByteOrder;
use super::error::MessageError;
use super::field::{HeaderField, STARTS, code};
use super::field_error::FieldError;
use super::frame::{FIXED_BYTES, Frame};
use super::message_type::MessageType;
use super::names;
use super::reader::Reader;
use super::refused_value::RefusedValue;
use super::signature;
use super::value;

/// The reserved path and interface, which a message to another process must not have ("Header Fields").
/// dbus-daemon disconnects a peer that sends them.
const LOCAL_PATH: &[u8] = b"/org/freedesktop/DBus/Local";
const LOCAL_INTERFACE: &[u8] = b"org.freedesktop.DBus.Local";

/// The known fields of a valid header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields {
    /// The position in the header of the value of each field, by the code of the field, or 0 for a field
    /// that is not present. The position of a text is that of its first byte, which is after its length.
    ///
    /// A header has at most 2²⁶ + 16 bytes, so 32 bits are enough.
    positions: [u32; STARTS.len()],
}

impl Fields {
    /// Parses the fields of a complete header, whose frame has been parsed. `self` must be the default value.
    #[inline]
    pub(super) fn read(&mut self, frame: &Frame, head: &[u8]) -> Result<(), MessageError> {
        self.parse(frame, head, Fields::read_usual)
    }

    /// Parses the fields with `read_usual`, and those that it does not read with
    /// [`read_one`](Self::read_one).
    #[inline]
    fn parse(
        &mut self,
        frame: &Frame,
        head: &[u8],
        read_usual: impl Fn(&mut Fields, &[u8], usize, usize, ByteOrder) -> Option<usize>,
    ) -> Result<(), MessageError> {
        let end = FIXED_BYTES + frame.fields_length();
        let row = head.get(..end).ok_or(MessageError::FieldsEndEarly)?;
        let mut position = FIXED_BYTES;
        while position < end {
            position = match read_usual(self, head, position, end, frame.byte_order) {
                Some(next) => next,
                None => {
                    let mut reader = Reader::new(row, position, frame.byte_order);
                    self.read_one(&mut reader)?;
                    reader.position()
                }
            };
        }
        // The end of the last field can be after its padding, which was then checked with the field.
        let padding = head.get(position..).unwrap_or_default();
        if padding.iter().any(|byte| *byte != 0) {
            return Err(MessageError::Padding);
        }

        self.check(frame, !self.text(HeaderField::Signature, head).is_empty())
    }

    /// Returns an error if a message with this frame requires another field, or must not have the
    /// signature.
    #[inline]
    pub(super) fn check(&self, frame: &Frame, has_signature: bool) -> Result<(), MessageError> {
        let message_type = frame.message_type;
        let require = |field| match self.has(field) {
            true => Ok(()),
            false => Err(MessageError::FieldMissing { field, message_type }),
        };
        match message_type {
            MessageType::MethodCall => {
                require(HeaderField::Path)?;
                require(HeaderField::Member)?;
            }
            MessageType::MethodReturn => require(HeaderField::ReplySerial)?,
            MessageType::Error => {
                require(HeaderField::ErrorName)?;
                require(HeaderField::ReplySerial)?;
            }
            MessageType::Signal => {
                require(HeaderField::Path)?;
                require(HeaderField::Interface)?;
                require(HeaderField::Member)?;
            }
            MessageType::Unknown(_) => {}
        }
        match (has_signature, frame.body_length() != 0) {
            (false, true) => Err(MessageError::BodyWithoutSignature),
            (true, false) => Err(MessageError::SignatureWithoutBody),
            _ => Ok(()),
        }
    }

    /// Parses a known field that is valid, at a position that is a multiple of 8, and the padding after
    /// it. Returns the position of the next field, or `None` for every other field.
    ///
    /// This is the short way of [`read_one`](Self::read_one), which parses all fields and knows why a
    /// field is refused.
    #[inline]
    fn read_usual(
        &mut self,
        head: &[u8],
        position: usize,
        end: usize,
        order: ByteOrder,
    ) -> Option<usize> {
        let [code, one, type_code, nul, number @ ..]: [u8; 8] =
            *head.get(position..)?.first_chunk()?;
        let slot = self.positions.get_mut(usize::from(code))?;
        let is_usual = [code, one, type_code, nul] == STARTS[usize::from(code)];
        if !is_usual || code == 0 || *slot != 0 || position % 8 != 0 {
            return None;
        }
        let (text, length) = match code {
            code::REPLY_SERIAL | code::UNIX_FDS => {
                let is_missing = number == [0; 4] && code == code::REPLY_SERIAL;
                if is_missing || position + 8 > end {
                    return None;
                }
                *slot = position as u32 + 4;
                return Some(position + 8);
            }
            code::SIGNATURE => (position + 5, usize::from(number[0])),
            _ => (position + 8, order.read(number) as usize),
        };
        let nul = text.checked_add(length)?;
        // The NUL byte and the padding are the rest of a word, because a header has whole words.
        let word = u64::from_le_bytes(*head.get(nul & !7..)?.first_chunk()?);
        let next = (nul & !7) + 8;
        // The array of fields ends without padding.
        let has_end = nul + 1 == end || next < end;
        if !has_end || word >> (nul % 8 * 8) != 0 || !is_valid(code, &head[text..nul]) {
            return None;
        }
        *slot = text as u32;
        Some(next)
    }

    fn read_one(&mut self, reader: &mut Reader<'_>) -> Result<(), MessageError> {
        // The code has not been read yet, so these errors cannot name the field.
        let code = reader.align(8).and_then(|()| reader.byte()).map_err(|error| match error {
            FieldError::Padding => MessageError::Padding,
            _ => MessageError::FieldsEndEarly,
        })?;
        let field = HeaderField::from_code(code).ok_or(MessageError::NoFieldCode)?;
        if self.has(field) {
            return Err(MessageError::FieldTwice(field));
        }
        let value = *reader;
        let length = read_value(field, reader).map_err(|error| {
            let value = refused_value(field, error, value);
            MessageError::Field { field, error, value }
        })?;
        self.insert(field.code(), reader.position() - length);
        Ok(())
    }

    /// Stores the position of the value of a field, if the field is known.
    #[inline]
    pub(super) fn insert(&mut self, code: u8, position: usize) {
        if let Some(slot) = self.positions.get_mut(usize::from(code)) {
            *slot = position as u32;
        }
    }

    /// Returns the position of the value of a field, if the field is present.
    #[inline]
    fn position(&self, field: HeaderField) -> Option<usize> {
        let position = *self.positions.get(usize::from(field.code()))?;
        (position != 0).then_some(position as usize)
    }

    #[inline]
    fn has(&self, field: HeaderField) -> bool {
        self.position(field).is_some()
    }

    /// Returns the text of a field in the header that was read. It is empty if the field is not present.
    ///
    /// Only the signature can be empty too, and a message with an empty signature is the same as one
    /// without.
    #[inline]
    pub(super) fn text<'h>(&self, field: HeaderField, head: &'h [u8]) -> &'h [u8] {
        let Some(start) = self.position(field) else { return &[] };
        let length = match field {
            HeaderField::Signature => head.get(start - 1).copied().map(u32::from),
            _ => number(head, start - 4),
        };
        let length = length.unwrap_or_default() as usize;
        head.get(start..start + length).unwrap_or_default()
    }

    /// Returns the number of a field in the header that was read, or `None` if the field is not present.
    #[inline]
    pub(super) fn number(&self, field: HeaderField, head: &[u8]) -> Option<u32> {
        number(head, self.position(field)?)
    }
}

/// Returns the number at this position of a header.
#[inline]
fn number(head: &[u8], position: usize) -> Option<u32> {
    let order = ByteOrder::from_byte(*head.first()?)?;
    Some(order.read(*head.get(position..)?.first_chunk()?))
}

/// Reads the value of a field. Returns the number of bytes that were read since the position that is
/// stored for the field.
fn read_value(field: HeaderField, reader: &mut Reader<'_>) -> Result<usize, FieldError> {
    let Some(expected) = field.type_code() else {
        value::skip_field(reader)?;
        return Ok(0);
    };
    if reader.signature_codes()? != [expected] {
        return Err(FieldError::Type);
    }
    let text = match field {
        HeaderField::ReplySerial | HeaderField::UnixFds => {
            let number = reader.number()?;
            if number == 0 && field == HeaderField::ReplySerial {
                return Err(FieldError::NoSerial);
            }
            return Ok(4);
        }
        HeaderField::Signature => reader.signature()?,
        HeaderField::Path => reader.object_path()?,
        _ => reader.text()?,
    };
    if is_valid(field.code(), text) {
        return Ok(text.len() + 1);
    }
    let is_reserved = match field {
        HeaderField::Path => text == LOCAL_PATH,
        HeaderField::Interface => text == LOCAL_INTERFACE,
        _ => false,
    };
    Err(if is_reserved { FieldError::Reserved } else { FieldError::Name })
}

/// Returns whether a text is valid in the field with this code, whose values are texts.
#[inline]
pub(super) fn is_valid(code: u8, text: &[u8]) -> bool {
    match code {
        code::PATH => names::is_object_path(text) && text != LOCAL_PATH,
        code::INTERFACE => names::is_interface(text) && text != LOCAL_INTERFACE,
        code::MEMBER => names::is_member(text),
        code::ERROR_NAME => names::is_interface(text),
        code::SIGNATURE => signature::check(text).is_ok(),
        _ => names::is_bus_name(text),
    }
}

/// Returns the refused value at the position of `reader`, if the error concerns its text.
#[cold]
fn refused_value(
    field: HeaderField,
    error: FieldError,
    mut reader: Reader<'_>,
) -> Option<RefusedValue> {
    // The value of an unknown field does not help to understand the error.
    field.type_code()?;
    reader.signature_codes().ok()?;
    match error {
        FieldError::Name | FieldError::ObjectPath => {
            let value = reader.text().ok()?;
            Some(RefusedValue::new(value, Some(names::broken_rule(field, value))))
        }
        FieldError::Reserved => Some(RefusedValue::new(reader.text().ok()?, None)),
        FieldError::Signature(_) => Some(RefusedValue::new(reader.signature_codes().ok()?, None)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::limits::Limits;
    use crate::message::content::Message;

    /// Returns the frame and the header of a message with all known fields.
    fn header(order: ByteOrder) -> (Frame, Vec<u8>) {
        let message = Message::builder(MessageType::Signal)
            .byte_order(order)
            .serial(NonZeroU32::MIN)
            .path("/a/b0")
            .interface("a.b")
            .member("C")
            .error_name("a._")
            .destination(":1.7")
            .sender("a-b.c")
            .reply_serial(NonZeroU32::MIN)
            .fd(std::fs::File::open("/dev/null").expect("a file"))
            .body("a{sv}", vec![0; 8])
            .build();
        let head = message.expect("a message").to_bytes().expect("a serial").to_vec();
        let frame = Frame::read(&head, &Limits::client()).expect("no error").expect("16 bytes");
        (frame, head[..frame.head_length()].to_vec())
    }

    /// Parses the fields of a header.
    fn read(frame: &Frame, head: &[u8]) -> Result<Fields, MessageError> {
        let mut fields = Fields::default();
        fields.read(frame, head).map(|()| fields)
    }

    /// Checks that the short way and the long way have the same result.
    #[track_caller]
    fn check(frame: &Frame, head: &[u8]) -> bool {
        let mut fields = Fields::default();
        let long = fields.parse(frame, head, |_, _, _, _, _| None).map(|()| fields);
        assert_eq!(read(frame, head), long, "{head:?}");
        long.is_ok()
    }

    #[test]
    fn usual_fields_are_read_as_all_others() {
        // miri is slow.
        let step = if cfg!(miri) { 51 } else { 1 };
        for order in [ByteOrder::Little, ByteOrder::Big] {
            let (frame, mut head) = header(order);
            let usual = |fields: &mut Fields, head: &[u8], position, end, order| {
                Some(fields.read_usual(head, position, end, order).expect("a usual field"))
            };
            let mut fields = Fields::default();
            assert_eq!(fields.parse(&frame, &head, usual), Ok(()));
            assert_eq!(Ok(fields), read(&frame, &head));
            let mut valid = 0;
            for position in FIXED_BYTES..head.len() {
                let before = head[position];
                for byte in (0..=u8::MAX).step_by(step) {
                    head[position] = byte;
                    valid += usize::from(check(&frame, &head));
                }
                head[position] = before;
            }
            // Most changes of a letter are valid, and those of other bytes are not.
            assert!(valid * step > 1000, "{valid}");
        }
    }

    #[test]
    fn a_number_at_the_end_of_the_array_is_a_usual_field() {
        let null = std::fs::File::open("/dev/null").expect("a file");
        let call = Message::method_call("/", "M").fd(null).serial(NonZeroU32::MIN);
        let head = call.build().expect("a message").to_bytes().expect("a serial");
        let frame = Frame::read(&head, &Limits::client()).expect("no error").expect("16 bytes");
        let end = FIXED_BYTES + frame.fields_length();
        let next = Fields::default().read_usual(&head, end - 8, end, frame.byte_order);
        assert_eq!(next, Some(end));
    }

    #[test]
    fn usual_fields_begin_at_multiples_of_eight() {
        let (frame, mut head) = header(ByteOrder::Little);
        head.truncate(FIXED_BYTES);
        head.extend_from_slice(b"\x0a\x01y\0\x07\x08\x01g\0\x01u\0\0\0\0\0");
        let frame = Frame { message_type: MessageType::Unknown(9), fields_length: 12, ..frame };
        assert_eq!(read(&frame, &head), Err(MessageError::Padding));
    }

    #[test]
    fn usual_fields_end_with_their_array() {
        let (frame, head) = header(ByteOrder::Little);
        let all = frame.fields_length();
        for fields_length in 0..all as u32 {
            let frame = Frame { fields_length, ..frame };
            check(&frame, &head[..frame.head_length()]);
        }
        // With padding after the last field, inside and outside of the array.
        let mut padded = head.clone();
        padded.resize(head.len() + 8, 0);
        for fields_length in all as u32..=all as u32 + 8 {
            let frame = Frame { fields_length, ..frame };
            check(&frame, &padded[..frame.head_length()]);
        }
    }
}
