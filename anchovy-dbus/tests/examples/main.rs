//! The examples, run as their readers run them, and held to what they claim.
#![cfg(target_os = "linux")]

mod bus_client;
mod dbus_spy;
mod harness;
mod peer_server;
