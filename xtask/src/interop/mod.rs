//! Runs the interoperability scenarios against real peers: finds the peers, installs them if that is
//! allowed, and runs one scenario after another.
//!
//! A scenario is a process of its own: the program `interop` of the package interop-tests runs one and
//! ends. What a scenario does is not known here.

mod obtain;
mod paths;
mod peer;
mod peers;
mod report;
mod scenarios;
mod subcommand;

pub(crate) use subcommand::{Arguments, ensure_present, run, run_all};
