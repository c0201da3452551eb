//! The error of binding a global.

use std::error::Error;
use std::fmt;
use std::io;
use std::ops::RangeInclusive;

use crate::create_error::CreateError;
use crate::escaped::Escaped;

/// The error of binding a global.
#[derive(Debug)]
#[non_exhaustive]
pub enum BindError {
    /// The compositor has no global of this interface.
    NoGlobal {
        /// The requested interface.
        interface: String,
    },
    /// The compositor offers none of the requested versions.
    Version {
        /// The interface of the global.
        interface: String,
        /// The requested versions.
        wanted: RangeInclusive<u32>,
        /// The highest version that the compositor offers. It also offers all lower versions from 1.
        offered: u32,
    },
    /// The object could not be created.
    Create(CreateError),
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BindError::NoGlobal { interface } => {
                write!(f, "the compositor has no global with the interface {}", Escaped(interface))
            }
            BindError::Version { interface, wanted, offered } => {
                let (least, most) = (wanted.start(), wanted.end());
                let interface = Escaped(interface);
                write!(f, "the compositor offers versions 1 to {offered} of {interface}, ")?;
                if least == most {
                    write!(f, "version {least} was requested")
                } else {
                    write!(f, "versions {least} to {most} were requested")
                }
            }
            BindError::Create(error) => error.fmt(f),
        }
    }
}

impl Error for BindError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // The text is that of the inner error, so the source is that of the inner error.
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
            (
                version(5..=5),
                "the compositor offers versions 1 to 4 of wl_output, version 5 was requested",
            ),
            (
                version(5..=7),
                "the compositor offers versions 1 to 4 of wl_output, versions 5 to 7 were requested",
            ),
            (
                BindError::NoGlobal { interface: "wl_seat\n".to_owned() },
                "the compositor has no global with the interface wl_seat\\n",
            ),
            (
                CreateError::NoIds.into(),
                "all object ids of the client are in use (2 to 4278190079); destroy objects",
            ),
        ] {
            assert_eq!(error_chain(&error), [text]);
        }
    }
}
