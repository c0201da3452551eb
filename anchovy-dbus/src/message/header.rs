//! Access to the header of a message.
//!
//! The header was parsed when the message was created, and the positions of its fields are known.

use std::fmt;
use std::num::NonZeroU32;

use super::byte_order::ByteOrder;
use super::content::Message;
use super::field::HeaderField;
use super::flags::Flags;
use super::message_type::MessageType;

/// The header of a [`Message`].
///
/// # Examples
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
    /// Returns the header.
    #[inline]
    pub fn header(&self) -> Header<'_> {
        Header { message: self }
    }
}

impl<'a> Header<'a> {
    /// Returns the byte order of the header and the body.
    #[inline]
    pub fn byte_order(self) -> ByteOrder {
        ByteOrder::from_byte(self.byte(0)).unwrap_or(ByteOrder::NATIVE)
    }

    /// Returns the type of the message.
    #[inline]
    pub fn message_type(self) -> MessageType {
        MessageType::from_code(self.byte(1))
    }

    /// Returns the flags.
    #[inline]
    pub fn flags(self) -> Flags {
        Flags::from_bits_retain(self.byte(2))
    }

    /// Returns the serial; see [`Message::serial`].
    #[inline]
    pub fn serial(self) -> Option<NonZeroU32> {
        self.message.serial()
    }

    /// Returns the length of the body, in bytes.
    #[inline]
    pub fn body_len(self) -> usize {
        self.message.body_bytes().len()
    }

    /// Returns `PATH`: the path of the object that is called or that sends the signal.
    #[inline]
    pub fn path(self) -> Option<&'a str> {
        self.text(HeaderField::Path)
    }

    /// Returns `INTERFACE`: the interface of the method or the signal.
    #[inline]
    pub fn interface(self) -> Option<&'a str> {
        self.text(HeaderField::Interface)
    }

    /// Returns `MEMBER`: the name of the method or the signal.
    #[inline]
    pub fn member(self) -> Option<&'a str> {
        self.text(HeaderField::Member)
    }

    /// Returns `ERROR_NAME`: the name of the error.
    #[inline]
    pub fn error_name(self) -> Option<&'a str> {
        self.text(HeaderField::ErrorName)
    }

    /// Returns `DESTINATION`: the bus name of the receiver.
    #[inline]
    pub fn destination(self) -> Option<&'a str> {
        self.text(HeaderField::Destination)
    }

    /// Returns `SENDER`: the bus name of the sender.
    ///
    /// A bus sets it. If the peer is not a bus, the value is not verified.
    #[inline]
    pub fn sender(self) -> Option<&'a str> {
        self.text(HeaderField::Sender)
    }

    /// Returns `REPLY_SERIAL`: the serial of the call that this message replies to.
    #[inline]
    pub fn reply_serial(self) -> Option<NonZeroU32> {
        self.number(HeaderField::ReplySerial).and_then(NonZeroU32::new)
    }

    /// Returns `SIGNATURE`: the types of the body. It is empty if and only if the body is empty.
    ///
    /// The signature is valid. The body is not compared with it.
    #[inline]
    pub fn signature(self) -> &'a str {
        self.text(HeaderField::Signature).unwrap_or_default()
    }

    /// Returns `UNIX_FDS`: the number of descriptors that the message declares, or 0.
    ///
    /// [`Message::fds`] has as many, unless they were [taken](Message::take_fds) or
    /// [not delivered](Message::truncation).
    #[inline]
    pub fn unix_fds(self) -> u32 {
        self.number(HeaderField::UnixFds).unwrap_or_default()
    }

    #[inline]
    fn byte(self, at: usize) -> u8 {
        self.message.content.bytes.get(at).copied().unwrap_or_default()
    }

    /// Returns the text of this field, which is ASCII.
    fn text(self, field: HeaderField) -> Option<&'a str> {
        let content = &self.message.content;
        let text = content.fields.text(field, &content.bytes);
        std::str::from_utf8(text).ok().filter(|text| !text.is_empty())
    }

    #[inline]
    fn number(self, field: HeaderField) -> Option<u32> {
        let content = &self.message.content;
        content.fields.number(field, &content.bytes)
    }
}

impl Header<'_> {
    /// Adds the parts that the header has.
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
