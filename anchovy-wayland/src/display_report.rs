//! What a compositor tells a client from which it can receive no more.

use crate::display_error::{DisplayError, invalid_arguments};
use crate::error::receive_error::ReceiveError;
use crate::wire::object_id::ObjectId;

impl DisplayError {
    /// Returns what a compositor tells a client from which it can receive no more, before it closes;
    /// `None` if no client would read it.
    ///
    /// The codes are those that libwayland sends. Its texts name interfaces, which are not known here. For
    /// surplus descriptors libwayland reports nothing and closes; it waits for ever for the rest of a
    /// message, which is [`IMPLEMENTATION`](Self::IMPLEMENTATION) here.
    ///
    /// ```
    /// use anchovy_wayland::{Connection, DisplayError, Limits, Message, ObjectId, SendError};
    ///
    /// async fn serve(mut client: Connection<fn(ObjectId, u16) -> usize>) -> Result<(), SendError> {
    ///     loop {
    ///         match client.receive().await {
    ///             Ok(Some(request)) => drop(request),
    ///             Ok(None) => return Ok(()),
    ///             Err(error) => match DisplayError::from_receive_error(&error) {
    ///                 Some(error) => return client.send(error.message()).await,
    ///                 None => return Ok(()),
    ///             },
    ///         }
    ///     }
    /// }
    /// ```
    pub fn from_receive_error(error: &ReceiveError) -> Option<DisplayError> {
        let code = match error {
            ReceiveError::Wire(error) => return Some(DisplayError::from(*error)),
            ReceiveError::MissingFds { position, .. } => {
                return Some(invalid_arguments(position.object, position.opcode));
            }
            ReceiveError::TooManyFds { .. }
            | ReceiveError::TooManyWaitingFds { .. }
            | ReceiveError::FdsOverdue { .. } => DisplayError::INVALID_METHOD,
            ReceiveError::Truncated { .. }
            | ReceiveError::FdsOverBudget { .. }
            | ReceiveError::BytesOverBudget { .. } => DisplayError::NO_MEMORY,
            ReceiveError::MessageOverdue { .. } => DisplayError::IMPLEMENTATION,
            // The client has disconnected.
            ReceiveError::Io(_)
            | ReceiveError::UnclaimedFds { .. }
            | ReceiveError::ClosedInsideMessage { .. }
            // It is a compositor.
            | ReceiveError::Display(_) => return None,
        };
        let text = match error {
            ReceiveError::TooManyFds { count, limit, .. } => {
                format!("{count} file descriptors at once exceed {limit}")
            }
            ReceiveError::TooManyWaitingFds { waiting, limit, .. } => {
                format!("{waiting} file descriptors without a message exceed {limit}")
            }
            ReceiveError::FdsOverdue { waiting, .. } => {
                format!("{waiting} file descriptors have no message")
            }
            ReceiveError::MessageOverdue { bytes, .. } => {
                format!("the rest of a message is overdue, {bytes} bytes of it arrived")
            }
            ReceiveError::BytesOverBudget { .. } => "no memory".to_owned(),
            _ => "no room for file descriptors".to_owned(),
        };
        Some(DisplayError::new(ObjectId::DISPLAY, code, text))
    }
}
