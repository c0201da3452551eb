//! What a client has received and the caller has not.

use std::time::Duration;

use crate::display_error::DisplayError;
use crate::error::receive_error::ReceiveError;
use crate::kept::Kept;
use crate::limits::Limits;

/// What a client has received and the caller has not: messages that arrived while the connection waited
/// for others, and after them the reason why there are no more.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) kept: Kept,
    /// Set once nothing more can be received.
    pub(crate) end: Option<End>,
    pub(crate) reply_timeout: Option<Duration>,
}

/// Why nothing more can be received.
#[derive(Debug)]
pub(crate) struct End {
    /// The error that the caller has not received yet.
    pub(crate) unreported: Option<ReceiveError>,
    /// The error that the compositor reported.
    pub(crate) display: Option<DisplayError>,
}

impl Inbox {
    pub(crate) fn new(limits: &Limits) -> Inbox {
        Inbox { kept: Kept::new(limits), end: None, reply_timeout: limits.reply_timeout }
    }

    /// Nothing follows the error that the compositor reports.
    pub(crate) fn end_with(&mut self, error: DisplayError) {
        let unreported = Some(ReceiveError::Display(error.clone()));
        self.end = Some(End { unreported, display: Some(error) });
    }

    /// Nothing follows this error, which the caller receives next; `None` if it knows of the end.
    pub(crate) fn end_after(&mut self, unreported: Option<ReceiveError>) {
        self.end = Some(End { unreported, display: None });
    }
}
