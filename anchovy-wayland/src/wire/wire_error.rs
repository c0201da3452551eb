//! A violation of the wire format.

use std::error::Error;
use std::fmt;
use std::io;

use crate::count::Count;

/// A violation of the wire format by one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WireError {
    /// Id of the object of the message, as in its header. 0 only if the header has this invalid id.
    pub object: u32,
    /// Number of the request or event in its interface, from 0.
    pub opcode: u16,
    /// Kind of the violation.
    pub kind: WireErrorKind,
}

/// The kind of a violation of the wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WireErrorKind {
    /// The length of the message is below 8 bytes, the length of a header.
    TooShort {
        /// Length in the header, in bytes.
        length: usize,
    },
    /// The length of the message is not a multiple of 4.
    Unaligned {
        /// Length in the header, in bytes.
        length: usize,
    },
    /// The message is too long.
    TooLong {
        /// Length of the message, in bytes.
        length: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The object of the message, or an object argument, is null and must not be null.
    NullObject,
    /// The interface of the object has no request or event with this opcode.
    UnknownOpcode,
    /// The message ends before the end of an argument.
    EndsEarly {
        /// Number of bytes of the argument.
        needed: u64,
        /// Number of bytes that remain in the message.
        left: usize,
    },
    /// A string is null and must not be null.
    NullString,
    /// A string does not end with a NUL.
    StringWithoutNul,
    /// A string contains a NUL before its end.
    StringWithNul,
    /// The message has no descriptor for an `fd` argument.
    NoFd,
    /// Bytes remain after the last argument.
    TrailingBytes {
        /// Number of bytes.
        bytes: usize,
    },
    /// Descriptors remain after the last argument.
    TrailingFds {
        /// Number of descriptors.
        count: usize,
    },
    /// Descriptors were taken from a message before it was sent.
    FdsTaken {
        /// Number of descriptors with which the message was built.
        declared: usize,
        /// Number of remaining descriptors.
        present: usize,
    },
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message with opcode {} of object {}: ", self.opcode, self.object)?;
        match self.kind {
            WireErrorKind::TooShort { length } => {
                write!(f, "it has {}, minimum is 8", Count(length, "byte"))
            }
            WireErrorKind::Unaligned { length } => {
                write!(f, "its length of {length} bytes is not a multiple of 4")
            }
            WireErrorKind::TooLong { length, limit } => {
                write!(f, "it has {length} bytes, limit is {limit}")
            }
            WireErrorKind::NullObject => {
                f.write_str("an object is null, which the protocol does not allow")
            }
            WireErrorKind::UnknownOpcode => f.write_str("its interface has no such message"),
            WireErrorKind::EndsEarly { needed, left } => {
                write!(f, "an argument requires {needed} bytes, only {left} remain")
            }
            WireErrorKind::NullString => {
                f.write_str("a string is null, which the protocol does not allow")
            }
            WireErrorKind::StringWithoutNul => f.write_str("a string does not end with a NUL"),
            WireErrorKind::StringWithNul => f.write_str("a string contains a NUL before its end"),
            WireErrorKind::NoFd => f.write_str("it has no descriptor for an fd argument"),
            WireErrorKind::TrailingBytes { bytes } => {
                write!(f, "it has {} after its last argument", Count(bytes, "byte"))
            }
            WireErrorKind::TrailingFds { count } => {
                write!(f, "it has {} after its last argument", Count(count, "descriptor"))
            }
            WireErrorKind::FdsTaken { declared, present } => {
                write!(
                    f,
                    "it was built with {} and has only {present}",
                    Count(declared, "descriptor")
                )
            }
        }
    }
}

impl Error for WireError {}

impl From<WireError> for io::Error {
    fn from(error: WireError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_chain::error_chain;

    fn wire(kind: WireErrorKind) -> WireError {
        WireError { object: 7, opcode: 3, kind }
    }

    #[test]
    fn a_wire_error_shows_its_message_and_its_numbers() {
        for (kind, rule) in [
            (WireErrorKind::TooShort { length: 4 }, "it has 4 bytes, minimum is 8"),
            (
                WireErrorKind::Unaligned { length: 13 },
                "its length of 13 bytes is not a multiple of 4",
            ),
            (WireErrorKind::TooLong { length: 20, limit: 16 }, "it has 20 bytes, limit is 16"),
            (WireErrorKind::NullObject, "an object is null, which the protocol does not allow"),
            (WireErrorKind::UnknownOpcode, "its interface has no such message"),
            (
                WireErrorKind::EndsEarly { needed: 12, left: 8 },
                "an argument requires 12 bytes, only 8 remain",
            ),
            (WireErrorKind::NullString, "a string is null, which the protocol does not allow"),
            (WireErrorKind::StringWithoutNul, "a string does not end with a NUL"),
            (WireErrorKind::StringWithNul, "a string contains a NUL before its end"),
            (WireErrorKind::NoFd, "it has no descriptor for an fd argument"),
            (WireErrorKind::TrailingBytes { bytes: 4 }, "it has 4 bytes after its last argument"),
            (
                WireErrorKind::TrailingFds { count: 2 },
                "it has 2 descriptors after its last argument",
            ),
            (
                WireErrorKind::FdsTaken { declared: 2, present: 1 },
                "it was built with 2 descriptors and has only 1",
            ),
        ] {
            assert_eq!(
                error_chain(&wire(kind)),
                [format!("message with opcode 3 of object 7: {rule}")]
            );
        }
    }

    #[test]
    fn a_wire_error_is_invalid_data_as_an_io_error() {
        let wire = wire(WireErrorKind::NoFd);
        let error = io::Error::from(wire);
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(error.into_inner().unwrap().downcast_ref(), Some(&wire));
    }
}
