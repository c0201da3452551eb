//! What CI checks and what a contributor can check should be the same, so it is one command, and
//! the whole list stands in one function.

use std::fs;
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::command;
use crate::cycles;
use crate::interop;
use crate::lock;
use crate::steps::Steps;
use crate::targets;
use crate::tools;

/// Run every check there is
///
/// The steps, in order; the first that fails ends it:
///
///   system tools    the programs that tests run are installed and recent enough
///   real programs   so are the peers of `cargo xtask interop`
///   format          rustfmt would change nothing
///   cycles          modules of a crate do not import each other in a cycle: `cargo xtask cycles`
///   clippy          no warnings; of anchovy with default features, none and all
///   tests           doc tests too; of anchovy with default features, none and all
///   interop         every scenario with every real program: see `cargo xtask interop --help`
///   documentation   no warnings, no broken links
///   packages        what would be published builds by itself: all but xtask and interop-tests
///   lock file       one package named anchovy, so that `-p anchovy` has one meaning
///   other systems   the three crates compile for each whose target is installed (rustup target add)
///
/// In the end come the seconds of each step, and the targets that were not checked.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Arguments {
    /// Install missing system tools with apt-get, through sudo unless root;
    /// the environment variable CI implies it
    #[arg(long, verbatim_doc_comment)]
    install: bool,
}

/// A name for headings, and what is chosen. Each of the first three is by itself: what the others
/// ask of anchovy would be switched on in all of them.
const CHOICES: &[(&str, &str)] = &[
    ("anchovy, default features", "-p anchovy"),
    ("anchovy, no features", "-p anchovy --no-default-features"),
    ("anchovy, all features", "-p anchovy --all-features"),
    ("all others", "--workspace --exclude anchovy"),
];

const BENCH: &str = "--manifest-path interop-tests/bench/Cargo.toml";
const DENY: &str = "-- -D warnings -D clippy::incompatible_msrv";

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut steps = Steps::default();
    check(arguments, &mut steps).context("ci")
}

fn check(arguments: &Arguments, steps: &mut Steps) -> Result<()> {
    let install = arguments.install || tools::in_ci();
    steps.step("system tools", || tools::ensure_present(install))?;
    steps.step("real programs", || interop::ensure_present(install))?;

    steps.step("format", || cargo("fmt --all --check"))?;
    steps.step("format of the bench", || cargo(&format!("fmt {BENCH} --check")))?;

    steps.step("cycles", cycles::check_all)?;

    for (name, choice) in CHOICES {
        steps.step(&format!("clippy: {name}"), || {
            cargo(&format!("clippy {choice} --all-targets {DENY}"))
        })?;
    }
    steps.step("clippy of the bench", || cargo(&format!("clippy {BENCH} --all-targets {DENY}")))?;

    // A choice of targets, `--all-targets` too, would leave the doc tests out.
    for (name, choice) in CHOICES {
        steps.step(&format!("tests and doc tests: {name}"), || cargo(&format!("test {choice}")))?;
    }

    steps.step("interop", interop::run_all)?;

    steps.step("documentation", || {
        let mut doc = command::cargo("doc --workspace --exclude xtask --no-deps --all-features");
        command::run(doc.env("RUSTDOCFLAGS", "-D warnings").stdin(Stdio::null()))
    })?;
    steps.step("packages", packages)?;
    steps.step("one anchovy in the lock file", || lock::has_one("anchovy"))?;

    let (installed, not_installed) = targets::installed_and_not()?;
    for target in &installed {
        steps.step(&format!("check for {target}"), || {
            cargo(&format!("check -p anchovy -p anchovy-dbus -p anchovy-wayland --all-features --target {target}"))
        })?;
    }

    println!("\n{}", steps.table());
    if !installed.is_empty() {
        println!("checked for other systems: {}", installed.join(", "));
    }
    if !not_installed.is_empty() {
        println!("not checked, target not installed: {}", not_installed.join(", "));
    }
    println!("ci: all {} steps passed", steps.count());
    Ok(())
}

/// Builds what would be published.
///
/// In a place that was never used before: cargo unpacks packages that others here need into its home,
/// by that place and their version, and does not look whether what it finds there is of today.
fn packages() -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let place = format!("target/packages-{}-{}", std::process::id(), now.as_nanos());
    // One call for all of them: a package may need another that is not published yet.
    let outcome = cargo(&format!(
        "package --workspace --exclude xtask --exclude interop-tests --allow-dirty --target-dir {place}"
    ));
    // What counts is what cargo said.
    let _ = fs::remove_dir_all(command::root().join(place));
    outcome
}

/// Runs cargo with no input: a check that waits for an answer would hang where nobody is.
fn cargo(arguments: &str) -> Result<()> {
    command::run(command::cargo(arguments).stdin(Stdio::null()))
}
