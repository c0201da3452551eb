//! The error of the codec.

use std::error::Error;
use std::fmt;
use std::io;

use crate::descriptors::Descriptors;
use crate::message::error::MessageError;

/// The error of [`MessageCodec`](crate::MessageCodec).
#[derive(Debug)]
#[non_exhaustive]
pub enum CodecError {
    /// The message is not valid or exceeds a limit.
    Message(MessageError),
    /// The message declares or has descriptors, which were not negotiated in the handshake.
    FdsNotAgreed {
        /// Number of descriptors.
        count: usize,
    },
    /// The message declares or has more descriptors than [`Limits`](crate::Limits) allow.
    TooManyFds {
        /// Number of descriptors.
        count: usize,
        /// Maximum number of descriptors in a message.
        limit: usize,
    },
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CodecError::Message(_) => f.write_str("a message is not valid"),
            CodecError::FdsNotAgreed { count } => {
                write!(
                    f,
                    "a message has {}, descriptor passing was not negotiated",
                    Descriptors(*count)
                )
            }
            CodecError::TooManyFds { count, limit } => {
                write!(f, "a message has {}, limit is {limit}", Descriptors(*count))
            }
        }
    }
}

impl Error for CodecError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            CodecError::Message(error) => Some(error),
            CodecError::FdsNotAgreed { .. } | CodecError::TooManyFds { .. } => None,
        }
    }
}

impl From<MessageError> for CodecError {
    fn from(error: MessageError) -> CodecError {
        CodecError::Message(error)
    }
}

impl From<CodecError> for io::Error {
    fn from(error: CodecError) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }
}
