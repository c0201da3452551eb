//! Making a message. The header is written once, and then read by the same eyes that read a peer's:
//! what they would refuse of a peer is not sent to one.

use std::num::NonZeroU32;
use std::os::fd::OwnedFd;

use bytes::Bytes;

use super::build_error::BuildError;
use super::byte_order::ByteOrder;
use super::content::Message;
use super::error::MessageError;
use super::field::HeaderField;
use super::field_error::FieldError;
use super::fields::Fields;
use super::flags::Flags;
use super::frame::{Frame, Lengths, VERSION, message_type};
use super::message_type::MessageType;
use super::signature::SignatureError;
use crate::limits::Limits;

/// A [`Message`] in the making.
///
/// ```
/// use anchovy_dbus::{Flags, Message};
///
/// let call = Message::method_call("/org/example", "Forget")
///     .destination("org.example.Service")
///     .interface("org.example.Memory")
///     .flags(Flags::NO_REPLY_EXPECTED)
///     .body("u", 7_u32.to_ne_bytes().to_vec())
///     .build()?;
/// # Ok::<(), anchovy_dbus::BuildError>(())
/// ```
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct MessageBuilder<'a> {
    byte_order: ByteOrder,
    message_type: MessageType,
    flags: Flags,
    serial: Option<NonZeroU32>,
    path: Option<&'a str>,
    interface: Option<&'a str>,
    member: Option<&'a str>,
    error_name: Option<&'a str>,
    destination: Option<&'a str>,
    sender: Option<&'a str>,
    reply_serial: Option<NonZeroU32>,
    signature: &'a str,
    body: Bytes,
    fds: Vec<OwnedFd>,
}

