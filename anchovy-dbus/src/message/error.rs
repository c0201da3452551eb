//! The rules of the specification that a message breaks.
//!
//! Each rule has its own variant, so that an error says what the peer does wrong, and a test can
//! check why a message is refused.

use std::error::Error;
use std::fmt;
use std::io;

#[cfg(feature = "zbus")]
use super::body_error::BodyError;
use super::field::HeaderField;
use super::field_error::FieldError;
use super::message_type::MessageType;
use super::refused_value::RefusedValue;

/// What a message does wrong (D-Bus Specification, "Message Protocol" and "Marshaling").
///
/// The same rules hold for messages that are received and for those that are built. Of a stream, no
/// more messages can be told after one that is not valid: the connection wants closing.
///
/// Where an [`io::Error`] is asked for it travels inside one, of the kind
/// [`InvalidData`](io::ErrorKind::InvalidData), and [`MessageError::from_io_error`] takes it out.
///
/// ```
/// use anchovy_dbus::{Message, MessageError};
/// use bytes::Bytes;
///
/// let http = Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n");
/// let refused = Message::from_bytes(http, Vec::new()).unwrap_err();
/// assert_eq!(refused.error, MessageError::ByteOrder(b'G'));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum MessageError {
    /// The first byte is neither `l` nor `B`.
    ByteOrder(u8),
    /// The message type is 0, which is not valid.
    NoType,
    /// The version is not 1, the only one there is.
    Version(u8),
    /// The serial is 0, or a message that is to be written has none yet.
    NoSerial,
    /// The row of header fields is longer than it may be.
    FieldsTooLong {
        /// Its length, in bytes.
        length: u64,
        /// The most bytes it may have: 2²⁶ by the specification, or what the limits say.
        limit: usize,
    },
    /// The message is longer than it may be.
    TooLong {
        /// Its length, header and body, in bytes.
        length: u64,
        /// The most bytes it may have: 2²⁷ by the specification, or what the limits say.
        limit: usize,
    },
    /// There are more or fewer bytes than the header says.
    Length {
        /// What the header says; 16 if there is not even the start of a header.
        declared: usize,
        /// How many bytes there are.
        length: usize,
    },
    /// A byte between two fields, or between the last field and the body, is not 0.
    Padding,
    /// The row of header fields ends before a field does.
    FieldsEndEarly,
    /// A field has the code 0, which is not valid.
    NoFieldCode,
    /// A field is not what it should be.
    Field {
        /// Which field.
        field: HeaderField,
        /// What is wrong with it.
        error: FieldError,
        /// The value, if it is a text that was read whole.
        value: Option<RefusedValue>,
    },
    /// A field is there twice.
    FieldTwice(HeaderField),
    /// A field is not there that a message of this type has to have.
    FieldMissing {
        /// Which field.
        field: HeaderField,
        /// The type of the message.
        message_type: MessageType,
    },
    /// There is a body, but no signature that says what it is.
    BodyWithoutSignature,
    /// There is a signature, but no body; no type has values without bytes.
    SignatureWithoutBody,
    /// The value of the body cannot be encoded (feature `zbus`).
    #[cfg(feature = "zbus")]
    Body(Box<BodyError>),
    /// There are more or fewer descriptors than the header says.
    FdCount {
        /// What the header says.
        declared: u32,
        /// How many there are.
        present: usize,
    },
}

impl MessageError {
    /// Returns the [`MessageError`] inside `error`, if there is one.
    ///
    /// ```
    /// use anchovy_dbus::MessageError;
    ///
    /// let error = std::io::Error::from(MessageError::Version(2));
    /// assert_eq!(MessageError::from_io_error(&error), Some(MessageError::Version(2)));
    /// ```
    pub fn from_io_error(error: &io::Error) -> Option<MessageError> {
        error.get_ref()?.downcast_ref().cloned()
    }
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MessageError::ByteOrder(byte) => {
                write!(f, "the message begins with {byte:#04x}, which is neither 'l' nor 'B'")
            }
            MessageError::NoType => f.write_str("the message type is 0"),
            MessageError::Version(version) => {
                write!(f, "the message is of version {version}, and only version 1 is known")
            }
            MessageError::NoSerial => f.write_str("the message has no serial"),
            MessageError::FieldsTooLong { length, limit } => {
                write!(f, "the header fields have {length} bytes, the limit is {limit}")
            }
            MessageError::TooLong { length, limit } => {
                write!(f, "the message has {length} bytes, the limit is {limit}")
            }
            MessageError::Length { declared, length } => {
                write!(f, "the message has {length} bytes, and should have {declared}")
            }
            MessageError::Padding => f.write_str("a byte of padding in the header is not 0"),
            MessageError::FieldsEndEarly => {
                f.write_str("the row of header fields ends before a field does")
            }
            MessageError::NoFieldCode => f.write_str("a header field has the code 0"),
            MessageError::Field { field, error, value: Some(value) } => match (error, value.rule) {
                (FieldError::Signature(error), _) => {
                    write!(f, "{value} is not a valid signature: {error}")
                }
                (_, Some(rule)) => write!(f, "{value} is not a valid {}: {rule}", kind(*field)),
                _ => write!(f, "the header field {field} {error}: {value}"),
            },
            MessageError::Field { field, error, value: None } => {
                write!(f, "the header field {field} {error}")
            }
            MessageError::FieldTwice(field) => write!(f, "the header field {field} is there twice"),
            MessageError::FieldMissing { field, message_type } => {
                write!(f, "{message_type} has no header field {field}")
            }
            MessageError::BodyWithoutSignature => {
                f.write_str("the message has a body but no signature")
            }
            MessageError::SignatureWithoutBody => {
                f.write_str("the message has a signature but no body")
            }
            #[cfg(feature = "zbus")]
            MessageError::Body(error) => error.fmt(f),
            MessageError::FdCount { declared, present } => {
                write!(f, "the message declares {declared} descriptors and has {present}")
            }
        }
    }
}

/// Returns what a name in this field is called.
fn kind(field: HeaderField) -> &'static str {
    match field {
        HeaderField::Path => "object path",
        HeaderField::Interface => "interface name",
        HeaderField::Member => "member name",
        HeaderField::ErrorName => "error name",
        _ => "bus name",
    }
}

impl Error for MessageError {}

#[cfg(feature = "zbus")]
impl From<BodyError> for MessageError {
    fn from(error: BodyError) -> MessageError {
        MessageError::Body(Box::new(error))
    }
}

impl From<MessageError> for io::Error {
    fn from(error: MessageError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}
