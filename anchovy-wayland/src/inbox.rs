//! The messages and the error that the caller of a client receives next.

use std::time::Duration;

use crate::display_error::DisplayError;
use crate::error::receive_error::ReceiveError;
use crate::kept::Kept;
use crate::limits::Limits;
use crate::signature_source::Admission;
use crate::wire::wire_error::WireError;

/// The messages that arrived while the connection waited for a reply, and after them the error that ended
/// receiving.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) kept: Kept,
    /// Set when nothing more can be received.
    pub(crate) end: Option<End>,
    pub(crate) reply_timeout: Option<Duration>,
}

/// The end of receiving.
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

    /// Ends receiving with the error that the compositor reported.
    pub(crate) fn end_with(&mut self, error: DisplayError) {
        let unreported = Some(ReceiveError::Display(error.clone()));
        self.end = Some(End { unreported, display: Some(error) });
    }

    /// Records a message that is not for the caller.
    pub(crate) fn apply(&mut self, admission: Result<Admission, WireError>) {
        match admission {
            // `Internal` is a reply of a roundtrip that has timed out or was dropped.
            Ok(Admission::Event | Admission::Internal | Admission::Handled) => {}
            Ok(Admission::Display(error)) => self.end_with(error),
            Err(error) => self.end_after(Some(error.into())),
        }
    }

    /// Ends receiving. The caller receives `unreported` after the kept messages.
    pub(crate) fn end_after(&mut self, unreported: Option<ReceiveError>) {
        self.end = Some(End { unreported, display: None });
    }
}
