//! The first thing that a client does: it asks what there is, and waits for the end of the answer.
//!
//! The answer has no end of its own, so a `sync` is sent behind the question, and when its callback
//! is done, the answer was complete. Until then a compositor may send whatever it likes, or nothing
//! for ever; so there is a deadline, a bound on what is kept, and a place for what is not ours.

mod answer;
mod driver;

pub use answer::{MAX_HANDSHAKE_BYTES, MAX_HANDSHAKE_FDS};
