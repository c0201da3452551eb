//! A directory for one test, gone when the test ends, however it ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Its path is short, since a path of a socket has to be.
pub(in crate::address) struct TestDirectory(PathBuf);

impl TestDirectory {
    pub(in crate::address) fn new() -> TestDirectory {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("anchovy-dbus-{}-{number}", process::id()));
        fs::create_dir(&path).unwrap();
        TestDirectory(path)
    }

    pub(in crate::address) fn path(&self) -> &Path {
        &self.0
    }

    pub(in crate::address) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// What is in it, in order.
    pub(in crate::address) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(&self.0)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

impl Drop for TestDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
