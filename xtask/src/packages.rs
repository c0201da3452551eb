//! A check that the packages for crates.io compile from the files that they contain.
//!
//! `cargo package` would build each package, and tokio once more for each of them, in a directory of its
//! own. Here the packages are unpacked into a workspace, which uses the dependencies that other lints
//! have built.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result};

use crate::command;
use crate::lock;

const PACKAGES: &[&str] = &["anchovy", "anchovy-dbus", "anchovy-wayland"];

/// Checks the libraries of the packages.
pub(crate) fn check_all() -> Result<()> {
    let directory = command::target_directory()?.join("packages");
    if directory.exists() {
        fs::remove_dir_all(&directory)
            .with_context(|| format!("cannot remove {}", directory.display()))?;
    }
    // One call for all packages: one may depend on another that is not published yet.
    let mut package = command::cargo("package --no-verify --allow-dirty --target-dir");
    package.arg(&directory).args(PACKAGES.iter().flat_map(|name| ["-p", *name]));
    command::run(package.stdin(Stdio::null()))?;

    let workspace = directory.join("unpacked");
    unpack(&directory.join("package"), &workspace)?;
    write_manifest(&workspace)?;
    let mut check = command::cargo("check --manifest-path");
    check.arg(workspace.join("Cargo.toml")).arg("--target-dir").arg(command::target_directory()?);
    command::run(check.stdin(Stdio::null()))
}

/// Unpacks the packages in `directory`, each into a directory of its name and version.
fn unpack(directory: &Path, workspace: &Path) -> Result<()> {
    fs::create_dir_all(workspace)?;
    for name in PACKAGES {
        let file = format!("{}.crate", with_version(name)?);
        let mut tar = command::program("tar");
        tar.arg("-xzf").arg(directory.join(file)).arg("-C").arg(workspace);
        command::run(&mut tar)?;
    }
    Ok(())
}

/// Makes the unpacked packages a workspace with the versions of the lock file and the profile of this
/// workspace, in which they depend on each other and not on what is published.
fn write_manifest(workspace: &Path) -> Result<()> {
    let anchovy = with_version("anchovy")?;
    let root = fs::read_to_string(command::root().join("Cargo.toml"))?;
    let profile = section(&root, "[profile.dev]\n").context("Cargo.toml has no [profile.dev]")?;
    let manifest = format!(
        "[workspace]\nresolver = \"3\"\nmembers = [\"*-*\"]\n\n\
         [patch.crates-io]\nanchovy = {{ path = \"{anchovy}\" }}\n\n{profile}\n"
    );
    fs::write(workspace.join("Cargo.toml"), manifest)?;
    fs::copy(command::root().join("Cargo.lock"), workspace.join("Cargo.lock"))?;
    Ok(())
}

/// Returns the name and the version of a package, as the name of its file has them.
fn with_version(name: &str) -> Result<String> {
    Ok(format!("{name}-{}", lock::version_of(name)?))
}

/// Returns a section of a manifest with its title, up to the first empty line.
fn section<'a>(manifest: &'a str, title: &str) -> Option<&'a str> {
    let section = &manifest[manifest.find(title)?..];
    section.split("\n\n").next()
}

#[cfg(test)]
mod tests {
    use super::section;

    #[test]
    fn a_section_ends_at_an_empty_line() {
        let manifest = "[a]\nb = 1\n\n[profile.dev]\ndebug = 0\n\n[c]\n";
        assert_eq!(section(manifest, "[profile.dev]\n"), Some("[profile.dev]\ndebug = 0"));
        assert_eq!(section(manifest, "[profile]\n"), None);
    }
}
