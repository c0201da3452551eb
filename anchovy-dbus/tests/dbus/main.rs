//! The D-Bus transport against sockets, hostile peers and real programs.
#![cfg(target_os = "linux")]

mod by_hand;
mod connection;
mod harness;
