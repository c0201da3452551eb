//! The files in a directory.

use interop_tests::Directory;

/// Returns the names in a directory, sorted.
pub(crate) fn names(directory: &Directory) -> Vec<String> {
    let entries = std::fs::read_dir(directory.path()).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
