//! Why no more messages can be received.
//!
//! An error of the receiving side ends it: descriptors are a queue, and after an error nobody can tell
//! which message the next ones are of.

use std::error::Error;
use std::fmt;
use std::io;

use anchovy::Truncation;
use anchovy::codec;

use crate::decode_position::DecodePosition;
use crate::display_error::DisplayError;
use crate::wire::wire_error::WireError;

/// Why no more messages can be received.
///
/// The descriptors that had arrived and are not of a received message are closed. Drop the connection. A
/// server can [report](crate::DisplayError::from_receive_error) the error to its client first.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The socket failed.
    Io(io::Error),
    /// The peer sent bytes that are no message, or a compositor sent a malformed event of `wl_display`.
    Wire(WireError),
    /// The compositor reports an error of this client, and disconnects it (`wl_display.error`). Only the
    /// connection of a client ([`Objects`](crate::Objects)) reports it so.
    Display(DisplayError),
    /// A message has arrived whole without all of its descriptors.
    ///
    /// Descriptors may arrive before their message, not after it. A wrong
    /// [count](crate::Signatures) gives them to another message.
    MissingFds {
        /// The message.
        position: DecodePosition,
        /// Number of descriptors that it has.
        declared: usize,
        /// Number of descriptors that had arrived for it.
        available: usize,
    },
    /// The peer sent more descriptors in one `sendmsg` than libwayland does.
    TooManyFds {
        /// Number of descriptors.
        count: usize,
        /// The limit.
        limit: usize,
        /// The message that was received last, if there was one.
        after: Option<DecodePosition>,
    },
    /// More descriptors wait without a message that claims them than may
    /// ([`Limits::max_waiting_fds`](crate::Limits)).
    TooManyWaitingFds {
        /// Number of descriptors.
        waiting: usize,
        /// The limit.
        limit: usize,
        /// The message that was received last, if there was one.
        after: Option<DecodePosition>,
    },
    /// Descriptors waited too long for their message ([`Limits::fd_timeout`](crate::Limits)).
    FdsOverdue {
        /// Number of descriptors.
        waiting: usize,
        /// The message that was received last, if there was one.
        after: Option<DecodePosition>,
    },
    /// The rest of a message did not arrive in time ([`Limits::message_timeout`](crate::Limits)).
    MessageOverdue {
        /// Number of bytes of the message that had arrived.
        bytes: usize,
        /// The message before it, if there was one.
        after: Option<DecodePosition>,
    },
    /// The peer sent descriptors for which its account has no room
    /// ([`Listener::budget`](crate::Listener::budget)).
    FdsOverBudget {
        /// Number of descriptors that were received at once.
        count: usize,
        /// Number of descriptors for which the account had room.
        available: usize,
        /// The message that was received last, if there was one.
        after: Option<DecodePosition>,
    },
    /// A message needs more memory than the account of the peer could ever have
    /// ([`Listener::budget`](crate::Listener::budget)).
    BytesOverBudget {
        /// Number of bytes of memory that it needs next.
        bytes: usize,
        /// The message before it, if there was one.
        after: Option<DecodePosition>,
    },
    /// The peer closed the connection and left descriptors that no message had claimed.
    UnclaimedFds {
        /// Number of descriptors; they were closed.
        count: usize,
        /// The message that was received last, if there was one.
        after: Option<DecodePosition>,
    },
    /// The kernel did not return all descriptors: the descriptor table of this process is full, or a
    /// security module refused. The peer did nothing wrong.
    Truncated {
        /// The cause.
        cause: Truncation,
        /// The message that was received last, if there was one.
        after: Option<DecodePosition>,
    },
    /// The peer closed the connection in the middle of a message.
    ClosedInsideMessage {
        /// Number of bytes of the message that had arrived.
        bytes: usize,
        /// The message before it, if there was one.
        after: Option<DecodePosition>,
    },
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = match self {
            ReceiveError::Io(_) => {
                f.write_str("receiving failed")?;
                None
            }
            ReceiveError::Wire(_) => {
                f.write_str("the peer sent a bad message")?;
                None
            }
            ReceiveError::Display(error) => return error.fmt(f),
            ReceiveError::MissingFds { position, declared, available } => {
                write!(f, "{position} has {declared} descriptors, {available} have arrived")?;
                None
            }
            ReceiveError::TooManyFds { count, limit, after } => {
                write!(f, "the peer sent {count} descriptors at once, limit is {limit}")?;
                *after
            }
            ReceiveError::TooManyWaitingFds { waiting, limit, after } => {
                write!(f, "{waiting} descriptors wait for a message, limit is {limit}")?;
                *after
            }
            ReceiveError::FdsOverdue { waiting, after } => {
                write!(f, "{waiting} descriptors waited too long for a message")?;
                *after
            }
            ReceiveError::MessageOverdue { bytes, after } => {
                write!(f, "the rest of a message is overdue, {bytes} bytes of it arrived")?;
                *after
            }
            ReceiveError::FdsOverBudget { count, available, after } => {
                write!(
                    f,
                    "the peer sent {count} descriptors at once, and its account has room for \
                     {available}"
                )?;
                *after
            }
            ReceiveError::BytesOverBudget { bytes, after } => {
                write!(
                    f,
                    "a message needs {bytes} bytes of memory, which the account of the peer can \
                     never have"
                )?;
                *after
            }
            ReceiveError::UnclaimedFds { count, after } => {
                write!(f, "the peer left {count} descriptors that no message has")?;
                *after
            }
            ReceiveError::Truncated { cause, after } => {
                write!(f, "descriptors were cut off: {cause}")?;
                *after
            }
            ReceiveError::ClosedInsideMessage { bytes, after } => {
                write!(f, "the peer closed the connection {bytes} bytes into a message")?;
                *after
            }
        };
        if let Some(position) = after {
            write!(f, ", after {position}")?;
        }
        f.write_str("; what had arrived was closed, and no more can be received")
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
    /// Makes the error of a connection from that of its framed stream. `last` is the message that was
    /// decoded last; one whose descriptors are missing is that message itself.
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
            // The others do not happen: no other descriptors are read from the socket, and no header
            // says a length beyond the limit of the framed stream.
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

    /// Each of those that happen after a message, and what it says.
    fn after(after: Option<DecodePosition>) -> [(ReceiveError, &'static str); 9] {
        [
            (
                ReceiveError::TooManyFds { count: 29, limit: 28, after },
                "the peer sent 29 descriptors at once, limit is 28",
            ),
            (
                ReceiveError::TooManyWaitingFds { waiting: 4, limit: 3, after },
                "4 descriptors wait for a message, limit is 3",
            ),
            (
                ReceiveError::FdsOverdue { waiting: 2, after },
                "2 descriptors waited too long for a message",
            ),
            (
                ReceiveError::MessageOverdue { bytes: 7, after },
                "the rest of a message is overdue, 7 bytes of it arrived",
            ),
            (
                ReceiveError::FdsOverBudget { count: 9, available: 8, after },
                "the peer sent 9 descriptors at once, and its account has room for 8",
            ),
            (
                ReceiveError::BytesOverBudget { bytes: 99, after },
                "a message needs 99 bytes of memory, which the account of the peer can never have",
            ),
            (
                ReceiveError::UnclaimedFds { count: 5, after },
                "the peer left 5 descriptors that no message has",
            ),
            (
                ReceiveError::Truncated { cause: Truncation::SystemTableFull, after },
                "descriptors were cut off: the file table of the system is full (fs.file-max)",
            ),
            (
                ReceiveError::ClosedInsideMessage { bytes: 6, after },
                "the peer closed the connection 6 bytes into a message",
            ),
        ]
    }

    /// What an error says of the connection.
    const ENDED: &str = "; what had arrived was closed, and no more can be received";

    #[test]
    fn a_receive_error_shows_the_message_before_it() {
        for (error, what) in after(Some(POSITION)) {
            assert_eq!(error.to_string(), format!("{what}, after message 3 of object 7{ENDED}"));
        }
        for (error, what) in after(None) {
            assert_eq!(error.to_string(), format!("{what}{ENDED}"), "there was none");
        }
    }

    #[test]
    fn a_receive_error_shows_its_own_message() {
        let missing = ReceiveError::MissingFds { position: POSITION, declared: 2, available: 1 };
        for (error, what) in [
            (ReceiveError::Io(socket()), "receiving failed"),
            (ReceiveError::Wire(wire(WireErrorKind::UnknownOpcode)), "the peer sent a bad message"),
            (missing, "message 3 of object 7 has 2 descriptors, 1 have arrived"),
        ] {
            assert_eq!(error.to_string(), format!("{what}{ENDED}"));
        }
    }

    #[test]
    fn an_error_of_the_framed_stream_gets_the_message_before_it() {
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
    fn a_failed_socket_and_a_bad_message_are_sources() {
        let fault = wire(WireErrorKind::NullString);
        let bad = format!("the peer sent a bad message{ENDED}");
        assert_eq!(error_chain(&ReceiveError::from(fault)), [bad, fault.to_string()]);
        let failed = [format!("receiving failed{ENDED}"), "it is reset".into()];
        assert_eq!(error_chain(&ReceiveError::Io(socket())), failed);
        for (error, _) in after(None) {
            assert_eq!(error_chain(&error).len(), 1, "{error}");
        }
    }

    #[test]
    fn as_an_io_error_the_end_of_receiving_has_a_kind_and_keeps_its_type() {
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
