//! The error of waiting for a reply of the compositor.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use crate::display_error::DisplayError;
use crate::error::receive_error::ReceiveError;
use crate::error::send_error::{SendError, SendErrorKind};
use crate::registry_error::RegistryError;
use crate::wire::wire_error::WireError;

/// The error of [`roundtrip`](crate::Connection::roundtrip) and
/// [`registry`](crate::Connection::registry).
///
/// Events for the caller that arrived before the error can still be received.
#[derive(Debug)]
#[non_exhaustive]
pub enum RoundtripError {
    /// The compositor reported an error of this client (`wl_display.error`) and disconnects it.
    Display(DisplayError),
    /// Receiving failed. No event can arrive any more.
    Receive(ReceiveError),
    /// A request of this method, or an earlier message, could not be sent.
    Send(SendError),
    /// The compositor closed the connection before it replied.
    Closed,
    /// The compositor did not reply within
    /// [`Limits::reply_timeout`](crate::Limits::reply_timeout). The connection stays usable, and the late
    /// reply is discarded.
    TimedOut {
        /// The timeout.
        timeout: Duration,
    },
    /// More than [`Limits::max_kept_messages`](crate::Limits::max_kept_messages) messages arrived before
    /// the reply. The method can be used again when these messages have been received.
    TooManyMessages {
        /// The limit.
        limit: usize,
    },
    /// Messages that use more memory than [`Limits::max_kept_bytes`](crate::Limits::max_kept_bytes) arrived
    /// before the reply. The method can be used again when these messages have been received.
    TooManyBytes {
        /// The limit, in bytes of memory.
        limit: usize,
    },
    /// Messages with more than [`Limits::max_kept_fds`](crate::Limits::max_kept_fds) descriptors arrived
    /// before the reply. The method can be used again when these messages have been received.
    TooManyFds {
        /// The limit.
        limit: usize,
    },
    /// An event of the registry is malformed, or there are too many globals. The connection stays usable.
    Registry(RegistryError),
    /// The `wl_callback.done` event that replies to the `wl_display.sync` of this method is malformed. The
    /// connection stays usable.
    Wire(WireError),
    /// All ids of a client, 2 to 4278190079, are in use. Nothing was sent.
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
                write!(
                    f,
                    "too many messages arrived before the reply, limit is {limit}; receive them first"
                )
            }
            RoundtripError::TooManyBytes { limit } => write!(
                f,
                "the messages that arrived before the reply use too much memory, limit is {limit} \
                 bytes; receive them first"
            ),
            RoundtripError::TooManyFds { limit } => write!(
                f,
                "too many descriptors arrived before the reply, limit is {limit}; receive their \
                 messages first"
            ),
            RoundtripError::Registry(error) => error.fmt(f),
            RoundtripError::Wire(_) => f.write_str("received a malformed reply"),
            RoundtripError::NoIds => f.write_str(
                "all object ids of the client are in use (2 to 4278190079); destroy objects",
            ),
        }
    }
}

impl Error for RoundtripError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // The text is that of the inner error, so the source is that of the inner error.
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

/// Converts [`SendErrorKind::Display`] into [`RoundtripError::Display`].
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
    fn a_roundtrip_error_has_the_source_of_its_inner_error() {
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
                vec!["sending to the socket failed".into(), "it is reset".into()],
            ),
            (send(SendErrorKind::Display(display.clone())).into(), vec![display.to_string()]),
            (
                RegistryError::TooManyGlobals { limit: 9 }.into(),
                vec!["the compositor announced too many globals, limit is 9".into()],
            ),
            (wire.into(), vec!["received a malformed reply".into(), wire.to_string()]),
            (
                RoundtripError::TimedOut { timeout },
                vec!["the compositor did not reply within 1.5s".into()],
            ),
            (
                RoundtripError::TooManyMessages { limit: 7 },
                vec![
                    "too many messages arrived before the reply, limit is 7; receive them first"
                        .into(),
                ],
            ),
            (
                RoundtripError::NoIds,
                vec![
                    "all object ids of the client are in use (2 to 4278190079); destroy objects"
                        .into(),
                ],
            ),
        ] {
            assert_eq!(error_chain(&error), chain);
        }
    }
}
