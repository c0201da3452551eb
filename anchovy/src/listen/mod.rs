//! Listeners.
//!
//! ```text
//! AnchovyListener ── ListenerBuilder ──▶ bind ──▶ stale   removes a stale socket ──▶ displaced
//!       │                    │            └─────▶ mode    file permissions
//!       │                    └─────────▶ adopt            a socket that is already bound
//!       └─ accept ─▶ backoff                              delays while there is no room for a client
//! ```

mod accept_options;
mod adopt;
mod anchovy_listener;
mod backoff;
mod bind;
mod directory_lock;
mod displaced;
#[cfg(feature = "codec")]
mod incoming;
mod listen_error;
mod listener_builder;
mod mode;
mod stale;

pub use adopt::IntoUnixListener;
pub use anchovy_listener::AnchovyListener;
#[cfg(feature = "codec")]
pub use incoming::Incoming;
pub use listen_error::ListenError;
pub use listener_builder::ListenerBuilder;
