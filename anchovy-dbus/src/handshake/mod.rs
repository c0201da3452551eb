//! Running the state machine of a handshake over a socket, until it has a result or the time is up.
//!
//! If the state machine fails, its last output is sent only if the socket has room for it.

pub(crate) mod driver;
pub(crate) mod machine;
pub(crate) mod outcome;
pub(crate) mod serving;
