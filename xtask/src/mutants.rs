//! The subcommand `cargo xtask mutants`.

use std::process::{Command, Stdio};

use anyhow::Result;

use crate::command;
use crate::requirements::{self, Requirement};

const REQUIREMENTS: &[Requirement] = &[(
    "cargo-mutants",
    &["cargo-mutants", "mutants", "--version"],
    "cargo install cargo-mutants --locked",
)];

/// Change the code in one place at a time and run the tests
///
/// A change that no test notices is a missing test. `.cargo/mutants.toml` lists the files that are
/// changed, and the changes that no test can notice, with the reason for each.
///
/// First runs the unit tests for each change, and then all tests of the package for the changes that
/// the unit tests did not notice. The results are in target/mutants.out; missed.txt lists the changes
/// that no test has noticed. All files take hours.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "\
Examples:
  cargo xtask mutants                                   all files of .cargo/mutants.toml
  cargo xtask mutants '^anchovy/src/send.rs'            one file
  cargo xtask mutants 'anchovy-dbus.* in Header::'      the methods of one type
  cargo xtask mutants --list '^anchovy/src/codec'       the changes, without running a test"
)]
pub(crate) struct Arguments {
    /// Make only the changes whose line in the list matches one of these regular expressions
    #[arg(value_name = "REGEX")]
    changes: Vec<String>,

    /// List the changes, and run no tests
    #[arg(long)]
    list: bool,
}

/// The tests of the two runs. Examples and doc tests repeat what the others check.
const UNIT_TESTS: &[&str] = &["--", "--lib"];
const ALL_TESTS: &[&str] = &["--iterate", "--", "--lib", "--tests"];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    requirements::ensure(REQUIREMENTS)?;
    if arguments.list {
        return command::run(mutants(arguments).arg("--list").stdin(Stdio::null()));
    }
    // The first run fails if the unit tests miss a change, which the second run then tests.
    if command::run(mutants(arguments).args(UNIT_TESTS).stdin(Stdio::null())).is_ok() {
        return Ok(());
    }
    command::run(mutants(arguments).args(ALL_TESTS).stdin(Stdio::null()))
}

fn mutants(arguments: &Arguments) -> Command {
    let mut mutants = command::cargo("mutants --output target");
    for change in &arguments.changes {
        mutants.args(["--re", change]);
    }
    mutants
}
