//! A header to ask: what it says was looked at when the message was made, so an answer is a place
//! in its bytes.

use std::fmt;
use std::num::NonZeroU32;

use super::byte_order::ByteOrder;
use super::content::Message;
use super::flags::Flags;
use super::message_type::MessageType;
use super::reader::Span;

/// What the header of a [`Message`] says.
///
/// ```
/// use anchovy_dbus::{Message, MessageType};
///
/// let signal = Message::signal("/org/example", "org.example.Clock", "Tick")
///     .destination(":1.7")
///     .body("u", 5_u32.to_ne_bytes().to_vec())
///     .build()?;
///
/// let header = signal.header();
/// assert_eq!(header.message_type(), MessageType::Signal);
/// assert_eq!(header.path(), Some("/org/example"));
/// assert_eq!(header.interface(), Some("org.example.Clock"));
/// assert_eq!(header.member(), Some("Tick"));
/// assert_eq!(header.destination(), Some(":1.7"));
/// assert_eq!(header.signature(), "u");
/// assert_eq!(header.body_len(), 4);
/// # Ok::<(), anchovy_dbus::BuildError>(())
/// ```
#[derive(Clone, Copy)]
pub struct Header<'a> {
    message: &'a Message,
}

impl Message {
    /// What the header says.
    pub fn header(&self) -> Header<'_> {
        Header { message: self }
    }
}

impl<'a> Header<'a> {
    /// The order of the bytes in all numbers of the message, those of the body too.
    pub fn byte_order(self) -> ByteOrder {
        ByteOrder::from_byte(self.byte(0)).unwrap_or(ByteOrder::NATIVE)
    }

    /// What the message is.
    pub fn message_type(self) -> MessageType {
        MessageType::from_code(self.byte(1))
    }

    /// What its sender asks for.
    pub fn flags(self) -> Flags {
        Flags::from_bits_retain(self.byte(2))
    }

    /// The serial by which an answer refers to the message; see [`Message::serial`].
    pub fn serial(self) -> Option<NonZeroU32> {
        self.message.serial
    }

    /// The length of the body, in bytes.
    pub fn body_len(self) -> usize {
        self.message.body.len()
    }

    /// The object that is called, or that sends the signal: `PATH`.
    pub fn path(self) -> Option<&'a str> {
        self.text(self.message.fields.path)
    }

    /// The interface that the method or the signal is of: `INTERFACE`.
    pub fn interface(self) -> Option<&'a str> {
        self.text(self.message.fields.interface)
    }

    /// The method or the signal: `MEMBER`.
    pub fn member(self) -> Option<&'a str> {
        self.text(self.message.fields.member)
    }

    /// The error: `ERROR_NAME`.
    pub fn error_name(self) -> Option<&'a str> {
        self.text(self.message.fields.error_name)
    }

    /// The connection that the message is for: `DESTINATION`.
    pub fn destination(self) -> Option<&'a str> {
        self.text(self.message.fields.destination)
    }

    /// The connection that the message is from: `SENDER`.
    ///
    /// On a bus, the bus sets it. A peer without a bus between may say what it likes.
    pub fn sender(self) -> Option<&'a str> {
        self.text(self.message.fields.sender)
    }

    /// The serial of the message that this one answers: `REPLY_SERIAL`.
    pub fn reply_serial(self) -> Option<NonZeroU32> {
        self.message.fields.reply_serial
    }

    /// The types of the body: `SIGNATURE`, and empty if and only if the body is.
    ///
    /// It is a valid signature. Whether the body is what it says, nobody has looked.
    pub fn signature(self) -> &'a str {
        self.text(self.message.fields.signature).unwrap_or_default()
    }

    /// How many descriptors the message declares: `UNIX_FDS`, or 0 if it is not there.
    ///
    /// [`Message::fds`] has as many, unless they were [taken](Message::take_fds) or
    /// [cut](Message::truncation).
    pub fn unix_fds(self) -> u32 {
        self.message.fields.unix_fds
    }

    fn byte(self, at: usize) -> u8 {
        self.message.head.get(at).copied().unwrap_or_default()
    }

    /// The text at this place: all of them were found to be ASCII.
    fn text(self, span: Span) -> Option<&'a str> {
        let text = span.slice(&self.message.head);
        std::str::from_utf8(text).ok().filter(|text| !text.is_empty())
    }
}

impl Header<'_> {
    /// Adds what the header has; what it does not have is not shown.
    pub(super) fn debug_fields(self, output: &mut fmt::DebugStruct<'_, '_>) {
        output.field("type", &self.message_type());
        let numbers = [("serial", self.serial()), ("reply_serial", self.reply_serial())];
        for (name, number) in numbers {
            number.map(|number| output.field(name, &number));
        }
        let texts = [
            ("destination", self.destination()),
            ("path", self.path()),
            ("interface", self.interface()),
            ("member", self.member()),
            ("error_name", self.error_name()),
            ("sender", self.sender()),
            ("signature", Some(self.signature()).filter(|signature| !signature.is_empty())),
        ];
        for (name, text) in texts {
            text.map(|text| output.field(name, &text));
        }
        if self.body_len() != 0 {
            output.field("body_len", &self.body_len());
        }
        if self.flags() != Flags::NONE {
            output.field("flags", &self.flags());
        }
        if self.byte_order() != ByteOrder::NATIVE {
            output.field("byte_order", &self.byte_order());
        }
        if self.unix_fds() != 0 {
            output.field("unix_fds", &self.unix_fds());
        }
    }
}

impl fmt::Debug for Header<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut output = f.debug_struct("Header");
        self.debug_fields(&mut output);
        output.finish()
    }
}
