//! The error that ends receiving.
//!
//! Every error ends receiving, because descriptors form a queue: after an error, later descriptors can no
//! longer be assigned to messages.

use std::error::Error;
use std::fmt;
use std::io;

use anchovy::Truncation;
use anchovy::codec;

use crate::count::Count;
use crate::decode_position::DecodePosition;
use crate::display_error::DisplayError;
use crate::wire::wire_error::WireError;

/// The error that ends receiving.
///
/// The descriptors that had arrived for later messages are closed. The connection should be dropped. A
/// server can [report](crate::DisplayError::from_receive_error) the error to its client first.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The socket failed.
    Io(io::Error),
    /// The peer sent a message with an invalid header, or a compositor sent a malformed event of
    /// `wl_display`.
    Wire(WireError),
    /// The compositor reported an error of this client (`wl_display.error`) and disconnects it. Only the
    /// connection of a client ([`Objects`](crate::Objects)) returns this variant. Other connections
    /// return the event as a message.
    Display(DisplayError),
    /// A message has arrived without all of its descriptors.
    ///
    /// Descriptors may arrive before their message. The connection does not wait for descriptors that arrive
    /// after their message. A wrong number in [`Signatures`](crate::Signatures) can cause this error too.
    MissingFds {
        /// The message.
        position: DecodePosition,
        /// Number of descriptors of the message, according to [`Signatures`](crate::Signatures).
        declared: usize,
        /// Number of descriptors that had arrived for the message.
        available: usize,
    },
    /// The peer sent more than 28 descriptors in one `sendmsg`. libwayland never does.
    TooManyFds {
        /// Number of received descriptors.
        count: usize,
        /// The limit.
        limit: usize,
        /// The last received message, if there was one.
        after: Option<DecodePosition>,
    },
    /// Too many descriptors wait for a message that takes them
    /// ([`Limits::max_waiting_fds`](crate::Limits::max_waiting_fds)).
    TooManyWaitingFds {
        /// Number of waiting descriptors.
        waiting: usize,
        /// The limit: `max_waiting_fds` less 28.
        limit: usize,
        /// The last received message, if there was one.
        after: Option<DecodePosition>,
    },
    /// Descriptors waited longer than [`Limits::fd_timeout`](crate::Limits::fd_timeout) for a message that
    /// takes them.
    FdsOverdue {
        /// Number of waiting descriptors.
        waiting: usize,
        /// The last received message, if there was one.
        after: Option<DecodePosition>,
    },
    /// The rest of a message did not arrive within
    /// [`Limits::message_timeout`](crate::Limits::message_timeout).
    MessageOverdue {
        /// Number of bytes of the message that had arrived.
        bytes: usize,
        /// The last received message, if there was one.
        after: Option<DecodePosition>,
    },
    /// The peer sent descriptors for which the [account](crate::Listener#budget) of its uid has no room.
    FdsOverBudget {
        /// Number of descriptors that were received at once.
        count: usize,
        /// Number of descriptors for which the account had room.
        available: usize,
        /// The last received message, if there was one.
        after: Option<DecodePosition>,
    },
    /// A message requires more memory than the [account](crate::Listener#budget) of the peer's uid can ever
    /// have.
    BytesOverBudget {
        /// Number of bytes of memory that the message requires.
        bytes: usize,
        /// The last received message, if there was one.
        after: Option<DecodePosition>,
    },
    /// The peer closed the connection after it had sent descriptors that no message takes.
    UnclaimedFds {
        /// Number of these descriptors, which were closed.
        count: usize,
        /// The last received message, if there was one.
        after: Option<DecodePosition>,
    },
    /// The kernel did not deliver all descriptors, because a descriptor table is full or a security module
    /// denied one. This is not an error of the peer.
    Truncated {
        /// The cause.
        cause: Truncation,
        /// The last received message, if there was one.
        after: Option<DecodePosition>,
    },
    /// The peer closed the connection inside a message.
    ClosedInsideMessage {
        /// Number of bytes of the message that had arrived.
        bytes: usize,
        /// The last received message, if there was one.
        after: Option<DecodePosition>,
    },
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = match self {
            ReceiveError::Io(_) => {
                f.write_str("receiving from the socket failed")?;
                None
            }
            ReceiveError::Wire(_) => {
                f.write_str("received a malformed message")?;
                None
            }
            ReceiveError::Display(error) => return error.fmt(f),
            ReceiveError::MissingFds { position, declared, available } => {
                write!(
                    f,
                    "{position} has {}, {available} arrived before its end",
                    Count(*declared, "descriptor")
                )?;
                None
            }
            ReceiveError::TooManyFds { count, limit, after } => {
                let received = Count(*count, "descriptor");
                write!(f, "received {received} at once, limit is {limit}")?;
                *after
            }
            ReceiveError::TooManyWaitingFds { waiting, limit, after } => {
                let waiting = Count(*waiting, "descriptor");
                write!(f, "received {waiting} without a message, limit is {limit}")?;
                *after
            }
            ReceiveError::FdsOverdue { waiting, after } => {
                write!(f, "{} waited too long for a message", Count(*waiting, "descriptor"))?;
                *after
            }
            ReceiveError::MessageOverdue { bytes, after } => {
                write!(
                    f,
                    "the rest of a message did not arrive in time, {} arrived",
                    Count(*bytes, "byte")
                )?;
                *after
            }
            ReceiveError::FdsOverBudget { count, available, after } => {
                write!(
                    f,
                    "received {} at once, the account of the peer has room for {available}",
                    Count(*count, "descriptor")
                )?;
                *after
            }
            ReceiveError::BytesOverBudget { bytes, after } => {
                write!(
                    f,
                    "a message requires {} of memory, more than the account of the peer can have",
                    Count(*bytes, "byte")
                )?;
                *after
            }
            ReceiveError::UnclaimedFds { count, after } => {
                write!(
                    f,
                    "the peer closed the connection and left {} without a message",
                    Count(*count, "descriptor")
                )?;
                *after
            }
            ReceiveError::Truncated { cause, after } => {
                write!(f, "the kernel did not deliver all descriptors: {cause}")?;
                *after
            }
            ReceiveError::ClosedInsideMessage { bytes, after } => {
                write!(
                    f,
                    "the peer closed the connection after {} of a message",
                    Count(*bytes, "byte")
                )?;
                *after
            }
        };
        if let Some(position) = after {
            write!(f, " (after {position})")?;
        }
        f.write_str("; drop the connection")
    }
}

