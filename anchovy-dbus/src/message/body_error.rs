//! The error of a body as a value.

use std::error::Error;
use std::fmt;
use std::io;

/// The error of encoding or decoding the body of a message (feature `zbus`).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum BodyError {
    /// The value cannot be encoded.
    Encode {
        /// The signature of the value as a body.
        signature: String,
        /// The reason.
        error: zbus::Error,
    },
    /// The signature of the body is not that of the requested value.
    Signature {
        /// The signature of the requested value as a body.
        expected: String,
        /// The signature of the body.
        found: String,
    },
    /// The body does not match its signature.
    Decode {
        /// The signature of the body.
        signature: String,
        /// The reason.
        error: zbus::Error,
    },
    /// The body has more bytes than the values of its signature.
    TrailingBytes {
        /// The signature of the body.
        signature: String,
        /// Number of bytes of the values.
        expected: usize,
        /// Number of bytes of the body.
        found: usize,
    },
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The text of zbus has the cause too, so there is no source.
            BodyError::Encode { signature, error } => {
                write!(f, "cannot encode a body of signature {signature:?}: {error}")
            }
            BodyError::Signature { expected, found } => {
                write!(f, "the body has the signature {found:?}, expected {expected:?}")
            }
            BodyError::Decode { signature, error } => {
                write!(f, "cannot decode a body of signature {signature:?}: {error}")
            }
            BodyError::TrailingBytes { signature, expected, found } => write!(
                f,
                "the body of signature {signature:?} has {found} bytes, its values have {expected}"
            ),
        }
    }
}

impl Error for BodyError {}

impl From<BodyError> for io::Error {
    fn from(error: BodyError) -> io::Error {
        let kind = match error {
            BodyError::Encode { .. } => io::ErrorKind::InvalidInput,
            _ => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, error)
    }
}
