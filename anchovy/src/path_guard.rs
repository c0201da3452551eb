//! Removal of the file of a socket or a lock on drop, unless another program has replaced it.

use std::fs::{self, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{self, Path, PathBuf};

/// A path that is removed on drop if it still names the same file.
///
/// A file is the same if its device and inode number are equal. Symbolic links are not followed.
/// No system call compares and removes a file atomically, so if another program replaces the file
/// between the two steps, its file is removed.
///
/// [`AnchovyListener`](crate::AnchovyListener) uses it for its socket. It is public for protocols
/// that have other files next to the socket, such as the lock file of a Wayland display.
///
/// # Examples
///
/// ```
/// use anchovy::PathGuard;
///
/// # fn main() -> std::io::Result<()> {
/// let path = std::env::temp_dir().join(format!("anchovy-guard-{}", std::process::id()));
/// std::fs::write(&path, "")?;
/// drop(PathGuard::new(&path)?);
/// assert!(!path.exists());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "the path is removed when this is dropped"]
pub struct PathGuard {
    path: PathBuf,
    file: FileId,
    removes: bool,
}

impl PathGuard {
    /// Guards the file that `path` names. A relative path is made absolute, so a later change of
    /// the working directory has no effect.
    ///
    /// # Errors
    ///
    /// Returns the error of lstat(2), and of reading the working directory if the path is
    /// relative.
    pub fn new(path: impl AsRef<Path>) -> io::Result<PathGuard> {
        let path = path::absolute(path)?;
        let file = FileId::at(&path)?;
        Ok(PathGuard { path, file, removes: true })
    }

    /// Guards `path` if it names the open file `file`. Returns `None` if it names another file or
    /// does not exist.
    ///
    /// Use this to take ownership of a lock file: another process may have removed the file
    /// between opening and locking it.
    ///
    /// # Errors
    ///
    /// Returns the error of fstat(2) or lstat(2), except if the path does not exist.
    ///
    /// # Examples
    ///
    /// ```
    /// use anchovy::PathGuard;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// let path = std::env::temp_dir().join(format!("anchovy-open-{}", std::process::id()));
    /// let file = std::fs::File::create(&path)?;
    /// assert!(PathGuard::for_open_file(&path, &file)?.is_some()); // dropped at once, so removed
    /// assert!(PathGuard::for_open_file(&path, &file)?.is_none());
    /// # Ok(())
    /// # }
    /// ```
    pub fn for_open_file(path: impl AsRef<Path>, file: impl AsFd) -> io::Result<Option<PathGuard>> {
        let open = FileId::from_open_file(file)?;
        match PathGuard::new(path) {
            Ok(guard) if guard.file == open => Ok(Some(guard)),
            Ok(other) => {
                other.keep();
                Ok(None)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Releases the file without removing it, and returns its path.
    pub fn keep(mut self) -> PathBuf {
        self.removes = false;
        std::mem::take(&mut self.path)
    }

    /// Removes the path if it still names the same file. Unlike a drop, this method reports
    /// errors. If the path names another file or does not exist, it does nothing.
    ///
    /// # Errors
    ///
    /// Returns the error of lstat(2) or unlink(2).
    pub fn remove(mut self) -> io::Result<()> {
        self.removes = false;
        self.remove_if_same()
    }

    /// Sets whether the path is removed on drop.
    pub(crate) fn set_removes(&mut self, removes: bool) {
        self.removes = removes;
    }

    /// Returns whether the path still names the guarded file.
    pub(crate) fn is_same(&self) -> io::Result<bool> {
        match FileId::at(&self.path) {
            Ok(now) => Ok(now == self.file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn file(&self) -> FileId {
        self.file
    }

    fn remove_if_same(&self) -> io::Result<()> {
        if self.is_same()? { fs::remove_file(&self.path) } else { Ok(()) }
    }
}

impl Drop for PathGuard {
    fn drop(&mut self) {
        if self.removes {
            // A drop cannot report an error.
            let _ = self.remove_if_same();
        }
    }
}

/// The identity of a file: its device and inode number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(crate) fn from_metadata(metadata: &Metadata) -> FileId {
        FileId { device: metadata.dev(), inode: metadata.ino() }
    }

    fn at(path: &Path) -> io::Result<FileId> {
        fs::symlink_metadata(path).map(|found| FileId::from_metadata(&found))
    }

    #[allow(clippy::unnecessary_cast, reason = "the types differ between systems")]
    pub(crate) fn from_open_file(file: impl AsFd) -> io::Result<FileId> {
        let found = rustix::fs::fstat(file)?;
        Ok(FileId { device: found.st_dev as u64, inode: found.st_ino as u64 })
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs::File;

    use interop_tests::Directory;

    use super::*;

    /// Replaces the file at the path. The new file is created first, so it has a different inode
    /// number.
    fn replace(path: &Path) {
        let other = path.with_extension("new");
        fs::write(&other, "other").unwrap();
        fs::rename(other, path).unwrap();
    }

    #[test]
    fn a_file_that_was_replaced_stays() {
        let directory = Directory::new();
        let path = directory.join("file");
        for remove in [true, false] {
            fs::write(&path, "").unwrap();
            let guard = PathGuard::new(&path).unwrap();
            assert_eq!(guard.path(), path);
            replace(&path);
            assert!(!guard.is_same().unwrap());
            if remove {
                guard.remove().unwrap()
            } else {
                drop(guard)
            }
            assert_eq!(fs::read(&path).unwrap(), b"other");
        }
    }

    #[test]
    fn a_file_that_is_kept_stays_and_its_path_is_returned() {
        let directory = Directory::new();
        let path = directory.join("file");
        fs::write(&path, "").unwrap();
        assert_eq!(PathGuard::new(&path).unwrap().keep(), path);
        assert!(path.exists());
    }

    #[test]
    fn an_open_file_is_guarded_only_if_the_path_names_it() {
        let directory = Directory::new();
        let path = directory.join("file");
        let file = File::create(&path).unwrap();
        PathGuard::for_open_file(&path, &file).unwrap().expect("the path names it").keep();

        replace(&path);
        assert!(PathGuard::for_open_file(&path, &file).unwrap().is_none());
        assert!(path.exists(), "the other file stays");
        fs::remove_file(&path).unwrap();
        assert!(PathGuard::for_open_file(&path, &file).unwrap().is_none());
    }

    #[test]
    fn a_symbolic_link_is_not_followed() {
        let directory = Directory::new();
        let (path, link) = (directory.join("file"), directory.join("link"));
        let file = File::create(&path).unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(PathGuard::for_open_file(&link, &file).unwrap().is_none());
        drop(PathGuard::new(&link).unwrap());
        assert!(path.exists() && fs::symlink_metadata(&link).is_err());
    }

    #[test]
    fn a_path_that_names_no_file_cannot_be_guarded() {
        let directory = Directory::new();
        let error = PathGuard::new(directory.join("gone")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
