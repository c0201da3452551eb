//! The error of sending a message.
//!
//! Unless the socket failed, the error concerns one message. The message is returned with its descriptors,
//! or stays in the send buffer of a client.

use std::error::Error;
use std::fmt;
use std::io;

use anchovy::codec;

use crate::count::Count;
use crate::display_error::DisplayError;
use crate::wire::message::Message;
use crate::wire::wire_error::WireError;

/// The error of sending a message or of flushing.
///
/// If the error returns a message, the field `unsent` contains the message with its descriptors. No byte of
/// this message was sent.
///
/// Unless the kind is [`Io`](SendErrorKind::Io) or [`Display`](SendErrorKind::Display), the connection can
/// send other messages. On a client, this has one exception: while a message whose descriptors the kernel
/// refused is in the send buffer, no later message is sent.
pub type SendError = codec::SendError<Box<Message>, SendErrorKind>;

/// The cause of a [`SendError`].
#[derive(Debug)]
#[non_exhaustive]
pub enum SendErrorKind {
    /// The socket failed. The messages in the send buffer cannot be sent.
    Io(io::Error),
    /// The compositor reported an error of this client (`wl_display.error`) and closed the connection. The
    /// methods of the [`Connection`](crate::Connection) of a client return this variant. The write half
    /// and the sink return [`Io`](Self::Io).
    Display(DisplayError),
    /// The message exceeds [`Limits::max_message_bytes`](crate::Limits::max_message_bytes), or descriptors
    /// were taken from it.
    Wire(WireError),
    /// The message has more descriptors than one `sendmsg` may have (28, as in libwayland).
    TooManyFds {
        /// Number of descriptors of the message.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// The kernel refused to send descriptors to this peer (`EPERM`).
    ///
    /// On the connection of a client, the message stays in the send buffer, unless it is the request of
    /// [`create`](crate::Connection::create). Each flush tries again, and fails until the peer accepts
    /// descriptors.
    FdsRefusedByPeer {
        /// Number of descriptors of the message.
        count: usize,
    },
    /// The user of this process has more descriptors in flight than `RLIMIT_NOFILE` (`ETOOMANYREFS`,
    /// unix(7)). Or the message has more descriptors than the [account](crate::Listener#budget) of the client
    /// could ever hold in flight. Descriptors are in flight from the call that sends them until the peer
    /// receives them.
    ///
    /// In the first case, the message can be sent again after the receivers have read.
    ///
    /// On the connection of a client, the message stays in the send buffer, unless it is the request of
    /// [`create`](crate::Connection::create). The next flush tries to send the message again. A client keeps
    /// the message because it may create an object, and the compositor must receive the ids of objects in
    /// order.
    TooManyFdsInFlight {
        /// Number of descriptors of the message.
        count: usize,
    },
}

impl fmt::Display for SendErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SendErrorKind::Io(_) => f.write_str("sending to the socket failed"),
            SendErrorKind::Display(error) => error.fmt(f),
            SendErrorKind::Wire(_) => f.write_str("the message is invalid; it was not sent"),
            SendErrorKind::TooManyFds { count, limit } => write!(
                f,
                "the message has {}, limit is {limit}; it was not sent",
                Count(*count, "descriptor")
            ),
            SendErrorKind::FdsRefusedByPeer { count } => write!(
                f,
                "the kernel refused to send {} to this peer (EPERM); the message was not sent, \
                 the peer disabled SO_PASSRIGHTS or a security module denies it",
                Count(*count, "descriptor")
            ),
            SendErrorKind::TooManyFdsInFlight { count } => write!(
                f,
                "sending {} would exceed the limit of descriptors in flight, RLIMIT_NOFILE \
                 (ETOOMANYREFS); the message was not sent, try again after the receivers have read",
                Count(*count, "descriptor")
            ),
        }
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
    /// Converts the error of the framed stream.
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
            // The other variants do not occur: each message has a header, and no other code queues
            // descriptors.
            kind => SendErrorKind::Io(kind.into()),
        }
    }
}

/// Returns the error in [`SendErrorKind::Io`] unchanged. For [`SendErrorKind::Display`],
/// [`get_ref`](io::Error::get_ref) of the new error returns the [`DisplayError`], and for all other variants
/// the [`SendErrorKind`].
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

    /// Each error of one message, its text and its kind.
    fn kinds() -> [(SendErrorKind, &'static str, io::ErrorKind); 4] {
        [
            (
                SendErrorKind::Wire(wire(WireErrorKind::TooLong { length: 20, limit: 16 })),
                "the message is invalid; it was not sent",
                io::ErrorKind::InvalidInput,
            ),
            (
                SendErrorKind::TooManyFds { count: 29, limit: 28 },
                "the message has 29 descriptors, limit is 28; it was not sent",
                io::ErrorKind::InvalidInput,
            ),
            (
                SendErrorKind::FdsRefusedByPeer { count: 2 },
                "the kernel refused to send 2 descriptors to this peer (EPERM); the message was not sent, \
                 the peer disabled SO_PASSRIGHTS or a security module denies it",
                io::ErrorKind::PermissionDenied,
            ),
            (
                SendErrorKind::TooManyFdsInFlight { count: 8 },
                "sending 8 descriptors would exceed the limit of descriptors in flight, RLIMIT_NOFILE \
                 (ETOOMANYREFS); the message was not sent, try again after the receivers have read",
                io::ErrorKind::QuotaExceeded,
            ),
        ]
    }

    #[test]
    fn a_send_error_shows_its_numbers_and_that_nothing_was_sent() {
        for (kind, expected, _) in kinds() {
            assert!(expected.contains(" was not sent"), "{expected}");
            assert_eq!(kind.to_string(), expected);
            assert_eq!(SendError { unsent: None, kind }.to_string(), expected);
        }
        // Part of the messages may have been sent.
        assert_eq!(SendErrorKind::Io(socket()).to_string(), "sending to the socket failed");
    }

    #[test]
    fn an_io_error_of_a_send_error_has_its_kind_and_type() {
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
    fn the_source_is_the_error_of_the_socket_or_of_the_message() {
        let fault = wire(WireErrorKind::NullString);
        let bad = "the message is invalid; it was not sent".to_owned();
        for (chain, kind) in [
            (
                vec!["sending to the socket failed".into(), "it is reset".into()],
                SendErrorKind::Io(socket()),
            ),
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
