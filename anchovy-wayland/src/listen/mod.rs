//! From a name to a socket that clients can connect to, and back to nothing when it ends.
//!
//! There are two files to a display, a socket and its lock, and an order in which they come and go:
//! the lock comes first and goes last, so that who holds it may do with the socket what it likes.

pub(crate) mod listen_error;
pub(crate) mod listener;
pub(crate) mod listener_builder;
pub(crate) mod listener_parts;
mod lock;
mod lock_refusal;
mod write_protection;

pub use listen_error::ListenError;
pub use listener::Listener;
pub use listener_builder::ListenerBuilder;
pub use listener_parts::ListenerParts;
pub use lock_refusal::LockRefusal;
