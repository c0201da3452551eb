//! The harness that the tests of all crates share: it spawns a peer, watches descriptors, and ends
//! what hangs.
//!
//! A test is a future, or a closure, that is given to [`run`] or [`guarded`]. It runs alone in its
//! process, fails if it leaves a descriptor open or closes one that is not its own, and if it hangs,
//! the process ends with its name. The rest is what such tests are made of: descriptors that can be
//! told apart, foreign ends that speak to the kernel without our crates, tables without room,
//! kernels without features, the system calls themselves, and peers that are real programs.
//!
//! No crate of the workspace is used here, so that each of them can use this one. Scenarios against
//! real programs are in `tests/` of this package.

#![cfg(target_os = "linux")]

mod dbus_daemon;
mod deprived;
mod descriptors;
mod directory;
mod example;
mod foreign;
mod guard;
mod kernel;
mod peer;
mod program;
mod python;
mod scenario;
mod strace;
mod stream_tap;
mod table;
mod tap;
mod turns;

pub use dbus_daemon::DbusDaemon;
pub use deprived::{on_an_older_kernel, without_privileges};
pub use descriptors::{
    Identity, descriptors, identities, identity, is_abandoned, memfd, memfds, pipe,
};
pub use directory::{Directory, entries};
pub use example::{build_examples, example_path};
pub use foreign::{Foreign, foreign_receive, foreign_send};
pub use guard::{guarded, run, run_on_threads, runtime};
pub use kernel::kernel_is_at_least;
pub use peer::{Ended, Peer, run_to_end};
pub use program::{BlockingProgram, Program};
pub use python::{python, switch_pidfds_on};
pub use scenario::{Scenario, Transcript, redacted};
pub use strace::{count, is_traced, mark, trace, traced};
pub use stream_tap::{Passed, StreamTap, Way};
pub use table::{FullTable, Lowered};
pub use tap::{Said, Tap, Tapped};
pub use turns::{drive_io, now};

/// The README, for its examples, which take all of the crates.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
