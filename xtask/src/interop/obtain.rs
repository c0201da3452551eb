//! Installation of missing peers, before anything is built.

use std::fs;
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};

use super::paths::Paths;
use super::peer::{Need, Peer, Source};
use crate::command;
use crate::tools::{self, OnMissing};

/// Fails unless the programs and libraries that these peers need are installed. Installs missing ones
/// first, if `on_missing` allows it. Programs that cargo can build are always built, because that
/// changes nothing outside of the target directory.
pub(super) fn ensure_present(peers: &[&Peer], paths: &Paths, on_missing: OnMissing) -> Result<()> {
    let missing = missing(peers, paths);
    let debian =
        |need: &&&Need| matches!(need.source, Source::Package(_) | Source::Unpacked { .. });
    let from_debian: Vec<_> = missing.iter().filter(debian).copied().collect();
    if !from_debian.is_empty() {
        let has_apt_get = tools::has_apt_get();
        let of = if has_apt_get { packages } else { packages_elsewhere };
        let mut packages: Vec<_> = from_debian.iter().flat_map(|need| of(need)).collect();
        packages.sort();
        packages.dedup();
        let unpacked: Vec<_> = missing.iter().filter_map(|need| unpacked(need)).collect();
        if has_apt_get && !unpacked.is_empty() && on_missing == OnMissing::Fail {
            bail!(
                "tests need {}; pass --install, which installs {} with apt-get; {} would start or replace \
                 services or programs, so --install only unpacks them below target/interop",
                names(&from_debian),
                packages.join(", "),
                unpacked.join(", ")
            );
        }
        tools::install_packages(&names(&from_debian), &packages, on_missing)?;
    }
    for need in &missing {
        match need.source {
            Source::Package(_) | Source::User(_) => {}
            Source::Unpacked { package, .. } => unpack(package, paths)?,
            Source::Crate { name, version } => build(name, version, paths)?,
        }
    }
    // Present or not: this repository's crate may have changed since it was built.
    for need in peers.iter().flat_map(|peer| peer.needs) {
        if let Source::User(user) = &need.source {
            user.build(paths)?;
        }
    }
    let missing = self::missing(peers, paths);
    ensure!(missing.is_empty(), "after installing, still missing: {}", names(&missing));

    let names: Vec<_> = peers.iter().map(|peer| peer.name).collect();
    eprintln!("present: {}", names.join(", "));
    Ok(())
}

/// Returns the missing programs and libraries, without duplicates.
fn missing(peers: &[&Peer], paths: &Paths) -> Vec<&'static Need> {
    let mut missing: Vec<&Need> = Vec::new();
    for need in peers.iter().flat_map(|peer| peer.needs) {
        let seen = missing.iter().any(|other| other.name == need.name);
        if !seen && !need.is_present(&paths.search) {
            missing.push(need);
        }
    }
    missing
}

fn names(needs: &[&Need]) -> String {
    needs.iter().map(|need| need.name).collect::<Vec<_>>().join(", ")
}

/// Returns the packages to install.
fn packages(need: &Need) -> Vec<&'static str> {
    match need.source {
        Source::Package(package) => vec![package],
        Source::Unpacked { libraries, .. } => libraries.to_vec(),
        Source::Crate { .. } | Source::User(_) => Vec::new(),
    }
}

/// Returns the packages to install, as Debian calls them, if nothing is unpacked.
fn packages_elsewhere(need: &Need) -> Vec<&'static str> {
    match unpacked(need) {
        Some(package) => vec![package],
        None => packages(need),
    }
}

/// Returns the package that is only unpacked, if it is one.
fn unpacked(need: &Need) -> Option<&'static str> {
    match need.source {
        Source::Unpacked { package, .. } => Some(package),
        _ => None,
    }
}

/// Downloads a package and extracts its files, without installing it.
fn unpack(package: &str, paths: &Paths) -> Result<()> {
    let packages = paths.output.join("packages");
    let _ = fs::remove_dir_all(&packages); // Usually it does not exist.
    fs::create_dir_all(&packages).with_context(|| format!("cannot make {}", packages.display()))?;
    let mut download = command::program("apt-get");
    download.args(["download", package]).current_dir(&packages).stdin(Stdio::null());
    command::run(&mut download)?;
    let files = fs::read_dir(&packages)?.map(|entry| entry.map(|entry| entry.path()));
    for file in files.collect::<std::io::Result<Vec<_>>>()? {
        let mut extract = command::program("dpkg-deb");
        extract.arg("--extract").arg(file).arg(paths.output.join("unpacked"));
        command::run(&mut extract)?;
    }
    Ok(())
}

/// Builds a program of another workspace with its own lock file.
fn build(name: &str, version: &str, paths: &Paths) -> Result<()> {
    let mut install = command::cargo("install --locked --debug --quiet --force");
    install.args([name, "--version", version, "--root"]).arg(&paths.output);
    // Debug information is not needed, and omitting it saves time.
    install.env("CARGO_PROFILE_DEV_DEBUG", "0");
    install.arg("--target-dir").arg(paths.output.join("build"));
    command::run(install.stdin(Stdio::null()))
}

#[cfg(test)]
mod tests {
    use super::super::peers::PEERS;
    use super::*;
    use crate::package_manager::is_listed;

    #[test]
    fn the_names_of_each_package_are_listed_for_other_package_managers() {
        for need in PEERS.iter().flat_map(|peer| peer.needs) {
            for package in packages_elsewhere(need) {
                assert!(is_listed(package), "{package}");
            }
        }
    }
}