impl Error for ReceiveError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ReceiveError::Io(error) => Some(error),
            ReceiveError::Wire(error) => Some(error),
            _ => None,
        }
    }
}

impl From<WireError> for ReceiveError {
    fn from(error: WireError) -> ReceiveError {
        ReceiveError::Wire(error)
    }
}

impl ReceiveError {
    /// Converts the error of the framed stream. `last` is the last decoded message. If descriptors are
    /// missing, they are those of this message.
    pub(crate) fn from_codec(
        error: codec::ReceiveError<WireError>,
        last: Option<DecodePosition>,
    ) -> ReceiveError {
        let after = last;
        match (error, last) {
            (codec::ReceiveError::Io(error), _) => ReceiveError::Io(error),
            (codec::ReceiveError::Codec(error), _) => ReceiveError::Wire(error),
            (codec::ReceiveError::MissingFds { declared, available }, Some(position)) => {
                ReceiveError::MissingFds { position, declared, available }
            }
            (codec::ReceiveError::TooManyFds { count, limit }, _) => {
                ReceiveError::TooManyFds { count, limit, after }
            }
            (codec::ReceiveError::TooManyWaitingFds { waiting, limit }, _) => {
                ReceiveError::TooManyWaitingFds { waiting, limit, after }
            }
            (codec::ReceiveError::FdsOverdue { waiting }, _) => {
                ReceiveError::FdsOverdue { waiting, after }
            }
            (codec::ReceiveError::FrameOverdue { bytes }, _) => {
                ReceiveError::MessageOverdue { bytes, after }
            }
            (codec::ReceiveError::FdsOverBudget { count, available }, _) => {
                ReceiveError::FdsOverBudget { count, available, after }
            }
            (codec::ReceiveError::BytesOverBudget { bytes }, _) => {
                ReceiveError::BytesOverBudget { bytes, after }
            }
            (codec::ReceiveError::UnclaimedFds { count }, _) => {
                ReceiveError::UnclaimedFds { count, after }
            }
            (codec::ReceiveError::Truncated { cause }, _) => {
                ReceiveError::Truncated { cause, after }
            }
            (codec::ReceiveError::ClosedInsideFrame { bytes }, _) => {
                ReceiveError::ClosedInsideMessage { bytes, after }
            }
            // The other variants do not occur: only the framed stream reads from the socket, and no
            // length in a header exceeds the limit of the framed stream.
            (error, _) => ReceiveError::Io(error.into()),
        }
    }
}

