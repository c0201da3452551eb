//! The subcommand `cargo xtask ci`.
//!
//! CI and contributors run the same command. All steps are in one function.

use std::process::Stdio;

use anyhow::{Context, Result};

use crate::command;
use crate::counts;
use crate::cycles;
use crate::dependencies;
use crate::faults;
use crate::fuzz;
use crate::interop;
use crate::links;
use crate::lints::{self, Background};
use crate::lock;
use crate::loom;
use crate::named_tests;
use crate::plain_path;
use crate::steps::Steps;
use crate::tools;
use crate::words;

/// Run all checks and tests
///
/// Runs the following steps in order, and stops at the first one that fails:
///
///   system tools    the programs that `cargo test` needs are installed and recent enough
///   real programs   the programs that `cargo xtask interop` needs are installed
///   format          rustfmt makes no changes
///   cycles          modules of a crate do not import each other in a cycle: `cargo xtask cycles`
///   links           relative links of the Markdown pages lead to files: `cargo test -p xtask links`
///   named tests     each test that a page names as evidence exists: `cargo test -p xtask named_tests`
///   words           sources and pages have no phrase of xtask/words.txt: `cargo xtask words`
///   dependencies    number, licenses, sources, unsafe code, minimum versions: `cargo xtask dependencies`
///   lock file       only one package is named anchovy, so that `-p anchovy` is unambiguous
///   tests           tests and doc tests: first those of the three crates, in a PATH that has nothing
///                   but Rust and a shell, then those of the other packages; the programs of the guides
///                   in docs/ are doc tests too
///   programs        the targets `programs`: tests that need strace, Python, dbus-daemon and others
///   counts          system calls, allocations and instructions of hot paths: `cargo xtask counts`
///   fuzz corpora    the inputs of `cargo xtask fuzz` that cover the most are no findings
///   faults          transfers whose system calls fail or end early: `cargo xtask faults`
///   loom            models of concurrent code, in every order: `cargo xtask loom`
///   interop         all scenarios with all real programs: `cargo xtask interop`
///
/// These steps run beside the tests, in the background. Their output is printed at the end:
///
///   clippy          no warnings; all packages with all features, and anchovy without features
///   default tests   the tests of the three crates compile without features
///   features        the libraries have no warnings with each combination of their features
///   documentation   no warnings and no broken links
///   oldest Rust     the three crates compile with the rust-version of Cargo.toml (anchovy-dbus
///                   without feature zbus, whose dependency needs a later version)
///   packages        the packages for crates.io compile from the files that they contain
///   other systems   the three crates compile for each installed target (rustup target add)
///
/// At the end, prints the seconds of each step and the targets that were not checked.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Arguments {
    /// Install missing programs with apt-get, through sudo unless root;
    /// the environment variable CI implies it
    #[arg(long, verbatim_doc_comment)]
    install: bool,

    /// Run only the steps that otherwise run in the background
    #[arg(long, verbatim_doc_comment)]
    lints: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.lints {
        return lints::run_all(tools::on_missing(arguments.install)).context("lints");
    }
    check(arguments, &mut Steps::default()).context("ci")
}

fn check(arguments: &Arguments, steps: &mut Steps) -> Result<()> {
    let on_missing = tools::on_missing(arguments.install);
    steps.step("system tools", || tools::ensure_present(on_missing))?;
    steps.step("real programs", || interop::ensure_present(on_missing))?;

    steps.step("format", || cargo("fmt --all --check"))?;
    steps.step("format of the bench", || {
        cargo("fmt --manifest-path interop-tests/bench/Cargo.toml --check")
    })?;
    steps.step("format of the fuzz targets", || {
        cargo("fmt --manifest-path fuzz/Cargo.toml --check")
    })?;

    steps.step("cycles", cycles::check_all)?;
    steps.step("links", links::check_all)?;
    steps.step("named tests", named_tests::check_all)?;
    steps.step("words", || words::run(&words::Arguments::default()))?;

    steps.step("dependencies", || dependencies::run(&dependencies::Arguments {}))?;
    steps.step("one anchovy in the lock file", || lock::has_one("anchovy"))?;

    let lints = Background::start(arguments.install)?;
    steps.step("tests and doc tests with nothing but Rust", plain_path::test)?;
    // Any selection of targets, even `--all-targets`, excludes the doc tests.
    steps.step("tests and doc tests: other packages", || {
        let others = "--exclude anchovy --exclude anchovy-dbus --exclude anchovy-wayland";
        cargo(&format!("test --workspace {others}"))
    })?;
    steps.step("tests with other programs", || cargo("test --all-features --test programs"))?;

    steps.step("counts", counts::check)?;
    steps.step("fuzz corpora", fuzz::replay)?;
    steps.step("faults", faults::run_all)?;
    steps.step("loom", loom::run_all)?;
    steps.step("interop", interop::run_all)?;

    steps.step("end of the lints", || lints.wait())?;

    println!("\n{}", steps.table());
    println!("ci: all {} steps passed", steps.count());
    Ok(())
}

/// Runs cargo without input, so that no check waits for an answer.
fn cargo(arguments: &str) -> Result<()> {
    command::run(command::cargo(arguments).stdin(Stdio::null()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// If there were default features, CI would have to check with them and without them.
    #[test]
    fn no_crate_has_default_features() {
        for name in ["anchovy", "anchovy-dbus", "anchovy-wayland"] {
            let manifest =
                fs::read_to_string(command::root().join(name).join("Cargo.toml")).unwrap();
            let mut defaults = manifest.lines().filter(|line| line.starts_with("default ="));
            assert!(defaults.all(|line| line == "default = []"), "{name}");
        }
    }
}
