//! `cargo test` as in a fresh clone on a machine that has nothing but Rust.
//!
//! PATH is a directory that has only what Rust needs to compile and link, a shell and a few of the
//! programs that every system has. A test that starts another program belongs into the target
//! `programs` of its package, which `cargo test` does not run.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result};

use crate::command;

/// What cargo, rustc and the C compiler start.
const TOOLCHAIN: &[&str] = &["rustc", "rustdoc", "cc", "ld", "as", "ar"];

/// What the tests start.
const BASE: &[&str] = &["sh", "cat", "env", "ls", "sleep", "true"];

/// Runs `cargo test` in a PATH without any other program.
///
/// All features are enabled, so that no test has to be built and run twice. The lints check that the tests
/// compile without features, too.
pub(crate) fn test() -> Result<()> {
    let directory = PlainPath::new(&command::target_directory()?)?;
    command::run(
        command::cargo("test --all-features").env("PATH", &directory.path).stdin(Stdio::null()),
    )
}

/// A directory of links to programs, which is removed when this is dropped.
struct PlainPath {
    path: PathBuf,
}

impl PlainPath {
    fn new(parent: &Path) -> Result<PlainPath> {
        let path = parent.join(format!("plain-path-{}", std::process::id()));
        fs::create_dir_all(&path).with_context(|| format!("cannot create {}", path.display()))?;
        let directory = PlainPath { path };
        for name in TOOLCHAIN.iter().chain(BASE) {
            let program = find(name).with_context(|| format!("{name} is not on PATH"))?;
            symlink(program, directory.path.join(name))?;
        }
        Ok(directory)
    }
}

impl Drop for PlainPath {
    fn drop(&mut self) {
        // At worst, a directory of links stays in the target directory.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Returns the path of a program: that of the current toolchain, or else the first on PATH.
fn find(name: &str) -> Option<PathBuf> {
    let toolchain = env::var_os("CARGO").map(PathBuf::from);
    let toolchain = toolchain.as_deref().and_then(Path::parent).map(Path::to_owned);
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = toolchain.into_iter().chain(env::split_paths(&path));
    directories.map(|directory| directory.join(name)).find(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain_path() -> PlainPath {
        let parent = command::target_directory().unwrap();
        PlainPath::new(&parent.join("plain-path-tests")).unwrap()
    }

    #[test]
    fn only_the_listed_programs_are_on_the_path() {
        let directory = plain_path();
        let entries = fs::read_dir(&directory.path).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        let mut expected = [TOOLCHAIN, BASE].concat();
        expected.sort();
        assert_eq!(names, expected);
        let path = directory.path.clone();
        drop(directory);
        assert!(!path.exists());
    }
}
