//! The error of a header field.

use std::error::Error;
use std::fmt;
use std::io;

use super::signature::SignatureError;
use crate::limits::MAX_ARRAY_BYTES;

/// The reason why the value of a header field is not valid (D-Bus Specification, "Header Fields",
/// "Marshaling" and "Valid Names").
///
/// # Examples
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
    /// The type of the value is not that of the field.
    Type,
    /// The signature of the value is not exactly one type.
    NotOneType,
    /// The array of header fields, or an array inside the value, ends before the value is complete.
    EndsEarly,
    /// A padding byte is not 0.
    Padding,
    /// A string does not end with a NUL byte.
    NotTerminated,
    /// A string contains a NUL byte.
    NulInText,
    /// A string is not UTF-8.
    NotUtf8,
    /// An object path is not valid.
    ObjectPath,
    /// A signature is not valid.
    Signature(SignatureError),
    /// An interface, member, error or bus name is not valid.
    Name,
    /// The value is the interface `org.freedesktop.DBus.Local` or the path
    /// `/org/freedesktop/DBus/Local`, which are reserved for messages inside a process.
    Reserved,
    /// A serial is 0.
    NoSerial,
    /// A boolean is neither 0 nor 1.
    Boolean(u32),
    /// An array has more than 2²⁶ bytes.
    ArrayTooLong(u32),
    /// The length of an array is not a multiple of the size of its elements.
    ArrayNotWhole,
    /// More than 64 containers are nested, including the array of fields, the field and its variant.
    TooDeep,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            FieldError::Type => "has the wrong type",
            FieldError::NotOneType => "does not have exactly one type",
            FieldError::EndsEarly => "continues after the end of its container",
            FieldError::Padding => "has a padding byte that is not 0",
            FieldError::NotTerminated => "has a string that does not end with a NUL byte",
            FieldError::NulInText => "has a string that contains a NUL byte",
            FieldError::NotUtf8 => "has a string that is not UTF-8",
            FieldError::ObjectPath => "has an invalid object path",
            FieldError::Signature(error) => {
                return write!(f, "has an invalid signature: {error}");
            }
            FieldError::Name => "is not a valid name",
            FieldError::Reserved => "has a value that is reserved for messages inside a process",
            FieldError::NoSerial => "is 0, which is not valid",
            FieldError::Boolean(value) => {
                return write!(f, "has the boolean value {value}, expected 0 or 1");
            }
            FieldError::ArrayTooLong(length) => {
                return write!(f, "has an array of {length} bytes, limit is {MAX_ARRAY_BYTES}");
            }
            FieldError::ArrayNotWhole => {
                "has an array whose length is not a multiple of the size of its elements"
            }
            FieldError::TooDeep => "has more than 64 nested containers, which is the limit",
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
