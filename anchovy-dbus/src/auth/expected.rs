//! The reply that a client waits for.

use super::error::HandshakeError;
use super::line;

/// What the next reply of the server has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// `DATA`, which asks who we are; `OK` from old servers of sd-bus, which do not ask.
    Data,
    /// `OK`.
    Ok,
    /// What a server says to a `DATA` that it did not ask for.
    Ignored,
    /// `REJECTED`, for we have cancelled.
    Rejected,
    /// `AGREE_UNIX_FD` or `ERROR`.
    Agree,
}

impl Expected {
    /// The error for a line that is something else.
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
