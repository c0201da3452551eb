//! The header fields: their names and types, and the fields that each message type requires (D-Bus
//! Specification, "Header Fields").

use std::fmt;

use super::message_type::MessageType;

/// A header field.
///
/// # Examples
///
/// ```
/// use anchovy_dbus::{HeaderField, Message, MessageError, MessageType};
///
/// let refused = Message::builder(MessageType::MethodCall).path("/").build().unwrap_err();
/// let missing = MessageError::FieldMissing {
///     field: HeaderField::Member,
///     message_type: MessageType::MethodCall,
/// };
/// assert_eq!(refused.error, missing);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HeaderField {
    /// `PATH`: the path of the object that is called or that sends the signal.
    Path,
    /// `INTERFACE`: the interface of the method or the signal.
    Interface,
    /// `MEMBER`: the name of the method or the signal.
    Member,
    /// `ERROR_NAME`: the name of the error.
    ErrorName,
    /// `REPLY_SERIAL`: the serial of the call that this message replies to.
    ReplySerial,
    /// `DESTINATION`: the bus name of the receiver.
    Destination,
    /// `SENDER`: the bus name of the sender.
    Sender,
    /// `SIGNATURE`: the types of the body.
    Signature,
    /// `UNIX_FDS`: the number of descriptors of the message.
    UnixFds,
    /// A field that the specification does not define, with its code. Such fields are ignored.
    Unknown(u8),
}

impl HeaderField {
    /// Returns the field with this code. 0 is not valid.
    pub(super) fn from_code(code: u8) -> Option<HeaderField> {
        Some(match code {
            0 => return None,
            1 => HeaderField::Path,
            2 => HeaderField::Interface,
            3 => HeaderField::Member,
            4 => HeaderField::ErrorName,
            5 => HeaderField::ReplySerial,
            6 => HeaderField::Destination,
            7 => HeaderField::Sender,
            8 => HeaderField::Signature,
            9 => HeaderField::UnixFds,
            unknown => HeaderField::Unknown(unknown),
        })
    }

    /// Returns the code of the field.
    pub(super) fn code(self) -> u8 {
        match self {
            HeaderField::Path => 1,
            HeaderField::Interface => 2,
            HeaderField::Member => 3,
            HeaderField::ErrorName => 4,
            HeaderField::ReplySerial => 5,
            HeaderField::Destination => 6,
            HeaderField::Sender => 7,
            HeaderField::Signature => 8,
            HeaderField::UnixFds => 9,
            HeaderField::Unknown(code) => code,
        }
    }

    /// Returns the code of the type of the field, or `None` for an unknown field.
    pub(super) fn type_code(self) -> Option<u8> {
        match self {
            HeaderField::Path => Some(b'o'),
            HeaderField::Signature => Some(b'g'),
            HeaderField::ReplySerial | HeaderField::UnixFds => Some(b'u'),
            HeaderField::Unknown(_) => None,
            _ => Some(b's'),
        }
    }

    /// Returns the fields that a message of this type requires.
    pub(super) fn required(message_type: MessageType) -> &'static [HeaderField] {
        match message_type {
            MessageType::MethodCall => &[HeaderField::Path, HeaderField::Member],
            MessageType::MethodReturn => &[HeaderField::ReplySerial],
            MessageType::Error => &[HeaderField::ErrorName, HeaderField::ReplySerial],
            MessageType::Signal => {
                &[HeaderField::Path, HeaderField::Interface, HeaderField::Member]
            }
            MessageType::Unknown(_) => &[],
        }
    }
}

impl fmt::Display for HeaderField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            HeaderField::Path => "PATH",
            HeaderField::Interface => "INTERFACE",
            HeaderField::Member => "MEMBER",
            HeaderField::ErrorName => "ERROR_NAME",
            HeaderField::ReplySerial => "REPLY_SERIAL",
            HeaderField::Destination => "DESTINATION",
            HeaderField::Sender => "SENDER",
            HeaderField::Signature => "SIGNATURE",
            HeaderField::UnixFds => "UNIX_FDS",
            HeaderField::Unknown(code) => return write!(f, "with the unknown code {code}"),
        })
    }
}
