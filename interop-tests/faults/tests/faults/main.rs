//! Transfers with faults and canceled futures.

#![cfg(all(target_os = "linux", anchovy_faults))]

mod codec;
mod copies;
mod dbus;
mod exchanges;
mod frames;
mod sides;
mod streams;
mod wayland;
