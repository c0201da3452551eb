//! The subcommand `cargo xtask ci`.
//!
//! CI and contributors run the same command. All steps are in one function.

use std::fs;
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};

use crate::command;
use crate::counts;
use crate::cycles;
use crate::dependencies;
use crate::faults;
use crate::features;
use crate::fuzz;
use crate::interop;
use crate::links;
use crate::lock;
use crate::loom;
use crate::msrv;
use crate::named_tests;
use crate::package_contents;
use crate::plain_path;
use crate::steps::Steps;
use crate::targets;
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
///   clippy          no warnings; the three crates with all features and with none, which is the default
///   tests           tests and doc tests: first `cargo test` in a PATH that has nothing but Rust and a
///                   shell, then those of all packages with the same features; the programs of the
///                   guides in docs/ are doc tests too
///   programs        the targets `programs`: tests that need strace, Python, dbus-daemon and others
///   counts          system calls, allocations and instructions of hot paths: `cargo xtask counts`
///   fuzz corpora    the inputs of `cargo xtask fuzz` that cover the most are no findings
///   faults          transfers whose system calls fail or end early: `cargo xtask faults`
///   loom            models of concurrent code, in every order: `cargo xtask loom`
///   interop         all scenarios with all real programs: `cargo xtask interop`
///   documentation   no warnings and no broken links
///   oldest Rust     the three crates compile with the rust-version of Cargo.toml (anchovy-dbus
///                   without feature zbus, whose dependency needs a later version)
///   features        the libraries have no warnings with each combination of their features
///   packages        the packages for crates.io build from the files that they contain
///   dependencies    number, licenses, sources, unsafe code, minimum versions: `cargo xtask dependencies`
///   lock file       only one package is named anchovy, so that `-p anchovy` is unambiguous
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
}

/// Packages to check in one call, with a name for headings. Packages with features are checked
/// separately, because cargo would otherwise enable the features that other packages require.
type Selection = (&'static str, &'static str);

const ANCHOVY: &[Selection] = &[("anchovy, no features", "-p anchovy"), WITH_ALL_FEATURES[0]];

/// `cargo test` without a selection has these features, too.
const SHIMS: &[Selection] = &[
    ("anchovy-dbus, no features", "-p anchovy-dbus"),
    ("anchovy-wayland, no features", "-p anchovy-wayland"),
];

/// interop-tests asks for all features of the two.
const OTHERS: Selection = ("all others, with all features", "--workspace --exclude anchovy");

const WITH_ALL_FEATURES: &[Selection] =
    &[("anchovy, all features", "-p anchovy --all-features"), OTHERS];

const BENCH: &str = "--manifest-path interop-tests/bench/Cargo.toml";
const FUZZ: &str = "--manifest-path fuzz/Cargo.toml";
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
    steps.step("format of the fuzz targets", || cargo(&format!("fmt {FUZZ} --check")))?;

    steps.step("cycles", cycles::check_all)?;
    steps.step("links", links::check_all)?;
    steps.step("named tests", named_tests::check_all)?;
    steps.step("words", || words::run(&words::Arguments::default()))?;

    for (name, selection) in ANCHOVY.iter().chain(SHIMS).chain([&OTHERS]) {
        steps.step(&format!("clippy: {name}"), || {
            cargo(&format!("clippy {selection} --all-targets {DENY}"))
        })?;
    }
    for (name, selection) in WITH_ALL_FEATURES {
        steps.step(&format!("clippy of the tests with other programs: {name}"), || {
            cargo(&format!("clippy {selection} --test programs {DENY}"))
        })?;
    }
    steps.step("clippy of the bench", || cargo(&format!("clippy {BENCH} --all-targets {DENY}")))?;
    steps.step("clippy of the fuzz targets", fuzz::lint)?;
    steps.step("clippy of the fault tests", faults::lint)?;

    steps.step("tests and doc tests with nothing but Rust", plain_path::test)?;
    // Any selection of targets, even `--all-targets`, excludes the doc tests.
    for (name, selection) in ANCHOVY.iter().chain([&OTHERS]) {
        steps.step(&format!("tests and doc tests: {name}"), || {
            cargo(&format!("test {selection}"))
        })?;
    }
    for (name, selection) in WITH_ALL_FEATURES {
        steps.step(&format!("tests with other programs: {name}"), || {
            cargo(&format!("test {selection} --test programs"))
        })?;
    }

    steps.step("counts", counts::check)?;
    steps.step("fuzz corpora", fuzz::replay)?;
    steps.step("faults", faults::run_all)?;
    steps.step("loom", loom::run_all)?;
    steps.step("interop", interop::run_all)?;

    steps.step("documentation", || {
        let mut doc = command::cargo("doc --workspace --exclude xtask --no-deps --all-features");
        command::run(doc.env("RUSTDOCFLAGS", "-D warnings").stdin(Stdio::null()))
    })?;
    steps.step("oldest Rust", || msrv::check(on_missing))?;
    steps.step("features", features::check_all)?;
    steps.step("files of the packages", package_contents::check_all)?;
    steps.step("packages", packages)?;
    steps.step("dependencies", || dependencies::run(&dependencies::Arguments {}))?;
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

/// Builds the published packages.
///
/// The target directory is a new one. Cargo unpacks packages that others in the workspace need into
/// its home, in a directory that depends on the target directory and the version, and does not check
/// whether an existing copy is up to date.
fn packages() -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let target_directory = format!("target/packages-{}-{}", std::process::id(), now.as_nanos());
    // One call for all packages: one may depend on another that is not published yet.
    let outcome = cargo(&format!(
        "package --workspace --exclude xtask --exclude interop-tests --exclude fault-tests \
         --exclude counts --exclude rpc-examples --exclude guides --exclude soak-test --allow-dirty \
         --target-dir {target_directory}"
    ));
    // Only the result of cargo counts.
    let _ = fs::remove_dir_all(command::root().join(target_directory));
    outcome
}

/// Runs cargo without input, so that no check waits for an answer.
fn cargo(arguments: &str) -> Result<()> {
    command::run(command::cargo(arguments).stdin(Stdio::null()))
}

#[cfg(test)]
mod tests {
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
