//! The Wayland transport against sockets, hostile peers, captures and wayland-rs.
#![cfg(target_os = "linux")]

mod captures;
mod connection;
#[path = "../registry/files.rs"]
mod files;
mod foreign;
mod harness;
mod properties;
mod sending;
mod server_limits;
mod shapes;
mod with_wayland_rs;
