//! The D-Bus transport against sockets, hostile peers and real programs.
#![cfg(target_os = "linux")]

mod connection;
mod harness;
