//! Listening for clients.
//!
//! A display has two files, a socket and its lock. The lock is created first and removed last, so a process
//! that holds it may replace and remove the socket.

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
