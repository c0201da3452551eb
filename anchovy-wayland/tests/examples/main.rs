//! The examples, run as their readers run them, and held to what they claim.
#![cfg(target_os = "linux")]

mod compositor;
mod globals;
mod harness;
mod pool;
mod shm_client;
mod wayland_spy;
mod weston;
