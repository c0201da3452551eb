//! Listening: clients are limited in number until they have authenticated.
//!
//! A client costs descriptors as soon as it is accepted, and time until it has said who it is. Both
//! are bounded here: only so many clients at once may be in their handshake, which uids share fairly,
//! and what a client costs is charged to its uid. A table that is full, for whatever reason, is waited
//! for.

pub(crate) mod accept;
mod bind;
pub(crate) mod incoming;

pub use accept::Listener;
pub use incoming::Incoming;
