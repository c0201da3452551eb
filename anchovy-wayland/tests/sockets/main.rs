//! Connecting and listening against the kernel.
#![cfg(target_os = "linux")]

mod accept;
mod bind;
mod budget;
mod connect;
mod exhaustion;
mod free;
mod handover;
mod inherited;
mod names;

use names::names;
