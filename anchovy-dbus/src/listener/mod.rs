//! Listening, with a limit on the number of unauthenticated clients.
//!
//! A client needs descriptors as soon as it is accepted, and time until it has authenticated. Both are
//! limited here: the number of clients in the handshake, which uids share fairly, and the descriptors,
//! which are charged to the uid. While the descriptor table is full, the listener waits.

pub(crate) mod accept;
mod bind;
pub(crate) mod incoming;

pub use accept::Listener;
pub use incoming::Incoming;
