//! The only unsafe code of the crate: `recvmsg` with its control messages, reading into
//! uninitialized memory, and the socket options that rustix does not have.
//!
//! rustix sends for this crate, but cannot receive for it: its decoder skips `SCM_PIDFD`, which
//! leaks a descriptor per message, and `SCM_INQ`, and it takes no uninitialized memory. Differences
//! between operating systems are confined to this module.

#![allow(unsafe_code)]

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) mod options;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "no_options.rs"]
pub(crate) mod options;
mod own;
pub(crate) mod receive;
