//! Who leaves takes away the file of their socket, but not the one that a successor has put in its
//! place.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The file of a socket, removed on drop if it is still the same file.
///
/// It is the same if it has the same device and inode number; between that look and the removal
/// another process may replace it, since there is no call that does both.
///
/// ```
/// use anchovy_dbus::Address;
///
/// let bound = Address::tmpdir(std::env::temp_dir())?.listen()?;
/// let path = bound.file.as_ref().expect("a path has one").path().to_owned();
/// assert!(path.exists());
/// drop(bound);
/// assert!(!path.exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

/// Which file it is, whatever it is called: device and inode number.
pub(super) type Identity = (u64, u64);

impl SocketFile {
    pub(super) fn of(path: &Path) -> io::Result<SocketFile> {
        // The working directory may be another one when this is dropped.
        let path = std::path::absolute(path)?;
        let identity = identity(&fs::symlink_metadata(&path)?);
        Ok(SocketFile { path, identity })
    }

    /// Where it is; absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the file where it is, for a process that goes on listening.
    ///
    /// ```
    /// use anchovy_dbus::Address;
    ///
    /// let bound = Address::tmpdir(std::env::temp_dir())?.listen()?;
    /// let path = bound.file.expect("a path has one").keep();
    /// assert!(path.exists());
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keep(mut self) -> PathBuf {
        // An empty path is that of no file, so that nothing is removed.
        std::mem::take(&mut self.path)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let same =
            fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == self.identity);
        if same {
            let _ = fs::remove_file(&self.path);
        }
    }
}

pub(super) fn identity(file: &Metadata) -> Identity {
    (file.dev(), file.ino())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use super::*;
    use crate::address::Address;
    use crate::address::test_directory::TestDirectory;

    fn path(path: impl Into<PathBuf>) -> Address {
        Address::path(path).unwrap()
    }

    #[test]
    fn the_file_goes_with_its_owner() {
        let directory = TestDirectory::new();
        let bound = path(directory.join("bus")).listen().unwrap();
        assert_eq!(directory.names(), ["bus"]);
        drop(bound);
        assert!(directory.names().is_empty());
    }

    #[test]
    fn the_file_of_a_successor_stays() {
        let directory = TestDirectory::new();
        let bound = path(directory.join("bus")).listen().unwrap();
        // Made while the old one exists, so that it cannot have the same inode number.
        let _successor = UnixListener::bind(directory.join("new")).unwrap();
        fs::rename(directory.join("new"), directory.join("bus")).unwrap();

        drop(bound);
        assert!(UnixStream::connect(directory.join("bus")).is_ok());
    }

    #[test]
    fn a_file_that_is_kept_stays() {
        let directory = TestDirectory::new();
        let bound = path(directory.join("bus")).listen().unwrap();
        assert_eq!(bound.file.unwrap().keep(), directory.join("bus"));
        assert_eq!(directory.names(), ["bus"]);
    }

    #[test]
    fn a_file_that_is_gone_already_is_no_matter() {
        let directory = TestDirectory::new();
        let bound = path(directory.join("bus")).listen().unwrap();
        fs::remove_file(directory.join("bus")).unwrap();
        drop(bound);
    }

    #[test]
    fn the_path_of_the_file_is_absolute() {
        let directory = TestDirectory::new();
        fs::write(directory.join("bus"), "").unwrap();
        let mut relative: PathBuf =
            std::env::current_dir().unwrap().iter().skip(1).map(|_| "..").collect();
        relative.push(directory.join("bus").strip_prefix("/").unwrap());

        let file = SocketFile::of(&relative).unwrap();
        assert!(file.path().is_absolute(), "{file:?}");
        drop(file);
        assert!(directory.names().is_empty());
    }
}
