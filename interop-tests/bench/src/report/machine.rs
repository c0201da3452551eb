//! The machine and the software of a run.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

/// The crates whose versions are reported.
const CRATES: &[&str] = &[
    "anchovy",
    "rustix",
    "sendfd",
    "tokio",
    "tokio-seqpacket",
    "wayland-backend",
    "wayland-client",
    "wayland-server",
    "zbus",
    "zlink",
];

/// Returns the versions of the compiler and of the crates.
pub(super) fn versions() -> BTreeMap<String, String> {
    let lock = include_str!("../../Cargo.lock");
    let mut versions = BTreeMap::<String, String>::new();
    let value = |line: &str, key| {
        let value = line.strip_prefix(key)?.strip_prefix(" = \"")?.strip_suffix('"')?;
        Some(value.to_owned())
    };
    for package in lock.split("[[package]]\n").skip(1) {
        let find = |key| package.lines().find_map(|line| value(line, key));
        let (Some(name), Some(version)) = (find("name"), find("version")) else { continue };
        if CRATES.contains(&name.as_str()) {
            // Two packages are named anchovy.
            let all = versions.entry(name).or_default();
            *all = if all.is_empty() { version } else { format!("{all}, {version}") };
        }
    }
    let compiler = Command::new("rustc").arg("--version").output();
    let compiler = compiler.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    versions.insert("rustc".to_owned(), compiler.unwrap_or_else(|_| "unknown".to_owned()));
    versions
}

pub(super) fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("Linux {}", release.trim())
}

pub(super) fn cpu() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown", |model| model.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{model}, {cores} cores")
}
