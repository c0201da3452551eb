//! Connecting and listening against the kernel, other holders of locks, and libwayland.
#![cfg(target_os = "linux")]

mod accept;
mod bind;
mod budget;
mod connect;
mod free;
mod handover;
mod holders;
mod inherited;

use interop_tests::Directory;

/// Returns the names in a directory, sorted.
fn names(directory: &Directory) -> Vec<String> {
    let entries = std::fs::read_dir(directory.path()).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
