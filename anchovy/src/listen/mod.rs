//! Listening: a socket at a path, and the streams that clients connect.
//!
//! ```text
//! AnchovyListener ── ListenerBuilder ──▶ bind ──▶ stale   what is at the path already
//!       │                    │            └─────▶ mode    permissions
//!       │                    └─────────▶ adopt            a socket that somebody else has bound
//!       └─ accept ─▶ backoff                              no room for a client
//! ```

mod adopt;
mod backoff;
mod bind;
mod builder;
mod error;
#[cfg(feature = "codec")]
mod incoming;
mod listener;
mod lock;
mod mode;
mod stale;

pub use adopt::IntoUnixListener;
pub use builder::ListenerBuilder;
pub use error::ListenError;
#[cfg(feature = "codec")]
pub use incoming::Incoming;
pub use listener::AnchovyListener;
