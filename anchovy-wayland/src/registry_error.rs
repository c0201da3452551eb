//! Why a client does not know the globals of its compositor.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use crate::display_error::DisplayError;
use crate::error::receive_error::ReceiveError;
use crate::error::send_error::SendError;
use crate::wire::wire_error::WireError;

/// Why there is no registry.
#[derive(Debug)]
#[non_exhaustive]
pub enum RegistryError {
    /// The compositor reports an error of this client, and disconnects it.
    Display(DisplayError),
    /// An event of the display, the registry or the callback is malformed.
    Wire(WireError),
    /// Nothing can be received any more.
    Receive(ReceiveError),
    /// The requests could not be sent, or a message before them, and the compositor did not say why.
    Send(SendError),
    /// The compositor closed the connection before its answer was complete.
    Closed,
    /// The compositor's answer was not complete in time.
    Overdue {
        /// The time that it had.
        timeout: Duration,
    },
    /// The compositor has more globals than are kept ([`MAX_GLOBALS`](crate::MAX_GLOBALS)).
    TooManyGlobals {
        /// The most.
        limit: usize,
    },
    /// The compositor sent more than is kept until its answer is complete
    /// ([`MAX_HANDSHAKE_BYTES`](crate::MAX_HANDSHAKE_BYTES)).
    TooManyBytes {
        /// The most, in bytes of memory.
        limit: usize,
    },
    /// The compositor sent more descriptors than are kept until its answer is complete
    /// ([`MAX_HANDSHAKE_FDS`](crate::MAX_HANDSHAKE_FDS)).
    TooManyFds {
        /// The most.
        limit: usize,
    },
    /// All numbers for objects are taken. Nothing was sent.
    NoIds,
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RegistryError::Display(error) => error.fmt(f),
            RegistryError::Wire(_) => f.write_str("the compositor sent a bad event"),
            RegistryError::Receive(error) => error.fmt(f),
            RegistryError::Send(error) => error.fmt(f),
            RegistryError::Closed => {
                f.write_str("the compositor closed the connection before it had told all globals")
            }
            RegistryError::Overdue { timeout } => {
                write!(f, "the compositor has not told all globals in {timeout:?}")
            }
            RegistryError::TooManyGlobals { limit } => {
                write!(f, "the compositor has more than {limit} globals")
            }
            RegistryError::TooManyBytes { limit } => {
                write!(f, "the compositor has not told all globals in {limit} bytes of memory")
            }
            RegistryError::TooManyFds { limit } => write!(
                f,
                "the compositor has sent more than {limit} descriptors before all its globals"
            ),
            RegistryError::NoIds => f.write_str("all numbers for objects are taken"),
        }
    }
}

impl Error for RegistryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // The texts of these three are those of the errors themselves, so the causes are, too.
            RegistryError::Display(error) => error.source(),
            RegistryError::Receive(error) => error.source(),
            RegistryError::Send(error) => error.source(),
            RegistryError::Wire(error) => Some(error),
            _ => None,
        }
    }
}

impl From<DisplayError> for RegistryError {
    fn from(error: DisplayError) -> RegistryError {
        RegistryError::Display(error)
    }
}

impl From<WireError> for RegistryError {
    fn from(error: WireError) -> RegistryError {
        RegistryError::Wire(error)
    }
}

impl From<ReceiveError> for RegistryError {
    fn from(error: ReceiveError) -> RegistryError {
        RegistryError::Receive(error)
    }
}

impl From<SendError> for RegistryError {
    fn from(error: SendError) -> RegistryError {
        RegistryError::Send(error)
    }
}

impl From<RegistryError> for io::Error {
    fn from(error: RegistryError) -> io::Error {
        let kind = match error {
            RegistryError::Receive(error) => return error.into(),
            RegistryError::Send(error) => return error.into(),
            RegistryError::Display(error) => return error.into(),
            RegistryError::Closed => io::ErrorKind::UnexpectedEof,
            RegistryError::Overdue { .. } => io::ErrorKind::TimedOut,
            RegistryError::Wire(_) => io::ErrorKind::InvalidData,
            _ => io::ErrorKind::QuotaExceeded,
        };
        io::Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::send_error::SendErrorKind;
    use crate::error_chain::error_chain;
    use crate::wire::object_id::ObjectId;
    use crate::wire::wire_error::WireErrorKind;

    #[test]
    fn a_registry_error_has_the_causes_of_its_parts() {
        let socket = || io::Error::new(io::ErrorKind::ConnectionReset, "it is reset");
        let display = DisplayError::new(ObjectId::DISPLAY, 1, "no");
        let wire = WireError { object: 2, opcode: 0, kind: WireErrorKind::NullString };
        let send = SendError { unsent: None, kind: SendErrorKind::Io(socket()) };
        for (error, chain) in [
            (RegistryError::from(display.clone()), vec![display.to_string()]),
            (wire.into(), vec!["the compositor sent a bad event".into(), wire.to_string()]),
            (
                ReceiveError::Io(socket()).into(),
                vec![ReceiveError::Io(socket()).to_string(), "it is reset".into()],
            ),
            (send.into(), vec!["sending failed".into(), "it is reset".into()]),
            (RegistryError::NoIds, vec!["all numbers for objects are taken".into()]),
        ] {
            assert_eq!(error_chain(&error), chain);
        }
    }
}
