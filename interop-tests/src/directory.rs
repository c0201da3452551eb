//! Temporary directories.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Access, access};

/// A directory of one test, which only its user can enter. It is removed with its content when
/// this is dropped.
#[derive(Debug)]
#[must_use = "the directory is removed when this is dropped"]
pub struct Directory(PathBuf);

impl Directory {
    /// Creates an empty directory for temporary files.
    #[expect(clippy::new_without_default, reason = "a default would not touch the disk")]
    pub fn new() -> Directory {
        // `TMPDIR` may be a directory that only the user of the process can enter, and this thread may
        // be another user.
        let place = std::env::temp_dir();
        match access(&place, Access::WRITE_OK | Access::EXEC_OK) {
            Ok(()) => Directory::new_in(&place),
            Err(_) => Directory::new_in(Path::new("/tmp")),
        }
    }

    /// Creates an empty directory that belongs to this user and group, which requires root.
    ///
    /// It is in a directory that every user can enter, because only this user may be able to enter
    /// the usual directory of temporary files.
    pub fn of_another(user: u32, group: u32) -> Directory {
        let directory = Directory::new_in(Path::new("/tmp"));
        std::os::unix::fs::chown(&directory.0, Some(user), Some(group)).expect("we are root");
        directory
    }

    fn new_in(place: &Path) -> Directory {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let (process, number) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let path = place.join(format!("anchovy-test-{process}-{number}"));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Directory(path),
                // A process with the same id was killed before it removed its directory.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => panic!("no directory {}: {error}", path.display()),
            }
        }
    }

    /// Returns the path of the directory.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Returns the path of a file in the directory, whether or not it exists.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let removed = std::fs::remove_dir_all(&self.0);
        // A second panic would hide the first one.
        if !std::thread::panicking() {
            removed.expect("it is ours");
        }
    }
}

/// Returns the paths in a directory, in order.
pub fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::guarded;

    #[test]
    fn concurrent_directories_are_different_ones() {
        guarded(|| {
            let (one, other) = (Directory::new(), Directory::new());
            assert_ne!(one.path(), other.path());
            std::fs::write(one.join("file"), "").unwrap();
            assert!(!other.join("file").exists());
        });
    }

    #[test]
    fn only_its_user_can_enter_a_directory_and_it_is_removed() {
        guarded(|| {
            let directory = Directory::new();
            let path = directory.path().to_owned();
            std::fs::create_dir_all(path.join("with/others/in/it")).unwrap();
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o700);
            drop(directory);
            assert!(!path.exists());
        });
    }
}
