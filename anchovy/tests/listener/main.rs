//! Tests of the listener with the kernel, other processes and other programs.
//!
//! Each subject has a file, and `harness` has the common code.

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
