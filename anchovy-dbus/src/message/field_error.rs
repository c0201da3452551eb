//! The rules of the specification that the value of a header field breaks.

use std::error::Error;
use std::fmt;
use std::io;

use super::signature::SignatureError;

/// What is wrong with the value of a header field (D-Bus Specification, "Header Fields", "Marshaling"
/// and "Valid Names").
///
/// ```
/// use anchovy_dbus::{FieldError, HeaderField, Message, MessageError};
///
/// let refused = Message::method_call("/", "not.a.member").build().unwrap_err();
/// assert!(matches!(
///     refused.error,
///     MessageError::Field { field: HeaderField::Member, error: FieldError::Name, .. }
/// ));
/// assert_eq!(
///     refused.to_string(),
///     "\"not.a.member\" is not a valid member name: it must not have a dot"
/// );
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

impl Error for FieldError {}

impl From<FieldError> for io::Error {
    fn from(error: FieldError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

impl From<SignatureError> for FieldError {
    fn from(error: SignatureError) -> FieldError {
        FieldError::Signature(error)
    }
}
