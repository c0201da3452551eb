//! A check that the crates compile with each combination of their features.

use std::fs;
use std::process::Stdio;

use anyhow::{Context, Result};

use crate::command;

const PACKAGES: &[&str] = &["anchovy", "anchovy-dbus", "anchovy-wayland"];

/// Lints the library of each published package with each combination of its features.
pub(crate) fn check_all() -> Result<()> {
    for package in PACKAGES {
        let manifest = manifest(package)?;
        for features in combinations(&features(&manifest)) {
            let arguments = format!(
                "clippy --lib -p {package} --no-default-features --features={} -- -D warnings",
                features.join(",")
            );
            command::run(command::cargo(&arguments).stdin(Stdio::null()))?;
        }
    }
    Ok(())
}

/// Returns all features of the published packages with the names of their packages: `anchovy/codec`.
pub(crate) fn of_all_packages() -> Result<Vec<String>> {
    let mut all = Vec::new();
    for package in PACKAGES {
        let manifest = manifest(package)?;
        all.extend(features(&manifest).iter().map(|feature| format!("{package}/{feature}")));
    }
    Ok(all)
}

fn manifest(package: &str) -> Result<String> {
    let path = command::root().join(package).join("Cargo.toml");
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// Returns the features of a manifest, without `default`.
fn features(manifest: &str) -> Vec<&str> {
    let (_, section) = manifest.split_once("[features]\n").unwrap_or_default();
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| line.split_once(" = [")).map(|(name, _)| name);
    names.filter(|name| *name != "default" && !name.starts_with('#')).collect()
}

/// Returns all subsets.
fn combinations<'a>(features: &[&'a str]) -> Vec<Vec<&'a str>> {
    let mut all = vec![Vec::new()];
    for feature in features {
        let with = all.iter().map(|subset: &Vec<_>| [&subset[..], &[*feature]].concat());
        all.extend(with.collect::<Vec<_>>());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subset_is_a_combination() {
        assert_eq!(combinations(&[]), [[""; 0]]);
        let expected: &[&[&str]] = &[&[], &["a"], &["b"], &["a", "b"]];
        assert_eq!(combinations(&["a", "b"]), expected);
    }

    #[test]
    fn the_features_are_those_of_the_manifest() {
        for (package, expected) in [
            ("anchovy", &["codec", "serde", "tracing"][..]),
            ("anchovy-dbus", &["zbus"]),
            ("anchovy-wayland", &["wayland-backend"]),
        ] {
            assert_eq!(features(&manifest(package).unwrap()), expected);
        }
    }

    #[test]
    fn features_of_all_packages_have_the_names_of_their_packages() {
        let expected = [
            "anchovy/codec",
            "anchovy/serde",
            "anchovy/tracing",
            "anchovy-dbus/zbus",
            "anchovy-wayland/wayland-backend",
        ];
        assert_eq!(of_all_packages().unwrap(), expected);
    }
}
