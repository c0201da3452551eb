//! The subcommand `cargo xtask miri`.

use std::process::Stdio;

use anyhow::{Context, Result};

use crate::command;
use crate::requirements::{self, Requirement};

const REQUIREMENTS: &[Requirement] = &[(
    "miri",
    &["rustup", "run", "nightly", "cargo", "miri", "--version"],
    "rustup toolchain install nightly --component miri,rust-src",
)];

/// The modules whose unit tests make no system call, of each crate. Tests with sockets, files or
/// processes are left out: miri runs none of the system calls for descriptors.
const MODULES: &[(&str, &[&str])] = &[
    (
        "anchovy",
        &[
            "budget::ledger::",
            "budget::share::",
            "budget::turn::",
            "held_fds::",
            "path::",
            "space::",
            "sys::control::",
        ],
    ),
    ("anchovy-dbus", &["address::escape::", "address::parse::", "auth::", "guid::", "message::"]),
    (
        "anchovy-wayland",
        &["globals::", "object_table::", "wire::body::", "wire::fixed::", "wire::header::"],
    ),
];

/// Tests that would take minutes: they count what a hundred tasks compare, and check 256 bytes at each
/// position of a name.
const SKIPPED: &[&str] = &[
    "a_release_that_lets_nobody_continue_takes_constant_time",
    "every_byte_at_every_position_is_checked",
];

/// Run the unit tests that make no system call with miri
///
/// miri runs the tests in an interpreter that finds undefined behavior. It cannot run the system calls
/// that pass descriptors, so only the tests of these modules are run:
///
///   anchovy            budget::ledger, budget::share, budget::turn, held_fds, path, space, sys::control
///   anchovy-dbus       address::escape, address::parse, auth, guid, message
///   anchovy-wayland    globals, object_table, wire::body, wire::fixed, wire::header
///
/// Needs a nightly compiler with miri; without it, prints how to install it, and fails.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "\
Examples:
  cargo xtask miri                       the modules above
  cargo xtask miri anchovy-wayland       those of one crate"
)]
pub(crate) struct Arguments {
    /// Crate whose tests are run; without it, all three
    #[arg(value_name = "CRATE", value_parser = MODULES.iter().map(|(name, _)| *name).collect::<Vec<_>>())]
    package: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    requirements::ensure(REQUIREMENTS).context("miri")?;
    for (package, modules) in MODULES {
        if arguments.package.as_deref().is_some_and(|wanted| wanted != *package) {
            continue;
        }
        let mut miri = command::program("rustup");
        miri.args(["run", "nightly", "cargo", "miri", "test", "-p", package, "--all-features"]);
        // A directory of its own: everything is built for the interpreter.
        miri.args(["--lib", "--target-dir", "target/miri", "--"]).args(*modules);
        miri.args(SKIPPED.iter().flat_map(|test| ["--skip", test]));
        // Directories and the environment, which the harness of some tests asks for.
        miri.env("MIRIFLAGS", "-Zmiri-disable-isolation");
        // Of the tests that have the default number, 256.
        miri.env("PROPTEST_CASES", "16");
        command::run(miri.stdin(Stdio::null()))?;
    }
    Ok(())
}
