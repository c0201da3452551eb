//! Why a reply of the compositor is missing.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use crate::display_error::DisplayError;
use crate::error::receive_error::ReceiveError;
use crate::error::send_error::{SendError, SendErrorKind};
use crate::registry_error::RegistryError;
use crate::wire::wire_error::WireError;

/// Why [`roundtrip`](crate::Connection::roundtrip) or [`registry`](crate::Connection::registry) has no
/// reply.
///
/// Everything else that has arrived can still be received.
#[derive(Debug)]
#[non_exhaustive]
pub enum RoundtripError {
    /// The compositor reports an error of this client, and disconnects it.
    Display(DisplayError),
    /// Nothing can be received any more.
    Receive(ReceiveError),
    /// A request could not be sent: that of the roundtrip, or one before it.
    Send(SendError),
    /// The compositor closed the connection before it replied.
    Closed,
    /// The compositor did not reply in time
    /// ([`Limits::reply_timeout`](crate::Limits::reply_timeout)). The connection can go on. The late
    /// reply is dropped.
    TimedOut {
        /// The time that it had.
        timeout: Duration,
    },
    /// More messages arrived before the reply than are kept
    /// ([`Limits::max_kept_messages`](crate::Limits::max_kept_messages)). Receive them: then the
    /// connection can go on.
    TooManyMessages {
        /// The most.
        limit: usize,
    },
    /// Messages with more bytes arrived before the reply than are kept
    /// ([`Limits::max_kept_bytes`](crate::Limits::max_kept_bytes)). Receive them: then the connection
    /// can go on.
    TooManyBytes {
        /// The most, in bytes of memory.
        limit: usize,
    },
    /// Messages with more descriptors arrived before the reply than are kept
    /// ([`Limits::max_kept_fds`](crate::Limits::max_kept_fds)). Receive them: then the connection can go
    /// on.
    TooManyFds {
        /// The most.
        limit: usize,
    },
    /// The events of the registry are refused. The connection can go on.
    Registry(RegistryError),
    /// The reply is malformed. The connection can go on.
    Wire(WireError),
    /// All ids of a client are in use: 2 to 4278190079. Nothing was sent.
    NoIds,
}

impl fmt::Display for RoundtripError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RoundtripError::Display(error) => error.fmt(f),
            RoundtripError::Receive(error) => error.fmt(f),
            RoundtripError::Send(error) => error.fmt(f),
            RoundtripError::Closed => {
                f.write_str("the compositor closed the connection before it replied")
            }
            RoundtripError::TimedOut { timeout } => {
                write!(f, "the compositor did not reply within {timeout:?}")
            }
            RoundtripError::TooManyMessages { limit } => {
                write!(f, "more than {limit} messages arrived before the reply, receive them first")
            }
            RoundtripError::TooManyBytes { limit } => write!(
                f,
                "messages of more than {limit} bytes of memory arrived before the reply, receive \
                 them first"
            ),
            RoundtripError::TooManyFds { limit } => write!(
                f,
                "messages with more than {limit} descriptors arrived before the reply, receive them \
                 first"
            ),
            RoundtripError::Registry(error) => error.fmt(f),
            RoundtripError::Wire(_) => f.write_str("the compositor sent a malformed reply"),
            RoundtripError::NoIds => f.write_str("all object ids of the client are in use"),
        }
    }
}

impl Error for RoundtripError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // The texts of these are those of the errors themselves, and so are the causes.
            RoundtripError::Display(error) => error.source(),
            RoundtripError::Receive(error) => error.source(),
            RoundtripError::Send(error) => error.source(),
            RoundtripError::Registry(error) => error.source(),
            RoundtripError::Wire(error) => Some(error),
            _ => None,
        }
    }
}

impl From<RegistryError> for RoundtripError {
    fn from(error: RegistryError) -> RoundtripError {
        RoundtripError::Registry(error)
    }
}

impl From<WireError> for RoundtripError {
    fn from(error: WireError) -> RoundtripError {
        RoundtripError::Wire(error)
    }
}

/// An error that a send reports for the compositor is [`Display`](RoundtripError::Display).
impl From<SendError> for RoundtripError {
    fn from(error: SendError) -> RoundtripError {
        match error {
            SendError { kind: SendErrorKind::Display(error), .. } => RoundtripError::Display(error),
            error => RoundtripError::Send(error),
        }
    }
}

impl From<RoundtripError> for io::Error {
    fn from(error: RoundtripError) -> io::Error {
        let kind = match error {
            RoundtripError::Receive(error) => return error.into(),
            RoundtripError::Send(error) => return error.into(),
            RoundtripError::Display(error) => return error.into(),
            RoundtripError::Registry(error) => return error.into(),
            RoundtripError::Wire(_) => io::ErrorKind::InvalidData,
            RoundtripError::Closed => io::ErrorKind::UnexpectedEof,
            RoundtripError::TimedOut { .. } => io::ErrorKind::TimedOut,
            _ => io::ErrorKind::QuotaExceeded,
        };
        io::Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_chain::error_chain;
    use crate::wire::object_id::ObjectId;
    use crate::wire::wire_error::WireErrorKind;

    #[test]
    fn a_roundtrip_error_has_the_causes_of_its_parts() {
        let socket = || io::Error::new(io::ErrorKind::ConnectionReset, "it is reset");
        let display = DisplayError::new(ObjectId::DISPLAY, 1, "no");
        let wire = WireError { object: 2, opcode: 0, kind: WireErrorKind::NullString };
        let send = |kind| SendError { unsent: None, kind };
        let timeout = Duration::from_millis(1500);
        for (error, chain) in [
            (
                RoundtripError::Receive(ReceiveError::Io(socket())),
                vec![ReceiveError::Io(socket()).to_string(), "it is reset".into()],
            ),
            (
                send(SendErrorKind::Io(socket())).into(),
                vec!["sending failed".into(), "it is reset".into()],
            ),
            (send(SendErrorKind::Display(display.clone())).into(), vec![display.to_string()]),
            (
                RegistryError::TooManyGlobals { limit: 9 }.into(),
                vec!["the compositor has more than 9 globals".into()],
            ),
            (wire.into(), vec!["the compositor sent a malformed reply".into(), wire.to_string()]),
            (
                RoundtripError::TimedOut { timeout },
                vec!["the compositor did not reply within 1.5s".into()],
            ),
            (
                RoundtripError::TooManyMessages { limit: 7 },
                vec!["more than 7 messages arrived before the reply, receive them first".into()],
            ),
            (RoundtripError::NoIds, vec!["all object ids of the client are in use".into()]),
        ] {
            assert_eq!(error_chain(&error), chain);
        }
    }
}
