//! Why a message was not sent.
//!
//! An error of the sending side is about one message, which is returned whole, unless the socket has
//! failed.

use std::error::Error;
use std::fmt;
use std::io;

use anchovy::codec;

use crate::display_error::DisplayError;
use crate::wire::message::Message;
use crate::wire::wire_error::WireError;

/// A message that was not sent, or a flush that failed.
///
/// A message that is refused is returned whole in `unsent`, with its descriptors. Nothing of it was sent,
/// and the connection takes other messages.
pub type SendError = codec::SendError<Box<Message>, SendErrorKind>;

/// Why a message was not sent.
#[derive(Debug)]
#[non_exhaustive]
pub enum SendErrorKind {
    /// The socket failed. Messages that have not left will not leave.
    Io(io::Error),
    /// The compositor reported an error of this client, and closed the connection. Only the whole
    /// [`Connection`](crate::Connection) of a client reports it so.
    Display(DisplayError),
    /// The message is too long for the peer, or descriptors were taken out of it.
    Wire(WireError),
    /// The message has more descriptors than leave in one `sendmsg` (28, as in libwayland).
    TooManyFds {
        /// Number of descriptors.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// The kernel refused to carry its descriptors to this peer (`EPERM`).
    ///
    /// On the connection of a client, the message stays in the queue, and every flush fails.
    FdsRefusedByPeer {
        /// Number of descriptors of the message.
        count: usize,
    },
    /// This user has too many descriptors in flight (`ETOOMANYREFS`, unix(7)).
    ///
    /// The same message can be sent once receivers have caught up. On the connection of a client, it
    /// stays in the queue, and the next flush sends it then: it may create an object, and the compositor
    /// must see the ids of objects in order.
    TooManyFdsInFlight {
        /// Number of descriptors of the message.
        count: usize,
    },
}

impl fmt::Display for SendErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendErrorKind::Io(_) => return f.write_str("sending failed"),
            SendErrorKind::Display(error) => return error.fmt(f),
            SendErrorKind::Wire(_) => f.write_str("a message cannot be sent"),
            SendErrorKind::TooManyFds { count, limit } => {
                write!(f, "a message has {count} descriptors, limit is {limit}")
            }
            SendErrorKind::FdsRefusedByPeer { count } => {
                write!(f, "the peer takes no descriptors (EPERM), a message has {count}")
            }
            SendErrorKind::TooManyFdsInFlight { count } => write!(
                f,
                "too many descriptors are in flight (ETOOMANYREFS) for a message with {count} more, try later"
            ),
        }?;
        f.write_str("; nothing of it was sent")
    }
}

impl Error for SendErrorKind {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SendErrorKind::Io(error) => Some(error),
            SendErrorKind::Wire(error) => Some(error),
            _ => None,
        }
    }
}

impl From<WireError> for SendErrorKind {
    fn from(error: WireError) -> SendErrorKind {
        SendErrorKind::Wire(error)
    }
}

impl SendErrorKind {
    /// Makes the reason of a connection from that of its framed stream.
    pub(crate) fn from_codec(kind: codec::SendErrorKind<WireError>) -> SendErrorKind {
        match kind {
            codec::SendErrorKind::Io(error) => SendErrorKind::Io(error),
            codec::SendErrorKind::Codec(error) => SendErrorKind::Wire(error),
            codec::SendErrorKind::TooManyFds { count, limit } => {
                SendErrorKind::TooManyFds { count, limit }
            }
            codec::SendErrorKind::FdsRefusedByPeer { count } => {
                SendErrorKind::FdsRefusedByPeer { count }
            }
            codec::SendErrorKind::TooManyFdsInFlight { count } => {
                SendErrorKind::TooManyFdsInFlight { count }
            }
            // The others do not happen: each message has a header, and nothing else queues descriptors.
            kind => SendErrorKind::Io(kind.into()),
        }
    }
}

