//! What is wrong with a message, as a type. Each rule of the specification has its own variant, so
//! that who gets an error knows what the peer does wrong, and a test knows why it is refused.

use std::error::Error;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;

use super::field::HeaderField;
use super::kinds::MessageType;
use super::signature::SignatureError;

/// What a message does wrong (D-Bus Specification, "Message Protocol" and "Marshaling").
///
/// The same rules hold for messages that are received and for those that are built. Of a stream, no
/// more messages can be told after one that is not valid: the connection wants closing.
///
/// Where an [`io::Error`] is asked for it travels inside one, of the kind
/// [`InvalidData`](io::ErrorKind::InvalidData), and [`MessageError::of`] takes it out.
///
/// ```
/// use anchovy_dbus::{Message, MessageError};
/// use bytes::Bytes;
///
/// let http = Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n");
/// let refused = Message::from_bytes(http, Vec::new()).unwrap_err();
/// assert_eq!(refused.error, MessageError::ByteOrder(b'G'));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// There are more or fewer descriptors than the header says.
    FdCount {
        /// What the header says.
        declared: u32,
        /// How many there are.
        present: usize,
    },
}

impl MessageError {
    /// The error of a message inside `error`, if there is one.
    ///
    /// ```
    /// use anchovy_dbus::MessageError;
    ///
    /// let error = std::io::Error::from(MessageError::Version(2));
    /// assert_eq!(MessageError::of(&error), Some(MessageError::Version(2)));
    /// ```
    pub fn of(error: &io::Error) -> Option<MessageError> {
        error.get_ref()?.downcast_ref().copied()
    }
}

/// What is wrong with the value of a header field (D-Bus Specification, "Header Fields", "Marshaling"
/// and "Valid Names").
///
/// ```
/// use anchovy_dbus::{FieldError, HeaderField, Message, MessageError};
///
/// let refused = Message::method_call("/", "not.a.member").build().unwrap_err();
/// let error = MessageError::Field { field: HeaderField::Member, error: FieldError::Name };
/// assert_eq!(refused.error, error);
/// assert_eq!(error.to_string(), "the header field MEMBER is not a valid name of its kind");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FieldError {
    /// It is not of the type of that field.
    Type,
    /// It is not exactly one value: its signature has no type, or several.
    NotOneType,
    /// It goes on where the row of fields, or an array in it, has ended.
    EndsEarly,
    /// A byte that aligns a value is not 0.
    Padding,
    /// A text does not end with a byte 0.
    NotTerminated,
    /// There is a byte 0 within a text.
    NulInText,
    /// A text is not UTF-8.
    NotUtf8,
    /// A path of an object is not valid.
    ObjectPath,
    /// A signature is not valid.
    Signature(SignatureError),
    /// A name is not valid: of an interface, a member, an error or a connection.
    Name,
    /// A name or a path is reserved for what never leaves a process: the interface
    /// `org.freedesktop.DBus.Local` and the path `/org/freedesktop/DBus/Local`.
    Reserved,
    /// A serial is 0.
    NoSerial,
    /// A boolean is neither 0 nor 1.
    Boolean(u32),
    /// An array has more than 2²⁶ bytes.
    ArrayTooLong(u32),
    /// The bytes of an array are no whole number of elements.
    ArrayNotWhole,
    /// More than 64 containers are within each other, the row of fields, the field and its variant
    /// among them.
    TooDeep,
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
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
            MessageError::Field { field, error } => write!(f, "the header field {field} {error}"),
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
            MessageError::FdCount { declared, present } => {
                write!(f, "the message declares {declared} descriptors and has {present}")
            }
        }
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            FieldError::Type => "is not of its type",
            FieldError::NotOneType => "is not exactly one value",
            FieldError::EndsEarly => "is longer than what it is in",
            FieldError::Padding => "has a byte of padding that is not 0",
            FieldError::NotTerminated => "has a text that does not end with 0",
            FieldError::NulInText => "has a text with a 0 in it",
            FieldError::NotUtf8 => "has a text that is not UTF-8",
            FieldError::ObjectPath => "has a path that is not valid",
            FieldError::Signature(error) => {
                return write!(f, "has a signature that is not valid: {error}");
            }
            FieldError::Name => "is not a valid name of its kind",
            FieldError::Reserved => "is reserved for what never leaves a process",
            FieldError::NoSerial => "is 0",
            FieldError::Boolean(value) => {
                return write!(f, "has a boolean of {value}, which is neither 0 nor 1");
            }
            FieldError::ArrayTooLong(length) => {
                return write!(f, "has an array of {length} bytes, more than 64 MiB");
            }
            FieldError::ArrayNotWhole => "has an array that is no whole number of elements",
            FieldError::TooDeep => "has more than 64 containers within each other",
        })
    }
}

impl Error for MessageError {}

impl Error for FieldError {}

impl From<SignatureError> for FieldError {
    fn from(error: SignatureError) -> FieldError {
        FieldError::Signature(error)
    }
}

impl From<MessageError> for io::Error {
    fn from(error: MessageError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

/// A message that was refused, with the descriptors that were meant for it.
///
/// None was closed. As an [`io::Error`] it closes them, and leaves the [`MessageError`].
///
/// ```
/// use anchovy_dbus::Message;
///
/// let null = std::fs::File::open("/dev/null")?;
/// let refused = Message::method_call("no path", "Take").fds(vec![null.into()]).build().unwrap_err();
/// assert_eq!(refused.fds.len(), 1);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Refused {
    /// What is wrong.
    pub error: MessageError,
    /// All descriptors that were handed over, in their order.
    pub fds: Vec<OwnedFd>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for Refused {}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> io::Error {
        refused.error.into()
    }
}
