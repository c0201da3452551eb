//! The subcommand `cargo xtask semver`.

use anyhow::{Context, Result};

use crate::command;
use crate::requirements::{self, Requirement};

/// Compare the public API with the last release
///
/// The last release is the last tag v*, such as v0.5.0. Before the first one, says so and ends. Needs
/// cargo-semver-checks.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

const NEEDED: &[Requirement] = &[(
    "cargo-semver-checks",
    &["cargo-semver-checks", "--version"],
    "cargo install --locked cargo-semver-checks",
)];

pub(crate) fn run(_: &Arguments) -> Result<()> {
    let mut git = command::program("git");
    git.args(["tag", "--list", "v*", "--sort=-version:refname"]);
    let tags = command::output(&mut git)?;
    let Some(tag) = tags.lines().next() else {
        println!("there is no tag v* yet, so there is no release to compare with");
        return Ok(());
    };
    requirements::ensure(NEEDED)?;
    let packages = "-p anchovy -p anchovy-dbus -p anchovy-wayland";
    let arguments = format!("semver-checks {packages} --baseline-rev {tag}");
    command::run(&mut command::cargo(&arguments)).context("semver failed")
}
