//! What goes wrong once messages flow.
//!
//! An error of the receiving side ends it: what had arrived is closed, for a peer that is out of
//! step with its own messages cannot be brought back. An error of the sending side is about one
//! message, which comes back whole, unless the socket itself has failed.

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
