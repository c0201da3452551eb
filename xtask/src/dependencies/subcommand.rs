//! The checks in their order.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result, ensure};

use super::metadata::{Package, tree};
use super::{features, license, minimum, unsafe_code};
use crate::command;

/// Check the crates that the published crates depend on
///
/// Needs no network. Checks that
///
///   - anchovy and its dependencies are at most 12 crates by default;
///   - the table of features in README.md names the dependencies that each feature adds;
///   - all dependencies are from crates.io, have a license that deny.toml allows, and are there
///     in one version;
///   - the table in SECURITY.md names those with unsafe code;
///   - the lock file has the minimum version of each direct dependency, so that all checks use it.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Arguments {}

/// The number of crates that a program with anchovy has at most, including anchovy.
const MOST: usize = 12;

const PUBLISHED: &str = "-p anchovy -p anchovy-dbus -p anchovy-wayland --all-features";

pub(crate) fn run(_: &Arguments) -> Result<()> {
    let default = tree("-p anchovy")?;
    ensure!(default.len() <= MOST, "anchovy has {} crates by default: {default:#?}", default.len());
    eprintln!("anchovy and its dependencies are {} crates by default", default.len());

    features::check(&read("README.md")?)?;

    let packages = super::metadata::packages(&tree(PUBLISHED)?)?;
    check_sources(&packages)?;
    license::check(&read("deny.toml")?, &packages)?;
    unsafe_code::check(&read("SECURITY.md")?, &packages)?;
    minimum::check(&read("Cargo.toml")?, &read("Cargo.lock")?)
}

fn read(page: &str) -> Result<String> {
    fs::read_to_string(command::root().join(page)).with_context(|| format!("cannot read {page}"))
}

/// Checks that each dependency is from crates.io, and there in one version.
fn check_sources(packages: &[Package]) -> Result<()> {
    let mut versions = BTreeMap::<_, Vec<_>>::new();
    for package in packages {
        let (name, source) = (&package.name, package.source.as_deref());
        let known = source.is_none_or(|source| source.contains("crates.io-index"));
        ensure!(known, "{name} is from {}", source.unwrap_or_default());
        versions.entry(name).or_default().push(&package.version);
    }
    for (name, versions) in &versions {
        ensure!(versions.len() == 1, "{name} is there in the versions {versions:?}");
    }
    eprintln!(
        "{} crates are from crates.io or this workspace, each in one version",
        versions.len()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(version: &str, source: Option<&str>) -> Package {
        Package {
            name: "one".to_owned(),
            version: version.to_owned(),
            license: None,
            source: source.map(str::to_owned),
            directory: "/".into(),
        }
    }

    #[test]
    fn a_package_from_another_source_is_reported() {
        let crates_io = Some("registry+https://github.com/rust-lang/crates.io-index");
        check_sources(&[package("1.0.0", crates_io)]).unwrap();
        let error = check_sources(&[package("1.0.0", Some("git+https://example.org"))]);
        assert_eq!(error.unwrap_err().to_string(), "one is from git+https://example.org");
    }

    #[test]
    fn a_package_in_two_versions_is_reported() {
        let error = check_sources(&[package("1.0.0", None), package("2.0.0", None)]);
        let expected = "one is there in the versions [\"1.0.0\", \"2.0.0\"]";
        assert_eq!(error.unwrap_err().to_string(), expected);
    }
}
