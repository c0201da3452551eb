//! Writing a header.
//!
//! The fields are checked while they are written, with the functions that check received ones, so that
//! a message that a peer would refuse is not sent.

use std::num::NonZeroU32;
use std::sync::OnceLock;

use bytes::Bytes;

use super::byte_order::ByteOrder;
use super::content::Content;
use super::error::MessageError;
use super::field::{HeaderField, STARTS, code};
use super::field_error::FieldError;
use super::fields::{Fields, is_valid};
use super::flags::Flags;
use super::frame::{FIXED_BYTES, Frame, Lengths, VERSION, message_type};
use super::header::Header;
use super::message_type::MessageType;
use super::names::short_word;
use super::refused_value::RefusedValue;
use super::signature::SignatureError;
use crate::limits::Limits;

/// The longest body in bytes that is written after its header. Longer bodies are not copied.
const COPIED_BODY: usize = 512;

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
    #[inline]
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

    /// Writes the header, and a short body after it. Checks the header fields as those of a received message.
    ///
    /// The serial is not written.
    pub(super) fn write(
        &self,
        signature: &str,
        body: Bytes,
        fds: usize,
        serial: Option<NonZeroU32>,
    ) -> Result<Content, MessageError> {
        let fields_length = self.fields_length(signature, fds);
        let lengths = Lengths { fields: fields_length, body: body.len() as u64 };
        // Before the header is written, so that no memory is used for a message that is too long.
        let limits = &Limits::SPECIFICATION;
        let frame = Frame::new(self.byte_order, self.message_type, lengths, limits)?;
        let Ok(signature_len) = u8::try_from(signature.len()) else {
            return Err(MessageError::Field {
                field: HeaderField::Signature,
                error: FieldError::Signature(SignatureError::TooLong),
                value: Some(RefusedValue::new(signature.as_bytes(), None)),
            });
        };
        // `Unknown` with the code of a known type becomes the known type.
        let message_type = message_type(self.message_type.code())?;
        let frame = Frame { message_type, ..frame };

        let is_copied = body.len() <= COPIED_BODY;
        let copied = if is_copied { &body[..] } else { &[] };
        let mut output = HeadWriter::new(&frame, self.flags, copied.len());
        output.text(code::PATH, self.path);
        output.text(code::INTERFACE, self.interface);
        output.text(code::MEMBER, self.member);
        output.text(code::ERROR_NAME, self.error_name);
        output.text(code::DESTINATION, self.destination);
        output.text(code::SENDER, self.sender);
        output.number(code::REPLY_SERIAL, self.reply_serial.map_or(0, NonZeroU32::get));
        output.number(code::UNIX_FDS, fds as u32);
        output.signature(signature_len, signature);
        let HeadWriter { head: mut bytes, mut fields, is_valid, .. } = output;
        if is_valid {
            fields.check(&frame, !signature.is_empty())?;
            #[cfg(debug_assertions)]
            {
                let mut read = Fields::default();
                assert_eq!(read.read(&frame, &bytes), Ok(()), "a receiver accepts it");
                assert_eq!(read, fields, "it is read as written");
            }
        } else {
            // A receiver would refuse the header. Its parser knows why.
            fields = Fields::default();
            fields.read(&frame, &bytes)?;
        }
        bytes.extend_from_slice(copied);
        let (bytes, head_length) = (bytes.into(), frame.head_length() as u32);
        let body = if is_copied { OnceLock::new() } else { body.into() };
        Ok(Content { bytes, body, fields, head_length, serial })
    }

    /// Returns the length of all fields, in bytes. There is padding between fields, but not after the last.
    #[inline]
    fn fields_length(&self, signature: &str, fds: usize) -> u64 {
        let mut length = 0_u64;
        let mut add = |bytes: u64| length = length.next_multiple_of(8) + bytes;
        let mut add_text = |text: Option<&str>| {
            if let Some(text) = text {
                add(TEXT_BYTES + text.len() as u64);
            }
        };
        add_text(self.path);
        add_text(self.interface);
        add_text(self.member);
        add_text(self.error_name);
        add_text(self.destination);
        add_text(self.sender);
        if self.reply_serial.is_some() {
            add(NUMBER_BYTES);
        }
        if fds > 0 {
            add(NUMBER_BYTES);
        }
        if !signature.is_empty() {
            add(SIGNATURE_BYTES + signature.len() as u64);
        }
        length
    }
}

