//! The examples, run as their readers run them, and held to what they claim.
#![cfg(target_os = "linux")]

#[cfg(feature = "zbus")]
mod bus_client;
mod dbus_spy;
mod dbus_spy_output;
#[cfg(feature = "zbus")]
mod get_name_owner;
mod harness;
mod peer_server;
