//! The D-Bus transport against sockets, hostile peers and zbus.
#![cfg(target_os = "linux")]

mod auth_budgets;
mod auth_bugs;
mod auth_calls;
mod auth_client;
mod auth_machines;
mod auth_properties;
mod auth_rows;
mod auth_sockets;
#[cfg(feature = "zbus")]
mod bodies;
mod budget;
mod calls;
mod connection;
mod cves;
mod errors;
mod exhaustion;
mod foreign;
mod given_listener;
mod harness;
mod hello;
mod manual;
mod properties;
mod shapes;
mod transcripts;
mod with_zbus;