impl<'a> MessageBuilder<'a> {
    pub(super) fn new(message_type: MessageType) -> MessageBuilder<'a> {
        MessageBuilder {
            byte_order: ByteOrder::NATIVE,
            message_type,
            flags: Flags::NONE,
            serial: None,
            path: None,
            interface: None,
            member: None,
            error_name: None,
            destination: None,
            sender: None,
            reply_serial: None,
            signature: "",
            body: Bytes::new(),
            fds: Vec::new(),
        }
    }

    /// All that this message has, but for its descriptors.
    pub(super) fn like(message: &'a Message) -> MessageBuilder<'a> {
        let header = message.header();
        MessageBuilder {
            byte_order: header.byte_order(),
            message_type: header.message_type(),
            flags: header.flags(),
            serial: header.serial(),
            path: header.path(),
            interface: header.interface(),
            member: header.member(),
            error_name: header.error_name(),
            destination: header.destination(),
            sender: header.sender(),
            reply_serial: header.reply_serial(),
            signature: header.signature(),
            body: message.body.clone(),
            fds: Vec::new(),
        }
    }

    /// The order of the bytes in all numbers, those of the body too: by default that of this
    /// machine.
    pub fn byte_order(mut self, byte_order: ByteOrder) -> Self {
        self.byte_order = byte_order;
        self
    }

    /// What the message asks for: by default nothing.
    pub fn flags(mut self, flags: Flags) -> Self {
        self.flags = flags;
        self
    }

    /// The serial, where it is not for the connection to choose.
    pub fn serial(mut self, serial: NonZeroU32) -> Self {
        self.serial = Some(serial);
        self
    }

    /// The object that is called, or that sends the signal.
    pub fn path(mut self, path: &'a str) -> Self {
        self.path = Some(path);
        self
    }

    /// The interface that the method or the signal is of.
    pub fn interface(mut self, interface: &'a str) -> Self {
        self.interface = Some(interface);
        self
    }

    /// The method or the signal.
    pub fn member(mut self, member: &'a str) -> Self {
        self.member = Some(member);
        self
    }

    /// The error.
    pub fn error_name(mut self, error_name: &'a str) -> Self {
        self.error_name = Some(error_name);
        self
    }

    /// The connection that the message is for.
    pub fn destination(mut self, destination: &'a str) -> Self {
        self.destination = Some(destination);
        self
    }

    /// The connection that the message is from. On a bus, only the bus says that.
    pub fn sender(mut self, sender: &'a str) -> Self {
        self.sender = Some(sender);
        self
    }

    /// The serial of the message that this one answers.
    pub fn reply_serial(mut self, reply_serial: NonZeroU32) -> Self {
        self.reply_serial = Some(reply_serial);
        self
    }

    /// The body: its types, and its bytes in the byte order of the message.
    ///
    /// The signature has to be valid. Whether the bytes are what it says, nobody looks.
    pub fn body(mut self, signature: &'a str, body: impl Into<Bytes>) -> Self {
        self.signature = signature;
        self.body = body.into();
        self
    }

    /// The descriptors; the body refers to them by their place in this order.
    ///
    /// `UNIX_FDS` is set to their number. How many a message may have is a matter of the connection
    /// ([`Limits::max_sent_fds`]).
    pub fn fds(mut self, fds: Vec<OwnedFd>) -> Self {
        self.fds = fds;
        self
    }

    /// Makes the message.
    ///
    /// # Errors
    ///
    /// Whatever would be wrong with the message if a peer sent it, apart from a serial that is not
    /// there yet; the descriptors are handed back.
    pub fn build(self) -> Result<Message, BuildError> {
        let (head, fields) = match self.head() {
            Ok(head) => head,
            Err(error) => return Err(BuildError { error, fds: self.fds }),
        };
        Ok(Message {
            head,
            body: self.body,
            fields,
            serial: self.serial,
            fds: self.fds,
            truncation: None,
            charge: None,
        })
    }

    /// Writes the header, with no serial, and reads its fields as those of a received one.
    fn head(&self) -> Result<(Bytes, Fields), MessageError> {
        let lengths = Lengths { fields: self.fields_length(), body: self.body.len() as u64 };
        // Before anything is written: nothing is made that is too long to be sent.
        let limits = Limits::specification();
        let frame = Frame::new(self.byte_order, self.message_type, lengths, &limits)?;
        let mut head = Vec::with_capacity(frame.head_length);
        head.extend([self.byte_order.byte(), self.message_type.code(), self.flags.bits(), VERSION]);
        for number in [frame.body_length as u32, 0, frame.fields_length as u32] {
            head.extend(self.byte_order.write(number));
        }
        for (field, text) in self.texts() {
            self.put_start(&mut head, field, text.len() as u32);
            head.extend_from_slice(text.as_bytes());
            head.push(0);
        }
        for (field, number) in self.numbers() {
            self.put_start(&mut head, field, number);
        }
        if !self.signature.is_empty() {
            let length = u8::try_from(self.signature.len()).map_err(|_| MessageError::Field {
                field: HeaderField::Signature,
                error: FieldError::Signature(SignatureError::TooLong),
            })?;
            pad(&mut head);
            head.extend(start(HeaderField::Signature));
            head.push(length);
            head.extend_from_slice(self.signature.as_bytes());
            head.push(0);
        }
        pad(&mut head);
        // An unknown type with the code of a known one is that known one.
        let message_type = message_type(self.message_type.code())?;
        let fields = Fields::read(&Frame { message_type, ..frame }, &head)?;
        Ok((head.into(), fields))
    }

    /// The fields that are texts, in the order in which they are written.
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

    /// The fields that are numbers, which come after the texts.
    fn numbers(&self) -> impl Iterator<Item = (HeaderField, u32)> + use<'a> {
        let fds = Some(self.fds.len() as u32).filter(|count| *count > 0);
        let reply_serial = self.reply_serial.map(NonZeroU32::get);
        let numbers = [(HeaderField::ReplySerial, reply_serial), (HeaderField::UnixFds, fds)];
        numbers.into_iter().filter_map(|(field, number)| Some((field, number?)))
    }

    /// How long the row of fields will be; only between fields is there padding.
    fn fields_length(&self) -> u64 {
        let mut length = 0_u64;
        let mut add = |bytes: u64| length = length.next_multiple_of(8) + bytes;
        self.texts().for_each(|(_, text)| add(TEXT_BYTES + text.len() as u64));
        self.numbers().for_each(|_| add(NUMBER_BYTES));
        if !self.signature.is_empty() {
            add(SIGNATURE_BYTES + self.signature.len() as u64);
        }
        length
    }

    /// Begins a field with what all but signatures begin with: its start, and a number, which is the
    /// length of a text.
    fn put_start(&self, head: &mut Vec<u8>, field: HeaderField, number: u32) {
        pad(head);
        let ([code, one, type_code, end], number) = (start(field), self.byte_order.write(number));
        let [a, b, c, d] = number;
        head.extend_from_slice(&[code, one, type_code, end, a, b, c, d]);
    }
}

/// The code of a field, and the signature of its type: a length, one code and a byte 0. They are
/// four, so a number that follows needs no padding.
const START_BYTES: u64 = 4;

/// Besides the text itself: its length, and a byte 0.
const TEXT_BYTES: u64 = START_BYTES + 4 + 1;
const NUMBER_BYTES: u64 = START_BYTES + 4;
/// Besides the signature itself: its length, and a byte 0.
const SIGNATURE_BYTES: u64 = START_BYTES + 1 + 1;

fn start(field: HeaderField) -> [u8; START_BYTES as usize] {
    [field.code(), 1, field.type_code().unwrap_or_default(), 0]
}

fn pad(head: &mut Vec<u8>) {
    const ZEROS: [u8; 8] = [0; 8];
    head.extend_from_slice(&ZEROS[..head.len().next_multiple_of(8) - head.len()]);
}
