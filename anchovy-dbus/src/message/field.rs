//! The header fields: their names and types (D-Bus Specification, "Header Fields").

use std::fmt;

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

/// The codes of the known fields.
pub(super) mod code {
    pub(in super::super) const PATH: u8 = 1;
    pub(in super::super) const INTERFACE: u8 = 2;
    pub(in super::super) const MEMBER: u8 = 3;
    pub(in super::super) const ERROR_NAME: u8 = 4;
    pub(in super::super) const REPLY_SERIAL: u8 = 5;
    pub(in super::super) const DESTINATION: u8 = 6;
    pub(in super::super) const SENDER: u8 = 7;
    pub(in super::super) const SIGNATURE: u8 = 8;
    pub(in super::super) const UNIX_FDS: u8 = 9;
}

/// The first bytes of the known fields, by their code: the code, and the signature of the type, which is
/// a length, the code of the type and a NUL byte.
pub(super) const STARTS: [[u8; 4]; 10] = [
    [0; 4],
    [code::PATH, 1, b'o', 0],
    [code::INTERFACE, 1, b's', 0],
    [code::MEMBER, 1, b's', 0],
    [code::ERROR_NAME, 1, b's', 0],
    [code::REPLY_SERIAL, 1, b'u', 0],
    [code::DESTINATION, 1, b's', 0],
    [code::SENDER, 1, b's', 0],
    [code::SIGNATURE, 1, b'g', 0],
    [code::UNIX_FDS, 1, b'u', 0],
];

impl HeaderField {
    /// Returns the field with this code. 0 is not valid.
    pub(super) fn from_code(code: u8) -> Option<HeaderField> {
        Some(match code {
            0 => return None,
            code::PATH => HeaderField::Path,
            code::INTERFACE => HeaderField::Interface,
            code::MEMBER => HeaderField::Member,
            code::ERROR_NAME => HeaderField::ErrorName,
            code::REPLY_SERIAL => HeaderField::ReplySerial,
            code::DESTINATION => HeaderField::Destination,
            code::SENDER => HeaderField::Sender,
            code::SIGNATURE => HeaderField::Signature,
            code::UNIX_FDS => HeaderField::UnixFds,
            unknown => HeaderField::Unknown(unknown),
        })
    }

    /// Returns the code of the field.
    #[inline]
    pub(super) fn code(self) -> u8 {
        match self {
            HeaderField::Path => code::PATH,
            HeaderField::Interface => code::INTERFACE,
            HeaderField::Member => code::MEMBER,
            HeaderField::ErrorName => code::ERROR_NAME,
            HeaderField::ReplySerial => code::REPLY_SERIAL,
            HeaderField::Destination => code::DESTINATION,
            HeaderField::Sender => code::SENDER,
            HeaderField::Signature => code::SIGNATURE,
            HeaderField::UnixFds => code::UNIX_FDS,
            HeaderField::Unknown(code) => code,
        }
    }

    /// Returns the code of the type of the field, or `None` for an unknown field.
    pub(super) fn type_code(self) -> Option<u8> {
        Some(STARTS.get(usize::from(self.code()))?[2])
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
