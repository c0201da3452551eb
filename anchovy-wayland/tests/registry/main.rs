//! Registries, objects and display errors of clients and compositors.
#![cfg(target_os = "linux")]

mod allocations;
mod creating;
mod display_error;
mod files;
mod handshake;
mod harness;
mod in_flight;
mod io_errors;
mod last_error;
mod model;
mod protocols;
mod roundtrip;
mod serving;
mod vectors;
