//! The methods that only a client has: creating objects and waiting for replies.
//!
//! The protocol does not mark the end of a reply. So a client sends `wl_display.sync` after its requests:
//! when the compositor sends `done` for this callback, it has handled all of them. Until then the
//! compositor may send any number of other events, or nothing at all. Therefore the kept events are
//! limited, and there is a timeout.

mod connection;
mod create;
mod roundtrip;

#[cfg(all(test, target_os = "linux"))]
mod tests;
