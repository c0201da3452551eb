//! Runs the interoperability scenarios against real peers: finds the peers, installs missing ones if
//! that is allowed, and runs the scenarios.
//!
//! Each scenario runs in a separate process of the program `interop` in the package interop-tests.
//! Their content is defined there.

mod obtain;
mod paths;
mod peer;
mod peers;
mod report;
mod scenarios;
mod subcommand;
mod user;

pub(crate) use subcommand::{Arguments, ensure_present, run, run_all};
