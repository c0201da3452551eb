//! The Wayland transport against sockets, hostile peers, captures and other implementations.
#![cfg(target_os = "linux")]

mod connection;
mod foreign;
mod harness;
mod sending;
mod shapes;
