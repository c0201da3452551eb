//! The error of applying an event to a registry.

use std::error::Error;
use std::fmt;
use std::io;

use crate::wire::wire_error::WireError;

/// The error of [`Registry::update`](crate::Registry::update).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RegistryError {
    /// The event is malformed.
    Wire(WireError),
    /// The compositor announced more globals than a [`Registry`](crate::Registry) stores.
    TooManyGlobals {
        /// The limit: [`MAX_GLOBALS`](crate::MAX_GLOBALS).
        limit: usize,
    },
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegistryError::Wire(_) => f.write_str("received a malformed event of the registry"),
            RegistryError::TooManyGlobals { limit } => {
                write!(f, "the compositor announced too many globals, limit is {limit}")
            }
        }
    }
}

impl Error for RegistryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            RegistryError::Wire(error) => Some(error),
            RegistryError::TooManyGlobals { .. } => None,
        }
    }
}

impl From<WireError> for RegistryError {
    fn from(error: WireError) -> RegistryError {
        RegistryError::Wire(error)
    }
}

impl From<RegistryError> for io::Error {
    fn from(error: RegistryError) -> io::Error {
        let kind = match error {
            RegistryError::Wire(_) => io::ErrorKind::InvalidData,
            RegistryError::TooManyGlobals { .. } => io::ErrorKind::QuotaExceeded,
        };
        io::Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_chain::error_chain;
    use crate::wire::wire_error::WireErrorKind;

    #[test]
    fn the_source_of_a_registry_error_is_the_malformed_event() {
        let wire = WireError { object: 2, opcode: 0, kind: WireErrorKind::NullString };
        let chain = ["received a malformed event of the registry".to_owned(), wire.to_string()];
        assert_eq!(error_chain(&RegistryError::from(wire)), chain);
        let error = RegistryError::TooManyGlobals { limit: 4096 };
        assert_eq!(
            error_chain(&error),
            ["the compositor announced too many globals, limit is 4096"]
        );
    }
}
