//! Tests with other programs: dbus-daemon, dbus-send, strace and unshare.
//!
//! `cargo test` runs what needs nothing but Rust, so it leaves these tests out.
//! `cargo test --test programs` runs them, and so does `cargo xtask ci`.

#![cfg(target_os = "linux")]

#[allow(dead_code, reason = "the tests without other programs use the rest of it")]
#[path = "../dbus/foreign.rs"]
mod foreign;
#[allow(dead_code, reason = "the tests without other programs use the rest of it")]
#[path = "../dbus/harness.rs"]
mod harness;

mod dbus_daemon;
mod examples;
mod hello;
mod syscalls;
