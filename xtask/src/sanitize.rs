//! The subcommand `cargo xtask sanitize`.

use std::env::consts::ARCH;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use crate::command;
use crate::requirements::{self, Requirement};

const REQUIREMENTS: &[Requirement] = &[(
    "a nightly compiler",
    &["rustup", "run", "nightly", "rustc", "--version"],
    "rustup toolchain install nightly --profile minimal --component rust-src",
)];

/// The test programs of anchovy whose tests use threads.
const TESTS: &str = "--lib --test stream --test exchange --test listener";

/// Tests that cannot be run with it. In the process of the first, no file may be written, and ThreadSanitizer
/// cannot start. The others start cargo, which would get RUSTFLAGS, and nothing of them runs in threads.
const SKIPPED: &[&str] =
    &["carrier::an_exchange_is_an_error_where_files_must_be_empty", "wrong_space::"];

/// Run the tests of anchovy with ThreadSanitizer
///
/// ThreadSanitizer finds memory that two threads use at the same time without synchronization. std is
/// compiled with it too: otherwise it would not see what mutexes and channels order. It does not see what
/// the system calls of rustix order, and reports what it cannot see as a race.
///
/// The unit tests and the tests of streams, halves, exchanges and listeners are run. xtask/sanitize.txt lists
/// the reports that have no reason in this workspace, and why.
///
/// Needs a nightly compiler with the component rust-src; without them, prints how to install them, and fails.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "\
Examples:
  cargo xtask sanitize           all tests
  cargo xtask sanitize split::   the tests whose names contain `split::`"
)]
pub(crate) struct Arguments {
    /// Run only the tests whose names contain this text
    #[arg(value_name = "TEST")]
    test: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    check_requirements().context("sanitize")?;
    let suppressions = command::root().join("xtask/sanitize.txt");
    let suppressions = suppressions.to_str().context("the path of the workspace is not UTF-8")?;
    let mut tests = command::program("rustup");
    tests.args("run nightly cargo test -p anchovy --all-features -Zbuild-std".split(' '));
    tests.args(TESTS.split(' '));
    // std is compiled for the target only, and not for build scripts. A directory of its own: everything
    // else is compiled again too.
    tests.args([
        "--target",
        &format!("{ARCH}-unknown-linux-gnu"),
        "--target-dir",
        "target/sanitize",
    ]);
    tests.arg("--").args(SKIPPED.iter().flat_map(|test| ["--skip", test])).args(&arguments.test);
    tests.env("RUSTFLAGS", "-Zsanitizer=thread");
    tests.env("TSAN_OPTIONS", format!("suppressions={suppressions}"));
    command::run(tests.stdin(Stdio::null()))
}

fn check_requirements() -> Result<()> {
    requirements::ensure(REQUIREMENTS)?;
    let mut rustc = command::program("rustup");
    let sysroot = command::output(rustc.args("run nightly rustc --print sysroot".split(' ')))?;
    let source = Path::new(sysroot.trim_end()).join("lib/rustlib/src/rust/library");
    ensure!(
        source.is_dir(),
        "rust-src is not installed: rustup component add rust-src --toolchain nightly"
    );
    Ok(())
}
