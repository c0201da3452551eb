//! Tests with other programs: strace, which shows system calls and makes them fail, and Python.
//!
//! `cargo test` runs what needs nothing but Rust, so it leaves these tests out.
//! `cargo test --test programs` runs them, and so does `cargo xtask ci`.

#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "the tests of streams use the rest of it")]
#[path = "../stream/harness.rs"]
mod harness;

mod accept;
#[cfg(feature = "codec")]
mod codec;
mod exchange;
mod listener;
mod options;
mod python;
mod syscalls;
