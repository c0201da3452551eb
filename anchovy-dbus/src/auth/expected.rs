//! The reply that a client waits for.

use super::error::HandshakeError;
use super::line;

/// The reply that must be the next one of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// `DATA`, which requests the identity. Old servers of sd-bus send `OK` instead.
    Data,
    /// `OK`.
    Ok,
    /// The reply to a `DATA` that the server did not request.
    Ignored,
    /// `REJECTED`, after `CANCEL`.
    Rejected,
    /// `AGREE_UNIX_FD` or `ERROR`.
    Agree,
}

impl Expected {
    /// Returns the error for another line.
    pub(super) fn is_not(self, line: &[u8]) -> HandshakeError {
        let expected = match self {
            Expected::Data => "DATA or OK",
            Expected::Ok => "OK and 32 hex digits",
            Expected::Ignored => "OK or ERROR",
            Expected::Rejected => "REJECTED",
            Expected::Agree => "AGREE_UNIX_FD or ERROR",
        };
        HandshakeError::Unexpected { expected, line: line::printable(line) }
    }
}
