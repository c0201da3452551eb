//! A message that breaks a rule of the wire format.

use std::error::Error;
use std::fmt;
use std::io;

/// A message that breaks a rule of the wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WireError {
    /// The id of its object, or 0.
    pub object: u32,
    /// The number of the request or event in its interface, from 0.
    pub opcode: u16,
    /// The rule that it breaks.
    pub kind: WireErrorKind,
}

/// The rule of the wire format that a message breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WireErrorKind {
    /// It is shorter than its header, which has 8 bytes.
    TooShort {
        /// The length in its header, in bytes.
        length: usize,
    },
    /// Its length is no multiple of 4.
    Unaligned {
        /// The length in its header, in bytes.
        length: usize,
    },
    /// It is longer than it may be.
    TooLong {
        /// Its length, in bytes.
        length: usize,
        /// The limit.
        limit: usize,
    },
    /// Its object, or an object argument, is null where that is not allowed.
    NullObject,
    /// The interface of its object has no such request or event.
    UnknownOpcode,
    /// It ends before an argument does.
    EndsEarly {
        /// Number of bytes of the argument.
        needed: u64,
        /// Number of bytes that are left in the message.
        left: usize,
    },
    /// A string is null where that is not allowed.
    NullString,
    /// A string does not end with a NUL.
    StringWithoutNul,
    /// A string has a NUL before its end.
    StringWithNul,
    /// It has no descriptor left for an `fd` argument.
    NoFd,
    /// Bytes are left after the last argument.
    TrailingBytes {
        /// Number of bytes.
        bytes: usize,
    },
    /// Descriptors are left after the last argument.
    TrailingFds {
        /// Number of descriptors.
        count: usize,
    },
    /// Descriptors were taken out of it, and it cannot be sent without them.
    FdsTaken {
        /// Number of descriptors that it was built with.
        declared: usize,
        /// Number of descriptors that are left.
        present: usize,
    },
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "message {} of object {}: ", self.opcode, self.object)?;
        match self.kind {
            WireErrorKind::TooShort { length } => {
                write!(f, "its header says {length} bytes, the header alone has 8")
            }
            WireErrorKind::Unaligned { length } => {
                write!(f, "its length of {length} bytes is no multiple of 4")
            }
            WireErrorKind::TooLong { length, limit } => {
                write!(f, "it has {length} bytes, limit is {limit}")
            }
            WireErrorKind::NullObject => {
                f.write_str("an object is null, which is not allowed here")
            }
            WireErrorKind::UnknownOpcode => f.write_str("its interface has no such message"),
            WireErrorKind::EndsEarly { needed, left } => {
                write!(f, "an argument has {needed} bytes, the message has {left} left")
            }
            WireErrorKind::NullString => f.write_str("a string is null, which is not allowed here"),
            WireErrorKind::StringWithoutNul => f.write_str("a string does not end with a NUL"),
            WireErrorKind::StringWithNul => f.write_str("a string has a NUL before its end"),
            WireErrorKind::NoFd => f.write_str("it has no descriptor left for an argument"),
            WireErrorKind::TrailingBytes { bytes } => {
                write!(f, "{bytes} bytes are left after its last argument")
            }
            WireErrorKind::TrailingFds { count } => {
                write!(f, "{count} descriptors are left after its last argument")
            }
            WireErrorKind::FdsTaken { declared, present } => {
                write!(f, "it was built with {declared} descriptors and has {present} left")
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
            (
                WireErrorKind::TooShort { length: 4 },
                "its header says 4 bytes, the header alone has 8",
            ),
            (WireErrorKind::Unaligned { length: 13 }, "its length of 13 bytes is no multiple of 4"),
            (WireErrorKind::TooLong { length: 20, limit: 16 }, "it has 20 bytes, limit is 16"),
            (WireErrorKind::NullObject, "an object is null, which is not allowed here"),
            (WireErrorKind::UnknownOpcode, "its interface has no such message"),
            (
                WireErrorKind::EndsEarly { needed: 12, left: 8 },
                "an argument has 12 bytes, the message has 8 left",
            ),
            (WireErrorKind::NullString, "a string is null, which is not allowed here"),
            (WireErrorKind::StringWithoutNul, "a string does not end with a NUL"),
            (WireErrorKind::StringWithNul, "a string has a NUL before its end"),
            (WireErrorKind::NoFd, "it has no descriptor left for an argument"),
            (WireErrorKind::TrailingBytes { bytes: 4 }, "4 bytes are left after its last argument"),
            (
                WireErrorKind::TrailingFds { count: 2 },
                "2 descriptors are left after its last argument",
            ),
            (
                WireErrorKind::FdsTaken { declared: 2, present: 1 },
                "it was built with 2 descriptors and has 1 left",
            ),
        ] {
            assert_eq!(error_chain(&wire(kind)), [format!("message 3 of object 7: {rule}")]);
        }
    }

    #[test]
    fn a_rule_that_is_broken_is_bad_data_as_an_io_error() {
        let wire = wire(WireErrorKind::NoFd);
        let error = io::Error::from(wire);
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert_eq!(error.into_inner().unwrap().downcast_ref(), Some(&wire));
    }
}
