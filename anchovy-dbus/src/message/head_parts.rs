//! Writing a header.
//!
//! The header is written once, and then parsed by the parser of received headers, so that a message that
//! a peer would refuse is not sent.

use std::num::NonZeroU32;

use bytes::Bytes;

use super::byte_order::ByteOrder;
use super::error::MessageError;
use super::field::HeaderField;
use super::field_error::FieldError;
use super::fields::Fields;
use super::flags::Flags;
use super::frame::{Frame, Lengths, VERSION, message_type};
use super::header::Header;
use super::message_type::MessageType;
use super::refused_value::RefusedValue;
use super::signature::SignatureError;
use crate::limits::Limits;

/// The parts of a header that do not depend on the body, the descriptors or the serial.
#[derive(Debug)]
pub(super) struct HeadParts<'a> {
    pub(super) byte_order: ByteOrder,
    pub(super) message_type: MessageType,
    pub(super) flags: Flags,
    pub(super) path: Option<&'a str>,
    pub(super) interface: Option<&'a str>,
    pub(super) member: Option<&'a str>,
    pub(super) error_name: Option<&'a str>,
    pub(super) destination: Option<&'a str>,
    pub(super) sender: Option<&'a str>,
    pub(super) reply_serial: Option<NonZeroU32>,
}

impl<'a> HeadParts<'a> {
    pub(super) fn new(message_type: MessageType) -> HeadParts<'a> {
        HeadParts {
            byte_order: ByteOrder::NATIVE,
            message_type,
            flags: Flags::NONE,
            path: None,
            interface: None,
            member: None,
            error_name: None,
            destination: None,
            sender: None,
            reply_serial: None,
        }
    }

    /// Returns the parts of the header of a message.
    pub(super) fn from_header(header: Header<'a>) -> HeadParts<'a> {
        HeadParts {
            byte_order: header.byte_order(),
            message_type: header.message_type(),
            flags: header.flags(),
            path: header.path(),
            interface: header.interface(),
            member: header.member(),
            error_name: header.error_name(),
            destination: header.destination(),
            sender: header.sender(),
            reply_serial: header.reply_serial(),
        }
    }

    /// Writes the header without a serial, and reads its fields as those of a received message.
    pub(super) fn write(
        &self,
        signature: &str,
        body_len: usize,
        fds: usize,
    ) -> Result<(Bytes, Fields), MessageError> {
        let fields = self.fields_length(signature, fds);
        let lengths = Lengths { fields, body: body_len as u64 };
        // Before the header is written, so that no memory is used for a message that is too long.
        let limits = Limits::specification();
        let frame = Frame::new(self.byte_order, self.message_type, lengths, &limits)?;
        let mut head = Vec::with_capacity(frame.head_length());
        head.extend([self.byte_order.byte(), self.message_type.code(), self.flags.bits(), VERSION]);
        for number in [frame.body_length() as u32, 0, frame.fields_length() as u32] {
            head.extend(self.byte_order.write(number));
        }
        for (field, text) in self.texts() {
            self.put_start(&mut head, field, text.len() as u32);
            head.extend_from_slice(text.as_bytes());
            head.push(0);
        }
        for (field, number) in self.numbers(fds) {
            self.put_start(&mut head, field, number);
        }
        if !signature.is_empty() {
            let length = u8::try_from(signature.len()).map_err(|_| MessageError::Field {
                field: HeaderField::Signature,
                error: FieldError::Signature(SignatureError::TooLong),
                value: Some(RefusedValue::new(signature.as_bytes(), None)),
            })?;
            pad(&mut head);
            head.extend(start(HeaderField::Signature));
            head.push(length);
            head.extend_from_slice(signature.as_bytes());
            head.push(0);
        }
        pad(&mut head);
        // `Unknown` with the code of a known type becomes the known type.
        let message_type = message_type(self.message_type.code())?;
        let fields = Fields::read(&Frame { message_type, ..frame }, &head)?;
        Ok((head.into(), fields))
    }

    /// Returns the fields that are texts, in the order in which they are written.
    fn texts(&self) -> impl Iterator<Item = (HeaderField, &'a str)> + use<'a> {
        let texts = [
            (HeaderField::Path, self.path),
            (HeaderField::Interface, self.interface),
            (HeaderField::Member, self.member),
            (HeaderField::ErrorName, self.error_name),
            (HeaderField::Destination, self.destination),
            (HeaderField::Sender, self.sender),
        ];
        texts.into_iter().filter_map(|(field, text)| Some((field, text?)))
    }

    /// Returns the fields that are numbers, which are written after the texts.
    fn numbers(&self, fds: usize) -> impl Iterator<Item = (HeaderField, u32)> + use<'a> {
        let fds = Some(fds as u32).filter(|count| *count > 0);
        let reply_serial = self.reply_serial.map(NonZeroU32::get);
        let numbers = [(HeaderField::ReplySerial, reply_serial), (HeaderField::UnixFds, fds)];
        numbers.into_iter().filter_map(|(field, number)| Some((field, number?)))
    }

    /// Returns the length of all fields, in bytes. There is padding between fields, but not after the last.
    fn fields_length(&self, signature: &str, fds: usize) -> u64 {
        let mut length = 0_u64;
        let mut add = |bytes: u64| length = length.next_multiple_of(8) + bytes;
        self.texts().for_each(|(_, text)| add(TEXT_BYTES + text.len() as u64));
        self.numbers(fds).for_each(|_| add(NUMBER_BYTES));
        if !signature.is_empty() {
            add(SIGNATURE_BYTES + signature.len() as u64);
        }
        length
    }

    /// Writes the start of a field and a number: the value of the field, or the length of its text. The
    /// length of a signature is a single byte, so a signature is written without this method.
    fn put_start(&self, head: &mut Vec<u8>, field: HeaderField, number: u32) {
        pad(head);
        let ([code, one, type_code, end], number) = (start(field), self.byte_order.write(number));
        let [a, b, c, d] = number;
        head.extend_from_slice(&[code, one, type_code, end, a, b, c, d]);
    }
}

/// Number of bytes at the start of a field: its code, and the signature of its type, which is a length,
/// one code and a NUL byte. They are four, so a number after them needs no padding.
const START_BYTES: u64 = 4;

/// Number of bytes of a field besides its text, including the length of the text and a NUL byte.
const TEXT_BYTES: u64 = START_BYTES + 4 + 1;
const NUMBER_BYTES: u64 = START_BYTES + 4;
/// Number of bytes of a field besides its signature, including the length and a NUL byte.
const SIGNATURE_BYTES: u64 = START_BYTES + 1 + 1;

fn start(field: HeaderField) -> [u8; START_BYTES as usize] {
    [field.code(), 1, field.type_code().unwrap_or_default(), 0]
}

fn pad(head: &mut Vec<u8>) {
    const ZEROS: [u8; 8] = [0; 8];
    head.extend_from_slice(&ZEROS[..head.len().next_multiple_of(8) - head.len()]);
}
