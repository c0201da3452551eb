//! Parsing of the array of header fields (D-Bus Specification, "Header Fields").
//!
//! All fields are checked once. Only the ranges of their texts are stored, so that access to a field
//! does not parse or allocate.

use std::num::NonZeroU32;

use super::error::MessageError;
use super::field::HeaderField;
use super::field_error::FieldError;
use super::frame::{FIXED_BYTES, Frame};
use super::names;
use super::reader::{Reader, Span};
use super::refused_value::RefusedValue;
use super::value;

/// The reserved path and interface, which a message to another process must not have ("Header Fields").
/// dbus-daemon disconnects a peer that sends them.
const LOCAL_PATH: &[u8] = b"/org/freedesktop/DBus/Local";
const LOCAL_INTERFACE: &[u8] = b"org.freedesktop.DBus.Local";

/// The fields of a header. Texts are ranges of the header.
///
/// Only the signature can be an empty text, and a message with an empty signature is the same as one
/// without. So an empty range is a field that is not present.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fields {
    pub(super) path: Span,
    pub(super) interface: Span,
    pub(super) member: Span,
    pub(super) error_name: Span,
    pub(super) destination: Span,
    pub(super) sender: Span,
    pub(super) signature: Span,
    pub(super) reply_serial: Option<NonZeroU32>,
    pub(super) unix_fds: u32,
    /// The bits of the known fields that are present.
    present: u16,
}

impl Fields {
    /// Parses the fields of a complete header, whose frame has been parsed.
    pub(super) fn read(frame: &Frame, head: &[u8]) -> Result<Fields, MessageError> {
        let end = FIXED_BYTES + frame.fields_length();
        let (row, padding) = head.split_at_checked(end).ok_or(MessageError::FieldsEndEarly)?;
        let mut fields = Fields::default();
        let mut reader = Reader::new(row, FIXED_BYTES, frame.byte_order);
        while !reader.is_at_end() {
            fields.read_one(&mut reader)?;
        }
        if padding.iter().any(|byte| *byte != 0) {
            return Err(MessageError::Padding);
        }

        let message_type = frame.message_type;
        let required = HeaderField::required(message_type);
        if let Some(&field) = required.iter().find(|field| !fields.has(**field)) {
            return Err(MessageError::FieldMissing { field, message_type });
        }
        match (fields.signature.slice(head).is_empty(), frame.body_length() == 0) {
            (true, false) => Err(MessageError::BodyWithoutSignature),
            (false, true) => Err(MessageError::SignatureWithoutBody),
            _ => Ok(fields),
        }
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
        self.read_value(field, reader).map_err(|error| {
            let value = refused_value(field, error, value);
            MessageError::Field { field, error, value }
        })?;
        self.present |= bit(field);
        Ok(())
    }

    fn read_value(
        &mut self,
        field: HeaderField,
        reader: &mut Reader<'_>,
    ) -> Result<(), FieldError> {
        let Some(expected) = field.type_code() else { return value::skip_field(reader) };
        if reader.signature_codes()?.0 != [expected] {
            return Err(FieldError::Type);
        }
        match field {
            HeaderField::Path => {
                let (path, span) = reader.object_path()?;
                if path == LOCAL_PATH {
                    return Err(FieldError::Reserved);
                }
                self.path = span;
            }
            HeaderField::Interface => {
                let (interface, span) = name(reader, names::is_interface)?;
                if interface == LOCAL_INTERFACE {
                    return Err(FieldError::Reserved);
                }
                self.interface = span;
            }
            HeaderField::Member => self.member = name(reader, names::is_member)?.1,
            HeaderField::ErrorName => self.error_name = name(reader, names::is_interface)?.1,
            HeaderField::Destination => self.destination = name(reader, names::is_bus_name)?.1,
            HeaderField::Sender => self.sender = name(reader, names::is_bus_name)?.1,
            HeaderField::Signature => self.signature = reader.signature()?,
            HeaderField::ReplySerial => {
                let serial = NonZeroU32::new(reader.number()?);
                self.reply_serial = Some(serial.ok_or(FieldError::NoSerial)?);
            }
            HeaderField::UnixFds => self.unix_fds = reader.number()?,
            HeaderField::Unknown(_) => {}
        }
        Ok(())
    }

    fn has(&self, field: HeaderField) -> bool {
        self.present & bit(field) != 0
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
            let (value, _) = reader.text().ok()?;
            Some(RefusedValue::new(value, Some(names::broken_rule(field, value))))
        }
        FieldError::Reserved => Some(RefusedValue::new(reader.text().ok()?.0, None)),
        FieldError::Signature(_) => Some(RefusedValue::new(reader.signature_codes().ok()?.0, None)),
        _ => None,
    }
}

/// Returns the bit of a known field, or 0 for an unknown one, which may occur twice.
fn bit(field: HeaderField) -> u16 {
    match field {
        HeaderField::Unknown(_) => 0,
        known => 1 << known.code(),
    }
}

/// Reads a name, and checks that it is valid, and therefore ASCII.
fn name<'a>(
    reader: &mut Reader<'a>,
    is_valid: fn(&[u8]) -> bool,
) -> Result<(&'a [u8], Span), FieldError> {
    let (name, span) = reader.text()?;
    if is_valid(name) { Ok((name, span)) } else { Err(FieldError::Name) }
}
