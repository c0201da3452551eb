//! Why a global was not bound.

use std::error::Error;
use std::fmt;
use std::io;
use std::ops::RangeInclusive;

use crate::create_error::CreateError;
use crate::escaped::Escaped;

/// Why a global was not bound.
#[derive(Debug)]
#[non_exhaustive]
pub enum BindError {
    /// The compositor has no global of this interface.
    NoGlobal {
        /// The interface that was asked for.
        interface: String,
    },
    /// The compositor offers none of the versions that were asked for.
    Version {
        /// The interface of the global.
        interface: String,
        /// The versions that were asked for.
        wanted: RangeInclusive<u32>,
        /// The highest version that the compositor offers. It offers all from 1.
        offered: u32,
    },
    /// The object could not be created.
    Create(CreateError),
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BindError::NoGlobal { interface } => {
                write!(f, "the compositor has no {}", Escaped(interface))
            }
            BindError::Version { interface, wanted, offered } => {
                let (least, most) = (wanted.start(), wanted.end());
                let interface = Escaped(interface);
                write!(f, "the compositor offers versions 1 to {offered} of {interface}, ")?;
                if least == most {
                    write!(f, "not version {least}")
                } else {
                    write!(f, "none of {least} to {most}")
                }
            }
            BindError::Create(error) => error.fmt(f),
        }
    }
}

impl Error for BindError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // Its text is that of the error itself, and so is its cause.
            BindError::Create(error) => error.source(),
            BindError::NoGlobal { .. } | BindError::Version { .. } => None,
        }
    }
}

impl From<CreateError> for BindError {
    fn from(error: CreateError) -> BindError {
        BindError::Create(error)
    }
}

impl From<BindError> for io::Error {
    fn from(error: BindError) -> io::Error {
        let kind = match error {
            BindError::Create(error) => return error.into(),
            BindError::NoGlobal { .. } => io::ErrorKind::NotFound,
            BindError::Version { .. } => io::ErrorKind::Unsupported,
        };
        io::Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_chain::error_chain;

    fn version(wanted: RangeInclusive<u32>) -> BindError {
        BindError::Version { interface: "wl_output".to_owned(), wanted, offered: 4 }
    }

    #[test]
    fn a_bind_error_shows_the_interface_and_its_versions() {
        for (error, text) in [
            (version(5..=5), "the compositor offers versions 1 to 4 of wl_output, not version 5"),
            (version(5..=7), "the compositor offers versions 1 to 4 of wl_output, none of 5 to 7"),
            (
                BindError::NoGlobal { interface: "wl_seat\n".to_owned() },
                "the compositor has no wl_seat\\n",
            ),
            (CreateError::NoIds.into(), "all object ids of the client are in use"),
        ] {
            assert_eq!(error_chain(&error), [text]);
        }
    }
}
