//! The error of an invalid message.
//!
//! Each rule of the specification has its own variant. So the error describes the mistake of the peer,
//! and a test can check why a message is refused.

use std::error::Error;
use std::fmt;
use std::io;

#[cfg(feature = "zbus")]
use super::body_error::BodyError;
use super::field::HeaderField;
use super::field_error::FieldError;
use super::message_type::MessageType;
use super::refused_value::RefusedValue;
use crate::descriptors::Descriptors;

/// The reason why a message is not valid (D-Bus Specification, "Message Protocol" and "Marshaling").
///
/// The same rules apply to received and to built messages. After a peer has sent an invalid message, the
/// start of the next message is unknown, so the connection must be closed.
///
/// This error converts into an [`io::Error`] of the kind [`InvalidData`](io::ErrorKind::InvalidData).
/// [`MessageError::from_io_error`] returns the `MessageError` of such an `io::Error`.
///
/// # Examples
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
    /// The version of the protocol is not 1.
    Version(u8),
    /// The serial is 0, or a message to encode has no serial.
    NoSerial,
    /// The header fields are too long.
    FieldsTooLong {
        /// Length of the header fields, in bytes.
        length: u64,
        /// Maximum length, in bytes: 2²⁶, or [`Limits::max_fields_bytes`](crate::Limits).
        limit: usize,
    },
    /// The message is too long.
    TooLong {
        /// Length of the message, header and body, in bytes.
        length: u64,
        /// Maximum length, in bytes: 2²⁷, or [`Limits::max_message_bytes`](crate::Limits).
        limit: usize,
    },
    /// The number of bytes is not the one that the header declares.
    Length {
        /// Number of bytes that the header declares, or 16 if there are fewer than 16 bytes.
        declared: usize,
        /// Number of bytes that are present.
        length: usize,
    },
    /// A padding byte after a header field is not 0.
    Padding,
    /// The array of header fields ends inside a field.
    FieldsEndEarly,
    /// A header field has the code 0, which is not valid.
    NoFieldCode,
    /// The value of a header field is not valid.
    Field {
        /// The header field.
        field: HeaderField,
        /// The reason.
        error: FieldError,
        /// The value, if it is an invalid name, path or signature, or a reserved path or interface.
        value: Option<RefusedValue>,
    },
    /// A header field occurs twice.
    FieldTwice(HeaderField),
    /// A header field that this message type requires is missing.
    FieldMissing {
        /// The header field.
        field: HeaderField,
        /// The type of the message.
        message_type: MessageType,
    },
    /// The message has a body, but no signature.
    BodyWithoutSignature,
    /// The message has a signature, but no body. A value of every type has at least one byte.
    SignatureWithoutBody,
    /// The value of the body cannot be encoded (feature `zbus`).
    #[cfg(feature = "zbus")]
    Body(Box<BodyError>),
    /// The number of descriptors is not the one that the header declares.
    FdCount {
        /// Number of descriptors that the header declares.
        declared: u32,
        /// Number of descriptors that are present.
        present: usize,
    },
}

impl MessageError {
    /// Returns the [`MessageError`] if `error` was converted from one, or from a
    /// [`BuildError`](crate::BuildError). Returns `None` for every other error, such as one that was
    /// converted from [`ReceiveError::Message`](crate::ReceiveError::Message).
    ///
    /// # Examples
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
                write!(f, "the first byte of the message is {byte:#04x}, expected 'l' or 'B'")
            }
            MessageError::NoType => f.write_str("the message type is 0, which is not valid"),
            MessageError::Version(version) => {
                write!(f, "the protocol version of the message is {version}, expected 1")
            }
            MessageError::NoSerial => f.write_str("the message has no serial"),
            MessageError::FieldsTooLong { length, limit } => {
                write!(f, "the header fields have {length} bytes, limit is {limit}")
            }
            MessageError::TooLong { length, limit } => {
                write!(f, "the message has {length} bytes, limit is {limit}")
            }
            MessageError::Length { declared, length } => {
                write!(f, "the message has {length} bytes, its header declares {declared}")
            }
            MessageError::Padding => f.write_str("a padding byte in the header is not 0"),
            MessageError::FieldsEndEarly => {
                f.write_str("the array of header fields ends inside a field")
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
            MessageError::FieldTwice(field) => write!(f, "the header field {field} occurs twice"),
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
                let declared = Descriptors(*declared as usize);
                write!(f, "the message declares {declared} and has {present}")
            }
        }
    }
}

/// Returns the kind of name in this field.
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
