//! The steps of CI that run no tests: clippy, documentation, packages and other systems.
//!
//! They run beside the tests, many of which wait most of the time, in a target directory of their own,
//! because two calls of cargo cannot build in the same directory.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Stdio};

use anyhow::{Context, Result, ensure};

use crate::command;
use crate::faults;
use crate::features;
use crate::fuzz;
use crate::loom;
use crate::msrv;
use crate::package_contents;
use crate::packages;
use crate::steps::Steps;
use crate::targets;
use crate::tools::OnMissing;

/// The measured programs are built without this feature.
const BENCH: &str =
    "--manifest-path interop-tests/bench/Cargo.toml --all-targets --features shared-builds";
const DENY: &str = "-- -D warnings -D clippy::incompatible_msrv";

/// Runs all lints, and prints the seconds of each step.
pub(crate) fn run_all(on_missing: OnMissing) -> Result<()> {
    let mut steps = Steps::default();
    // Alone, because cargo would otherwise enable the features that other packages require.
    steps.step("clippy: anchovy, no features", || {
        cargo(&format!("clippy -p anchovy --all-targets {DENY}"))
    })?;
    // `--all-features` would also enable `libwayland` of interop-tests, which enables no code of its own,
    // and with which wayland-client and all that depends on it are built once more.
    let all = format!("--workspace --features {}", features::of_all_packages()?.join(","));
    steps.step("clippy: all packages, all features", || {
        cargo(&format!("clippy {all} --all-targets {DENY}"))
    })?;
    // `--all-targets` leaves these out. The same packages, so that nothing is built again.
    steps.step("clippy of the tests with other programs", || {
        cargo(&format!("clippy {all} --test programs {DENY}"))
    })?;
    steps.step("default tests", || cargo("check --tests"))?;
    steps.step("clippy of the bench", || cargo(&format!("clippy {BENCH} {DENY}")))?;
    steps.step("clippy of the fuzz targets", fuzz::lint)?;
    steps.step("clippy of the fault tests", faults::lint)?;
    steps.step("clippy of the loom models", loom::lint)?;
    steps.step("features", features::check_all)?;

    steps.step("documentation", || {
        let mut doc = command::cargo(&format!("doc {all} --exclude xtask --no-deps"));
        command::run(doc.env("RUSTDOCFLAGS", "-D warnings").stdin(Stdio::null()))
    })?;
    steps.step("oldest Rust", || msrv::check(on_missing))?;
    steps.step("files of the packages", package_contents::check_all)?;
    steps.step("packages", packages::check_all)?;

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
    println!("lints: all {} steps passed", steps.count());
    Ok(())
}

/// The lints in a process of their own.
pub(crate) struct Background {
    process: Child,
    /// What the process prints.
    output: PathBuf,
}

impl Background {
    /// Starts the lints. They get only the processor time that the tests leave.
    pub(crate) fn start(install: bool) -> Result<Background> {
        let directory = command::target_directory()?;
        let output = directory.join("lints.log");
        let file =
            File::create(&output).with_context(|| format!("cannot create {}", output.display()))?;
        let mut command = command::program("nice");
        command.args(["-n", "10"]).arg(std::env::current_exe()?).args(["ci", "--lints"]);
        if install {
            command.arg("--install");
        }
        command.env("CARGO_TARGET_DIR", directory.join("lints")).stdin(Stdio::null());
        let process = command.stdout(file.try_clone()?).stderr(file).spawn();
        let process = process.context("cannot start the lints")?;
        eprintln!("the lints run in the background and print to {}", output.display());
        Ok(Background { process, output })
    }

    /// Waits for the end of the lints, and prints their output.
    pub(crate) fn wait(mut self) -> Result<()> {
        let status = self.process.wait()?;
        eprint!("{}", fs::read_to_string(&self.output)?);
        ensure!(status.success(), "the lints ended with {status}");
        Ok(())
    }
}

impl Drop for Background {
    /// Ends the lints if a test has failed.
    fn drop(&mut self) {
        // It fails if the process has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs cargo without input, so that no check waits for an answer.
fn cargo(arguments: &str) -> Result<()> {
    command::run(command::cargo(arguments).stdin(Stdio::null()))
}
