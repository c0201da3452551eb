//! The errors that a compositor reports to a client from which it can receive no more messages.

use crate::display_error::{DisplayError, invalid_arguments};
use crate::error::receive_error::ReceiveError;
use crate::wire::object_id::ObjectId;

impl DisplayError {
    /// Converts the error of a receive into the error that a compositor reports to its client before it
    /// closes the connection. Returns `None` if the client has closed the connection or the socket failed.
    ///
    /// The codes are those of libwayland. For errors that libwayland does not report, this method returns
    /// the following codes:
    ///
    /// - [`INVALID_METHOD`](Self::INVALID_METHOD) for too many descriptors, and for descriptors that no
    ///   message takes in time;
    /// - [`NO_MEMORY`](Self::NO_MEMORY) for descriptors or bytes that exceed the budget;
    /// - [`IMPLEMENTATION`](Self::IMPLEMENTATION) for a message that does not arrive completely in time.
    ///
    /// The texts have no names of interfaces, which are not known here.
    ///
    /// # Examples
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
            // Only a compositor sends this event, and it does not read one.
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
