//! Who leaves takes their files away, but not those that a successor has put in their place.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file that is removed on drop, if it is still the same: if it has the same device and inode
/// number.
#[derive(Debug)]
pub(super) struct OwnFile {
    path: PathBuf,
    identity: Identity,
}

/// Which file it is, whatever it is called: device and inode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity(u64, u64);

impl Identity {
    pub(super) fn of(path: &Path) -> io::Result<Identity> {
        let found = fs::symlink_metadata(path)?;
        Ok(Identity(found.dev(), found.ino()))
    }

    #[allow(clippy::unnecessary_cast, reason = "the types are other ones on other systems")]
    pub(super) fn of_open(file: impl std::os::fd::AsFd) -> io::Result<Identity> {
        let found = rustix::fs::fstat(file)?;
        Ok(Identity(found.st_dev as u64, found.st_ino as u64))
    }
}

impl OwnFile {
    pub(super) fn new(path: PathBuf, identity: Identity) -> OwnFile {
        OwnFile { path, identity }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the file where it is.
    pub(super) fn keep(mut self) -> PathBuf {
        // An empty path is that of no file, so that nothing is removed.
        std::mem::take(&mut self.path)
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        if Identity::of(&self.path).is_ok_and(|found| found == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}
