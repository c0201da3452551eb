//! Descriptors beside the bytes of an RPC library: real sockets, and a count of descriptors before and
//! after each test.

#![cfg(target_os = "linux")]

mod harness;

mod budget;
mod carrier;
mod cost;
mod errors;
mod foreign_ids;
mod ids;
mod peers;
mod receiving;
mod sending;
