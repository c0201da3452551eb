//! Setting up a connection: whose descriptors are whose, what a compositor has, and who is told.
#![cfg(target_os = "linux")]

mod display_error;
mod files;
mod handshake;
mod harness;
mod ids;
mod protocols;
mod serving;
mod vectors;
