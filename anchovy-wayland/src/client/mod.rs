//! What only a client does: it creates objects, and waits for what the compositor answers.
//!
//! A reply has no end of its own. A client sends `wl_display.sync` after its requests, and when the
//! callback of that is done, all of them were handled. Until then a compositor may send other events,
//! or nothing for ever, so there is a timeout, and a bound on what is kept for the caller.

mod connection;
mod create;
mod roundtrip;

#[cfg(all(test, target_os = "linux"))]
mod tests;
