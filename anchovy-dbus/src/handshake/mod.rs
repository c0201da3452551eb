//! A machine of the handshake and a socket: what arrives goes in, what comes out is sent, until the
//! machine has what was asked of it or the time is up.
//!
//! A machine that fails may still have something to say; it is sent if there is room for it at
//! once, and nobody waits.

pub(crate) mod driver;
pub(crate) mod machine;
pub(crate) mod outcome;
pub(crate) mod serving;
