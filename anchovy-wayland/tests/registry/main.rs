//! Setting up a connection: whose descriptors are whose, what a compositor has, and who is told.
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
