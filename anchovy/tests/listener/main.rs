//! The listener against the kernel, other processes and other programs.
//!
//! One file per subject; `harness` has what they share.

#![cfg(target_os = "linux")]

mod harness;

mod abstract_names;
mod accept;
mod adopt;
mod bind;
mod budget;
mod close;
mod errors;
mod exhaustion;
mod fd_passing;
mod mode;
mod race;
mod stale;
#[cfg(feature = "codec")]
mod streams;
