//! The harness of the fault tests: seeds, faults, canceled futures, and what is expected of them.
//!
//! A scenario is an async function that is run once for each seed by `run`. The seed decides
//! everything: the workload, the faults of each system call, and where futures are dropped. A
//! failed seed is printed with the command that repeats it.
//!
//! The crate is empty in a build without `--cfg anchovy_faults`, which `cargo xtask faults` sets.

#![cfg(all(target_os = "linux", anchovy_faults))]

mod cancel;
mod faults;
mod ledger;
mod run;
mod traffic;

pub use cancel::{Cancel, cancel};
pub use faults::{Fault, Faults, Kinds};
pub use interop_tests::Rng;
pub use ledger::Ledger;
pub use run::run;
pub use traffic::{Order, Traffic, pattern};
