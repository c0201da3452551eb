//! The errors of receiving and of sending.

pub(crate) mod receive_error;
pub(crate) mod send_error;

pub use receive_error::ReceiveError;
pub use send_error::{SendError, SendErrorKind};
