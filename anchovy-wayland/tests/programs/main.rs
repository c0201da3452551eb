//! Tests with other programs: flock, libwayland, Python, strace and weston.
//!
//! `cargo test` runs what needs nothing but Rust, so it leaves these tests out.
//! `cargo test --test programs` runs them, and so does `cargo xtask ci`.

#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "the tests without other programs use the rest of it")]
#[path = "../wayland/foreign.rs"]
mod foreign;
#[allow(dead_code, reason = "the tests without other programs use the rest of it")]
#[path = "../wayland/harness.rs"]
mod harness;

mod examples;
mod holders;
mod inherited;
mod libwayland;
#[path = "../sockets/names.rs"]
mod names;
mod syscalls;
mod weston;

use names::names;
