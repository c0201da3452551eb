//! The crates to check, and their sources.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::command;

/// The crates that are checked if none is named.
const CRATES: &[&str] = &["anchovy", "anchovy-dbus", "anchovy-wayland", "interop-tests", "xtask"];

/// A package and its crates.
pub(super) struct Package {
    pub(super) name: String,
    pub(super) directory: PathBuf,
    /// The root files of its library and its program.
    pub(super) roots: Vec<PathBuf>,
}

/// Returns the packages of this workspace.
pub(super) fn all() -> Result<Vec<Package>> {
    CRATES.iter().map(|name| read(&command::root().join(name))).collect()
}

/// Returns the package that has this name in the workspace, or is in this directory.
pub(super) fn find(name_or_path: &str) -> Result<Package> {
    let path = Path::new(name_or_path);
    // The directory counts first: it may be one of another checkout.
    if path.join("Cargo.toml").is_file() { read(path) } else { read(&command::root().join(path)) }
}

/// Returns the package in this directory.
pub(super) fn read(directory: &Path) -> Result<Package> {
    let manifest = directory.join("Cargo.toml");
    let text = fs::read_to_string(&manifest)
        .with_context(|| format!("cannot read {}", manifest.display()))?;
    let name =
        name_in(&text).with_context(|| format!("{} names no package", manifest.display()))?;
    let roots = ["src/lib.rs", "src/main.rs"].map(|root| directory.join(root));
    let roots: Vec<_> = roots.into_iter().filter(|root| root.is_file()).collect();
    ensure!(!roots.is_empty(), "{} has neither src/lib.rs nor src/main.rs", directory.display());
    Ok(Package { name: name.to_owned(), directory: directory.to_owned(), roots })
}

/// Returns the name in the table `[package]` of a manifest.
fn name_in(manifest: &str) -> Option<&str> {
    let (_, package) = manifest.split_once("[package]")?;
    let lines = package.lines().take_while(|line| !line.starts_with('['));
    let mut pairs = lines.filter_map(|line| line.split_once('='));
    let (_, name) = pairs.find(|(key, _)| key.trim() == "name")?;
    Some(name.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_that_of_the_package_and_not_of_a_target() {
        let manifest =
            "[workspace]\n[package]\nversion = \"1.0.0\"\nname = \"one\"\n[[bin]]\nname = \"two\"";
        assert_eq!(name_in(manifest), Some("one"));
        assert_eq!(name_in("[package]\n[[bin]]\nname = \"two\""), None);
    }

    #[test]
    fn every_crate_of_the_workspace_is_found() {
        let packages = all().unwrap();
        assert!(packages.iter().map(|package| package.name.as_str()).eq(CRATES.iter().copied()));
    }

    #[test]
    fn a_directory_without_a_crate_is_named_in_the_error() {
        let error = find("no-such-crate").err().unwrap();
        assert!(error.to_string().ends_with("no-such-crate/Cargo.toml"), "{error}");
    }
}
