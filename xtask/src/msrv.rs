//! A check that the packages compile with the oldest supported compiler. It requires that compiler:
//! clippy knows the version of each function of the standard library, but not of the language.
//!
//! The version is read from the manifest of the workspace, so that there is one place to raise it.

use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::command;
use crate::features;
use crate::tools::{OnMissing, has_apt_get, install_packages};

/// The only feature that needs a later compiler: zbus itself does.
const LATER: &str = "anchovy-dbus/zbus";

/// Checks the packages with the oldest compiler that they support.
pub(crate) fn check(on_missing: OnMissing) -> Result<()> {
    let version = minimum()?;
    let compiler = match find(&version) {
        Some(compiler) => compiler,
        None => install(&version, on_missing)?,
    };
    let mut features = features::of_all_packages()?;
    features.retain(|feature| feature != LATER);
    let mut check = command::cargo("check -p anchovy -p anchovy-dbus -p anchovy-wayland");
    check.arg("--features").arg(features.join(","));
    // In a shared directory, each of the two compilers would replace what the other one has built.
    command::run(check.args(["--target-dir", "target/msrv"]).env("RUSTC", &compiler))
}

/// Returns `rust-version` of the workspace.
fn minimum() -> Result<String> {
    let manifest = fs::read_to_string(command::root().join("Cargo.toml"))
        .context("cannot read Cargo.toml of the workspace")?;
    let version =
        rust_version(&manifest).context("Cargo.toml of the workspace has no rust-version")?;
    Ok(version.to_owned())
}

fn rust_version(manifest: &str) -> Option<&str> {
    let mut values = manifest.lines().filter_map(|line| line.strip_prefix("rust-version = \""));
    values.next()?.strip_suffix('"')
}

/// Returns the first compiler of this version that rustup manages or that is on PATH.
fn find(version: &str) -> Option<PathBuf> {
    let managed = command::output(command::program("rustup").args([
        "which",
        "rustc",
        "--toolchain",
        version,
    ]));
    let managed = managed.ok().map(|path| PathBuf::from(path.trim_end()));
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).map(|directory| directory.join("rustc"));
    managed.into_iter().chain(on_path).find(|compiler| {
        let text = command::output(command::program(compiler).arg("--version"));
        text.is_ok_and(|text| is_version(&text, version))
    })
}

/// Returns whether a compiler that prints this text has this version, whatever its patch level.
fn is_version(text: &str, version: &str) -> bool {
    let found = text.strip_prefix("rustc ").and_then(|rest| rest.strip_prefix(version));
    found.is_some_and(|rest| rest.starts_with(['.', ' ', '\n']))
}

/// Installs the compiler from Debian's packages, and returns its path.
fn install(version: &str, on_missing: OnMissing) -> Result<PathBuf> {
    let instead = format!("rustup toolchain install {version}");
    if !has_apt_get() {
        bail!("Rust {version} is not installed; run `{instead}`");
    }
    if on_missing == OnMissing::Fail {
        bail!("Rust {version} is not installed; run `{instead}`, or pass --install");
    }
    // Debian's name for compilers that are later than that of its release. The standard library
    // has to be of the same version.
    let packages = ["rustc-web", "libstd-rust-web-dev"].map(|name| format!("{name}={version}*"));
    let packages = packages.each_ref().map(String::as_str);
    install_packages(&format!("Rust {version}"), &packages, on_missing)
        .with_context(|| format!("cannot install Rust {version}; run `{instead}`"))?;
    find(version).with_context(|| format!("after installing, there is still no Rust {version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_manifest() {
        let manifest = "[workspace.package]\nedition = \"2024\"\nrust-version = \"1.85\"\n";
        assert_eq!(rust_version(manifest), Some("1.85"));
        assert_eq!(rust_version("[workspace.package]\n"), None);
        assert!(minimum().is_ok());
    }

    #[test]
    fn every_patch_level_of_a_version_is_that_version() {
        assert!(is_version("rustc 1.85.0 (4d91de4e4 2025-02-17)\n", "1.85"));
        assert!(is_version("rustc 1.85.0\n", "1.85.0"));
    }

    #[test]
    fn another_version_is_not_the_one_asked_for() {
        assert!(!is_version("rustc 1.95.0 (abc 2026-01-01)\n", "1.85"));
        assert!(!is_version("rustc 1.850.0\n", "1.85"));
        assert!(!is_version("clippy 1.85.0\n", "1.85"));
    }

    #[test]
    fn a_version_that_nobody_has_is_not_found() {
        assert_eq!(find("1.0.99"), None);
    }
}