impl From<ReceiveError> for io::Error {
    fn from(error: ReceiveError) -> io::Error {
        let kind = match &error {
            ReceiveError::Io(inner) => inner.kind(),
            ReceiveError::Display(_) => io::ErrorKind::Other,
            ReceiveError::FdsOverdue { .. } | ReceiveError::MessageOverdue { .. } => {
                io::ErrorKind::TimedOut
            }
            ReceiveError::Truncated { .. }
            | ReceiveError::TooManyWaitingFds { .. }
            | ReceiveError::FdsOverBudget { .. }
            | ReceiveError::BytesOverBudget { .. } => io::ErrorKind::QuotaExceeded,
            ReceiveError::ClosedInsideMessage { .. } => io::ErrorKind::UnexpectedEof,
            _ => io::ErrorKind::InvalidData,
        };
        io::Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_chain::error_chain;
    use crate::wire::wire_error::WireErrorKind;

    const POSITION: DecodePosition = DecodePosition { object: 7, opcode: 3 };

    fn wire(kind: WireErrorKind) -> WireError {
        WireError { object: 7, opcode: 3, kind }
    }

    fn socket() -> io::Error {
        io::Error::new(io::ErrorKind::ConnectionReset, "it is reset")
    }

    /// Each error that may follow a message, and its text.
    fn after(after: Option<DecodePosition>) -> [(ReceiveError, &'static str); 9] {
        [
            (
                ReceiveError::TooManyFds { count: 29, limit: 28, after },
                "received 29 descriptors at once, limit is 28",
            ),
            (
                ReceiveError::TooManyWaitingFds { waiting: 4, limit: 3, after },
                "received 4 descriptors without a message, limit is 3",
            ),
            (
                ReceiveError::FdsOverdue { waiting: 2, after },
                "2 descriptors waited too long for a message",
            ),
            (
                ReceiveError::MessageOverdue { bytes: 7, after },
                "the rest of a message did not arrive in time, 7 bytes arrived",
            ),
            (
                ReceiveError::FdsOverBudget { count: 9, available: 8, after },
                "received 9 descriptors at once, the account of the peer has room for 8",
            ),
            (
                ReceiveError::BytesOverBudget { bytes: 99, after },
                "a message requires 99 bytes of memory, more than the account of the peer can have",
            ),
            (
                ReceiveError::UnclaimedFds { count: 5, after },
                "the peer closed the connection and left 5 descriptors without a message",
            ),
            (
                ReceiveError::Truncated { cause: Truncation::SystemTableFull, after },
                "the kernel did not deliver all descriptors: the file table of the system is full (fs.file-max)",
            ),
            (
                ReceiveError::ClosedInsideMessage { bytes: 6, after },
                "the peer closed the connection after 6 bytes of a message",
            ),
        ]
    }

    /// The end of each text.
    const ENDED: &str = "; drop the connection";

    #[test]
    fn a_receive_error_shows_the_last_message() {
        for (error, what) in after(Some(POSITION)) {
            assert_eq!(
                error.to_string(),
                format!("{what} (after message with opcode 3 of object 7){ENDED}")
            );
        }
        for (error, what) in after(None) {
            assert_eq!(error.to_string(), format!("{what}{ENDED}"), "there was none");
        }
    }

    #[test]
    fn missing_descriptors_are_reported_with_their_message() {
        let missing = ReceiveError::MissingFds { position: POSITION, declared: 2, available: 1 };
        for (error, what) in [
            (ReceiveError::Io(socket()), "receiving from the socket failed"),
            (
                ReceiveError::Wire(wire(WireErrorKind::UnknownOpcode)),
                "received a malformed message",
            ),
            (
                missing,
                "message with opcode 3 of object 7 has 2 descriptors, 1 arrived before its end",
            ),
        ] {
            assert_eq!(error.to_string(), format!("{what}{ENDED}"));
        }
    }

    #[test]
    fn an_error_of_the_framed_stream_names_the_last_message() {
        for last in [None, Some(POSITION)] {
            let errors = [
                codec::ReceiveError::TooManyFds { count: 29, limit: 28 },
                codec::ReceiveError::TooManyWaitingFds { waiting: 4, limit: 3 },
                codec::ReceiveError::FdsOverdue { waiting: 2 },
                codec::ReceiveError::FrameOverdue { bytes: 7 },
                codec::ReceiveError::FdsOverBudget { count: 9, available: 8 },
                codec::ReceiveError::BytesOverBudget { bytes: 99 },
                codec::ReceiveError::UnclaimedFds { count: 5 },
                codec::ReceiveError::Truncated { cause: Truncation::SystemTableFull },
                codec::ReceiveError::ClosedInsideFrame { bytes: 6 },
            ];
            for (error, (expected, _)) in errors.into_iter().zip(after(last)) {
                let error = ReceiveError::from_codec(error, last);
                assert_eq!(format!("{error:?}"), format!("{expected:?}"));
            }
        }
        let missing = codec::ReceiveError::MissingFds { declared: 2, available: 1 };
        let missing = ReceiveError::from_codec(missing, Some(POSITION));
        let expected = ReceiveError::MissingFds { position: POSITION, declared: 2, available: 1 };
        assert_eq!(format!("{missing:?}"), format!("{expected:?}"), "it has its own");
    }

    #[test]
    fn the_source_is_the_error_of_the_socket_or_of_the_message() {
        let fault = wire(WireErrorKind::NullString);
        let bad = format!("received a malformed message{ENDED}");
        assert_eq!(error_chain(&ReceiveError::from(fault)), [bad, fault.to_string()]);
        let failed = [format!("receiving from the socket failed{ENDED}"), "it is reset".into()];
        assert_eq!(error_chain(&ReceiveError::Io(socket())), failed);
        for (error, _) in after(None) {
            assert_eq!(error_chain(&error).len(), 1, "{error}");
        }
    }

    #[test]
    fn an_io_error_of_a_receive_error_has_its_kind_and_type() {
        use io::ErrorKind;

        let fault = wire(WireErrorKind::NullString);
        let all = [
            (ReceiveError::Io(socket()), ErrorKind::ConnectionReset),
            (ReceiveError::Wire(fault), ErrorKind::InvalidData),
            (
                ReceiveError::MissingFds { position: POSITION, declared: 2, available: 1 },
                ErrorKind::InvalidData,
            ),
        ];
        let kinds = [
            ErrorKind::InvalidData,
            ErrorKind::QuotaExceeded,
            ErrorKind::TimedOut,
            ErrorKind::TimedOut,
            ErrorKind::QuotaExceeded,
            ErrorKind::QuotaExceeded,
            ErrorKind::InvalidData,
            ErrorKind::QuotaExceeded,
            ErrorKind::UnexpectedEof,
        ];
        let after = after(Some(POSITION)).map(|(error, _)| error).into_iter().zip(kinds);
        for (error, kind) in all.into_iter().chain(after) {
            let shown = format!("{error:?}");
            let error = io::Error::from(error);
            assert_eq!(error.kind(), kind, "{shown}");
            let inner = error.into_inner().expect("it is kept");
            let inner = inner.downcast::<ReceiveError>().expect("with its type");
            assert_eq!(format!("{inner:?}"), shown);
        }
    }
}
