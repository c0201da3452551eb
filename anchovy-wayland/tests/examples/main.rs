//! The examples as programs, with checks of their output and their messages.
#![cfg(target_os = "linux")]

mod compositor;
mod globals;
mod harness;
mod pool;
mod shm_client;
mod wayland_spy;
mod wayland_spy_output;
