//! The error of a body as a value.

use std::error::Error;
use std::fmt;
use std::io;

/// Why a value cannot be the body of a message, or the body is no such value (feature `zbus`).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum BodyError {
    /// The value cannot be encoded.
    Encode {
        /// The signature of the value, as the body would have it.
        signature: String,
        /// The reason.
        error: zbus::Error,
    },
    /// The body has other types than the value that was asked for.
    Signature {
        /// The signature that the value has as a body.
        expected: String,
        /// The signature of the body.
        found: String,
    },
    /// The body is not what its signature says.
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
