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
use crate::msrv;
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
///   oldest Rust     the three crates compile with the rust-version of Cargo.toml (without feature
///                   zbus of anchovy-dbus, whose dependency needs a later one)
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

/// Packages to check in one call, with a name for headings. Those of anchovy have a call each, because
/// cargo would enable in all of them the features that other packages ask of it.
const SELECTIONS: &[(&str, &str)] = &[
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
    let on_missing = tools::on_missing(arguments.install);
    steps.step("system tools", || tools::ensure_present(on_missing))?;
    steps.step("real programs", || interop::ensure_present(on_missing))?;

    steps.step("format", || cargo("fmt --all --check"))?;
    steps.step("format of the bench", || cargo(&format!("fmt {BENCH} --check")))?;

    steps.step("cycles", cycles::check_all)?;

    for (name, selection) in SELECTIONS {
        steps.step(&format!("clippy: {name}"), || {
            cargo(&format!("clippy {selection} --all-targets {DENY}"))
        })?;
    }
    steps.step("clippy of the bench", || cargo(&format!("clippy {BENCH} --all-targets {DENY}")))?;

    // A selection of targets, `--all-targets` too, would leave the doc tests out.
    for (name, selection) in SELECTIONS {
        steps.step(&format!("tests and doc tests: {name}"), || {
            cargo(&format!("test {selection}"))
        })?;
    }

    steps.step("interop", interop::run_all)?;

    steps.step("documentation", || {
        let mut doc = command::cargo("doc --workspace --exclude xtask --no-deps --all-features");
        command::run(doc.env("RUSTDOCFLAGS", "-D warnings").stdin(Stdio::null()))
    })?;
    steps.step("oldest Rust", || msrv::check(on_missing))?;
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
/// The target directory is a new one: cargo unpacks packages that others here need into its home, by
/// that directory and their version, and does not check whether what it finds there is up to date.
fn packages() -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let target_directory = format!("target/packages-{}-{}", std::process::id(), now.as_nanos());
    // One call for all of them: a package may need another that is not published yet.
    let outcome = cargo(&format!(
        "package --workspace --exclude xtask --exclude interop-tests --allow-dirty --target-dir {target_directory}"
    ));
    // Only the result of cargo counts.
    let _ = fs::remove_dir_all(command::root().join(target_directory));
    outcome
}

/// Runs cargo with no input: a check that waits for an answer would hang where nobody is.
fn cargo(arguments: &str) -> Result<()> {
    command::run(command::cargo(arguments).stdin(Stdio::null()))
}
