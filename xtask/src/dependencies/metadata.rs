//! What cargo says about packages.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::command;

/// A package: one of the workspace, or a dependency.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) license: Option<String>,
    /// The registry or the repository, unless the package is of the workspace.
    pub(super) source: Option<String>,
    pub(super) directory: PathBuf,
}

/// Returns the name and the version of each package that the selected ones need, for the system of
/// this compiler and without tests.
pub(super) fn tree(selection: &str) -> Result<BTreeSet<(String, String)>> {
    lines(&format!("tree {selection} --edges normal,build"))
}

/// Returns the direct dependencies of a package.
pub(super) fn direct(selection: &str) -> Result<BTreeSet<String>> {
    let own = selection.split_whitespace().nth(1).unwrap_or_default();
    let all = lines(&format!("tree {selection} --edges normal --depth 1"))?;
    Ok(all.into_iter().map(|(name, _)| name).filter(|name| name != own).collect())
}

fn lines(arguments: &str) -> Result<BTreeSet<(String, String)>> {
    let arguments = format!("{arguments} --locked --prefix none --format {{p}}");
    let output = command::output(&mut command::cargo(&arguments))?;
    let lines = output.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let mut words = line.split(' ');
            let (name, version) = (words.next(), words.next().and_then(|v| v.strip_prefix('v')));
            let (name, version) = name.zip(version).context("cargo tree prints no version")?;
            Ok((name.to_owned(), version.to_owned()))
        })
        .collect()
}

/// Returns these packages, with what their manifests say.
pub(super) fn packages(wanted: &BTreeSet<(String, String)>) -> Result<Vec<Package>> {
    let host = command::output(command::program("rustc").arg("-vV"))?;
    let host = host.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.context("rustc does not name its host")?;
    let arguments = format!("metadata --format-version 1 --locked --filter-platform {host}");
    let metadata: Value = serde_json::from_str(&command::output(&mut command::cargo(&arguments))?)?;
    let all = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    let packages: Vec<_> = all
        .iter()
        .filter_map(package)
        .filter(|package| wanted.contains(&(package.name.clone(), package.version.clone())))
        .collect();
    ensure!(packages.len() == wanted.len(), "cargo metadata does not have all packages");
    Ok(packages)
}

fn package(value: &Value) -> Option<Package> {
    let text = |key: &str| value[key].as_str().map(str::to_owned);
    Some(Package {
        name: text("name")?,
        version: text("version")?,
        license: text("license"),
        source: text("source"),
        directory: PathBuf::from(text("manifest_path")?).parent()?.to_owned(),
    })
}
