//! Errors after the handshake.
//!
//! An error of the receiving side is permanent: after an invalid message, the start of the next one is
//! unknown. An error of the sending side concerns one message, which the error contains, unless the
//! socket failed.

pub(crate) mod call_error;
pub(crate) mod codec_error;
pub(crate) mod error_reply;
pub(crate) mod kept_limit;
pub(crate) mod receive_error;
pub(crate) mod send_error;

pub use call_error::CallError;
pub use codec_error::CodecError;
pub use error_reply::ErrorReply;
pub use kept_limit::KeptLimit;
pub use receive_error::ReceiveError;
pub use send_error::{SendError, SendErrorKind};