/// A header that is being written, and whether what was written is valid.
struct HeadWriter {
    /// All bytes of the header. Those that have not been written are 0, as are NUL bytes and padding.
    head: Vec<u8>,
    /// The end of the fields that have been written, with padding.
    end: usize,
    order: ByteOrder,
    fields: Fields,
    is_valid: bool,
}

impl HeadWriter {
    /// Creates a writer with memory for the header and `after` bytes after it.
    #[inline]
    fn new(frame: &Frame, flags: Flags, after: usize) -> HeadWriter {
        let (order, code) = (frame.byte_order, frame.message_type.code());
        let mut fixed = [0; FIXED_BYTES];
        fixed[..4].copy_from_slice(&[order.byte(), code, flags.bits(), VERSION]);
        fixed[4..8].copy_from_slice(&order.write(frame.body_length() as u32));
        fixed[12..].copy_from_slice(&order.write(frame.fields_length() as u32));
        let mut head = Vec::with_capacity(frame.head_length() + after);
        head.extend_from_slice(&fixed);
        head.resize(frame.head_length(), 0);
        HeadWriter { head, end: FIXED_BYTES, order, fields: Fields::default(), is_valid: true }
    }

    // In a call with a constant code, the compiler knows the start and the rules of the field.
    #[inline(always)]
    fn text(&mut self, code: u8, text: Option<&str>) {
        let Some(text) = text else { return };
        let length = self.order.write(text.len() as u32);
        self.put_text(code, length, 8, text);
    }

    /// Writes a number, unless it is 0.
    #[inline]
    fn number(&mut self, code: u8, number: u32) {
        if number != 0 {
            let number = self.order.write(number);
            self.put(code, number);
            self.fields.insert(code, self.end + 4);
            self.end += 8;
        }
    }

    /// Writes the signature, unless it is empty.
    #[inline]
    fn signature(&mut self, length: u8, signature: &str) {
        if length != 0 {
            self.put_text(code::SIGNATURE, [length, 0, 0, 0], 5, signature);
        }
    }

    /// Writes the start of a field and four bytes: its number, or the length of its text. Returns the
    /// bytes from the start of the field.
    #[inline(always)]
    fn put(&mut self, code: u8, [a, b, c, d]: [u8; 4]) -> &mut [u8] {
        let [code, one, type_code, nul] = STARTS[usize::from(code)];
        let start = [code, one, type_code, nul, a, b, c, d];
        let field = &mut self.head[self.end..];
        field[..start.len()].copy_from_slice(&start);
        field
    }

    /// Writes a field whose text begins `start` bytes after the field.
    #[inline(always)]
    fn put_text(&mut self, code: u8, length: [u8; 4], start: usize, text: &str) {
        let text = text.as_bytes();
        let end = start + text.len();
        let field = self.put(code, length);
        match start {
            8 => put_words(&mut field[start..], text),
            _ => field[start..end].copy_from_slice(text),
        }
        self.is_valid &= is_valid(code, text);
        self.fields.insert(code, self.end + start);
        self.end += (end + 1).next_multiple_of(8);
    }
}

/// Copies a text in steps of eight bytes. Zeros follow it in the last step.
// Most texts are so short that a call of memcpy takes longer.
#[inline]
fn put_words(words: &mut [u8], text: &[u8]) {
    let (mut words, text) = (words.chunks_exact_mut(8), text.chunks_exact(8));
    let rest = short_word(text.remainder());
    for (bytes, word) in text.zip(words.by_ref()) {
        word.copy_from_slice(bytes);
    }
    if let (Some(rest), Some(word)) = (rest, words.next()) {
        word.copy_from_slice(&rest.to_le_bytes());
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
