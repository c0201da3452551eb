//! A check of the files in the packages for crates.io.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use crate::command;

const PACKAGES: &[&str] = &["anchovy", "anchovy-dbus", "anchovy-wayland"];

/// What each package has besides its sources and examples. The last four are written by cargo.
const OTHERS: &[&str] = &[
    "CHANGELOG.md",
    "LICENSE",
    "README.md",
    "Cargo.toml",
    "Cargo.toml.orig",
    "Cargo.lock",
    ".cargo_vcs_info.json",
];

/// Checks that each package has its sources, its examples and [`OTHERS`], and nothing else.
pub(crate) fn check_all() -> Result<()> {
    for package in PACKAGES {
        let arguments = format!("package --list --allow-dirty -p {package}");
        let listed = command::output(&mut command::cargo(&arguments))?;
        let listed: BTreeSet<_> = listed.lines().map(str::to_owned).collect();
        let mut git = command::program("git");
        git.args(["ls-files", "src", "examples"]).current_dir(command::root().join(package));
        let tracked = command::output(&mut git)?;
        let expected = tracked.lines().chain(OTHERS.iter().copied());
        let expected: BTreeSet<_> = expected.map(str::to_owned).collect();
        let missing: Vec<_> = expected.difference(&listed).collect();
        let surplus: Vec<_> = listed.difference(&expected).collect();
        ensure!(missing.is_empty(), "the package {package} lacks {missing:?}");
        ensure!(surplus.is_empty(), "the package {package} must not have {surplus:?}");
        eprintln!("the package {package} has {} files", listed.len());
    }
    Ok(())
}

#[test]
fn the_packages_have_their_sources_examples_and_pages() {
    check_all().unwrap();
}