/// The error of the socket stays as it is; the others become the payload.
impl From<SendErrorKind> for io::Error {
    fn from(kind: SendErrorKind) -> io::Error {
        let io_kind = match kind {
            SendErrorKind::Io(error) => return error,
            SendErrorKind::Display(error) => return error.into(),
            SendErrorKind::FdsRefusedByPeer { .. } => io::ErrorKind::PermissionDenied,
            SendErrorKind::TooManyFdsInFlight { .. } => io::ErrorKind::QuotaExceeded,
            SendErrorKind::Wire(_) | SendErrorKind::TooManyFds { .. } => {
                io::ErrorKind::InvalidInput
            }
        };
        io::Error::new(io_kind, kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_chain::error_chain;
    use crate::wire::wire_error::WireErrorKind;

    fn wire(kind: WireErrorKind) -> WireError {
        WireError { object: 7, opcode: 3, kind }
    }

    fn socket() -> io::Error {
        io::Error::new(io::ErrorKind::ConnectionReset, "it is reset")
    }

    /// Each that is about a message, what it says, and the kind that it has.
    fn kinds() -> [(SendErrorKind, &'static str, io::ErrorKind); 4] {
        [
            (
                SendErrorKind::Wire(wire(WireErrorKind::TooLong { length: 20, limit: 16 })),
                "a message cannot be sent",
                io::ErrorKind::InvalidInput,
            ),
            (
                SendErrorKind::TooManyFds { count: 29, limit: 28 },
                "a message has 29 descriptors, limit is 28",
                io::ErrorKind::InvalidInput,
            ),
            (
                SendErrorKind::FdsRefusedByPeer { count: 2 },
                "the peer takes no descriptors (EPERM), a message has 2",
                io::ErrorKind::PermissionDenied,
            ),
            (
                SendErrorKind::TooManyFdsInFlight { count: 8 },
                "too many descriptors are in flight (ETOOMANYREFS) for a message with 8 more, try later",
                io::ErrorKind::QuotaExceeded,
            ),
        ]
    }

    #[test]
    fn a_send_error_shows_its_numbers_and_that_nothing_was_sent() {
        for (kind, what, _) in kinds() {
            let expected = format!("{what}; nothing of it was sent");
            assert_eq!(kind.to_string(), expected);
            assert_eq!(SendError { unsent: None, kind }.to_string(), expected);
        }
        // Of what may have left already nothing is said.
        assert_eq!(SendErrorKind::Io(socket()).to_string(), "sending failed");
    }

    #[test]
    fn as_an_io_error_a_message_that_is_not_sent_has_a_kind_and_a_failed_socket_is_itself() {
        for (kind, _, io_kind) in kinds() {
            let shown = format!("{kind:?}");
            let error = io::Error::from(SendError { unsent: None, kind });
            assert_eq!(error.kind(), io_kind, "{shown}");
            let inner = error.into_inner().expect("it is kept");
            let inner = inner.downcast::<SendErrorKind>().expect("with its type");
            assert_eq!(format!("{inner:?}"), shown);
        }
        let error = io::Error::from(SendError { unsent: None, kind: SendErrorKind::Io(socket()) });
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(error.to_string(), "it is reset");
    }

    #[test]
    fn a_failed_socket_and_a_bad_message_are_sources() {
        let fault = wire(WireErrorKind::NullString);
        let bad = "a message cannot be sent; nothing of it was sent".to_owned();
        for (chain, kind) in [
            (vec!["sending failed".into(), "it is reset".into()], SendErrorKind::Io(socket())),
            (vec![bad, fault.to_string()], SendErrorKind::from(fault)),
        ] {
            assert_eq!(error_chain(&kind), chain);
            assert_eq!(error_chain(&SendError { unsent: None, kind }), chain);
        }
        assert_eq!(error_chain(&SendErrorKind::FdsRefusedByPeer { count: 1 }).len(), 1);
    }

    #[test]
    fn an_error_of_the_framed_stream_keeps_its_kind_and_numbers() {
        let fault = wire(WireErrorKind::NullString);
        for (kind, expected) in [
            (codec::SendErrorKind::Codec(fault), SendErrorKind::Wire(fault)),
            (
                codec::SendErrorKind::TooManyFds { count: 29, limit: 28 },
                SendErrorKind::TooManyFds { count: 29, limit: 28 },
            ),
            (
                codec::SendErrorKind::FdsRefusedByPeer { count: 2 },
                SendErrorKind::FdsRefusedByPeer { count: 2 },
            ),
            (
                codec::SendErrorKind::TooManyFdsInFlight { count: 8 },
                SendErrorKind::TooManyFdsInFlight { count: 8 },
            ),
            (codec::SendErrorKind::Io(socket()), SendErrorKind::Io(socket())),
        ] {
            let kind = SendErrorKind::from_codec(kind);
            assert_eq!(format!("{kind:?}"), format!("{expected:?}"));
        }
    }
}
