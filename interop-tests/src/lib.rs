//! The test harness of all crates: it starts peers, counts descriptors, and ends tests that hang.
//!
//! A test is a future or a closure that is passed to [`run`] or [`guarded`]. It runs alone in its
//! process. It fails if it leaves a descriptor open or closes one that is not its own. If it
//! hangs, the process ends and prints its name. The other modules provide descriptors with
//! identities, foreign peers that make system calls without the crates of this workspace, full
//! descriptor tables, kernels without newer features, traces of system calls, and peers that are
//! real programs.
//!
//! This package depends on no crate of the workspace, so each of them can use it. Scenarios with
//! real programs are in `tests/` of this package.

#![cfg(target_os = "linux")]

mod dbus_daemon;
mod deprived;
mod descriptors;
mod directory;
mod example;
mod foreign;
mod guard;
mod json_page;
mod kernel;
mod peer;
mod program;
mod pseudo_terminal;
mod python;
mod rng;
mod scenario;
mod small_disk;
mod strace;
mod stream_tap;
mod table;
mod tap;
mod turns;

pub use dbus_daemon::DbusDaemon;
pub use deprived::{become_own_user, on_an_older_kernel, own_uid, without_privileges};
pub use descriptors::{
    Identity, descriptors, identities, identity, is_abandoned, memfd, memfds, pipe,
};
pub use directory::{Directory, entries};
pub use example::{build_examples, build_examples_with, example_path};
pub use foreign::{Foreign, foreign_receive, foreign_send};
pub use guard::{guarded, run, run_on_threads, runtime};
pub use json_page::JsonPage;
pub use kernel::kernel_is_at_least;
pub use peer::{Ended, Peer, run_to_end};
pub use program::{BlockingProgram, Program};
pub use pseudo_terminal::terminal_output;
pub use python::{python, switch_pidfds_on};
pub use rng::Rng;
pub use scenario::{Scenario, Transcript, redacted};
pub use small_disk::{SmallDisk, on_a_full_disk};
pub use strace::{count, is_traced, mark, trace, traced};
pub use stream_tap::{Passed, StreamTap, Way};
pub use table::{FullTable, Lowered};
pub use tap::{Said, Tap, Tapped};
pub use turns::{drive_io, now, turns_of_another_task};

/// The pages of the workspace whose examples are tested.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../README.md")]
    struct Readme;
    #[doc = include_str!("../../anchovy/README.md")]
    struct Anchovy;
    #[doc = include_str!("../../anchovy-dbus/README.md")]
    struct Dbus;
    #[doc = include_str!("../../anchovy-wayland/README.md")]
    struct Wayland;
}
