//! The protocol files of other packages.
//!
//! Crates that generate code from protocol files contain those files, and cargo prints their paths.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The packages that have protocol files.
const PACKAGES: [&str; 5] = [
    "wayland-client",
    "wayland-protocols",
    "wayland-protocols-misc",
    "wayland-protocols-plasma",
    "wayland-protocols-wlr",
];

/// All of them.
pub(crate) fn protocol_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for package in packages() {
        let before = files.len();
        find(&package, &mut files);
        assert!(files.len() > before, "{package:?} has protocol files");
    }
    files
}

fn find(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "xml") {
            files.push(path);
        }
    }
}

/// Returns the directories of the sources of [`PACKAGES`].
fn packages() -> Vec<PathBuf> {
    let cargo = |arguments: &[&str]| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let version = cargo(&["version", "--verbose"]);
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let metadata = cargo(&[
        "metadata",
        "--locked",
        "--format-version=1",
        "--filter-platform",
        host,
        "--manifest-path",
        manifest,
    ]);
    // The only strings with these keys are paths, in which nothing is escaped here.
    let manifests = metadata.split("\"manifest_path\":\"").skip(1);
    let directories: Vec<&Path> = manifests
        .map(|rest| Path::new(rest.split('"').next().unwrap()).parent().unwrap())
        .collect();
    let of = |name: &&str| {
        let is_it = |directory: &&&Path| {
            let last = directory.file_name().unwrap().to_str().unwrap();
            let version = last.strip_prefix(*name).and_then(|rest| rest.strip_prefix('-'));
            version.is_some_and(|version| version.starts_with(|c: char| c.is_ascii_digit()))
        };
        directories.iter().find(is_it).unwrap_or_else(|| panic!("no {name}")).to_path_buf()
    };
    PACKAGES.iter().map(of).collect()
}
