//! Listening for clients.
//!
//! A display has two files, a socket and its lock file. The lock file is created first and removed last, so
//! the process that holds the lock may replace and remove the socket.

pub(crate) mod listen_error;
pub(crate) mod listener;
pub(crate) mod listener_builder;
pub(crate) mod listener_parts;
mod lock;
pub(crate) mod lock_refusal;
mod write_protection;

pub use listen_error::ListenError;
pub use listener::Listener;
pub use listener_builder::ListenerBuilder;
pub use listener_parts::ListenerParts;
pub use lock_refusal::LockRefusal;
