//! The only module with unsafe code: `recvmsg` with its control messages, reading into
//! uninitialized memory, and socket options that rustix does not support.
//!
//! This crate sends with rustix but does not receive with it. The decoder of rustix skips
//! `SCM_INQ` and `SCM_PIDFD`, which leaks a descriptor for each message, and it does not accept
//! uninitialized memory. Differences between operating systems are confined to this module.

#![allow(unsafe_code)]

mod control;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) mod options;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "no_options.rs"]
pub(crate) mod options;
mod own;
pub(crate) mod receive;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) mod register;
