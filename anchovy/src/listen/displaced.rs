//! Moving a file from its path to a private name, where no other program replaces it, and back.
//!
//! No system call removes a file only if it is a certain one. But after rename(2) to a name that
//! no other program knows, the file at that name is the one that was moved. A file that was moved
//! by mistake can be moved back.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::io::Errno;

use super::listen_error::ListenError;

/// The maximum number of private names to try. A name is in use if a process with the same id was
/// killed before it removed its file.
const ATTEMPTS: usize = 64;

/// A file that was moved from its path to a private name in the same directory.
#[derive(Debug)]
#[must_use = "the file is lost to its owner until it is put back"]
pub(super) struct Displaced<'a> {
    path: &'a Path,
    private: PathBuf,
}

impl<'a> Displaced<'a> {
    /// Moves the file at `path` to a private name. Returns `None` if there is no file.
    pub(super) fn take(path: &'a Path) -> io::Result<Option<Displaced<'a>>> {
        for _ in 0..ATTEMPTS {
            let private = private_name(path)?;
            match move_to_free_name(path, &private) {
                Ok(()) => return Ok(Some(Displaced { path, private })),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Returns a file that was moved from `path` to this private name.
    #[cfg(all(test, target_os = "linux"))]
    pub(super) fn at(path: &'a Path, private: PathBuf) -> Displaced<'a> {
        Displaced { path, private }
    }

    /// Returns the metadata of the moved file.
    pub(super) fn metadata(&self) -> io::Result<Metadata> {
        fs::symlink_metadata(&self.private)
    }

    /// Removes the file.
    pub(super) fn remove(&self) -> io::Result<()> {
        fs::remove_file(&self.private)
    }

    /// Moves the file back to its path.
    ///
    /// # Errors
    ///
    /// Returns [`ListenError::MovedAside`] if there is another file at the path, or if the system
    /// call fails. The file stays at its private name.
    pub(super) fn put_back(self) -> Result<(), ListenError> {
        move_back(&self.private, self.path).map_err(|error| {
            let (path, moved_to) = (self.path.to_owned(), self.private);
            ListenError::MovedAside { path, moved_to, error }
        })
    }
}

/// Returns a name that no other process or thread uses: `.socket.4d2-0` for `socket`.
fn private_name(path: &Path) -> io::Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let mut private = OsString::from(".");
    private.push(name);
    private.push(format!(".{process:x}-{number:x}"));
    Ok(path.with_file_name(private))
}

/// Moves a file to a private name, unless that name exists.
fn move_to_free_name(path: &Path, private: &Path) -> io::Result<()> {
    match rename_without_replacing(path, private) {
        Err(Errno::NOSYS) => rename_to_unused(path, private),
        outcome => Ok(outcome?),
    }
}

/// Does the same on systems without such a call. The name is private, so no other program creates
/// it in between.
fn rename_to_unused(path: &Path, private: &Path) -> io::Result<()> {
    match fs::symlink_metadata(private) {
        Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::rename(path, private),
        Err(error) => Err(error),
    }
}

/// Moves a file back to its path, unless the path exists.
fn move_back(private: &Path, path: &Path) -> io::Result<()> {
    match rename_without_replacing(private, path) {
        Err(Errno::NOSYS) => link_and_unlink(private, path),
        outcome => Ok(outcome?),
    }
}

/// Does the same on systems without such a call. It fails for directories, which have no hard
/// links.
fn link_and_unlink(private: &Path, path: &Path) -> io::Result<()> {
    fs::hard_link(private, path)?;
    fs::remove_file(private)
}

/// Renames a file unless the new name exists (EEXIST). Fails with ENOSYS if that is not supported:
/// before Linux 3.15, or by the file system (EINVAL, as in NFS).
#[cfg(any(target_os = "linux", target_os = "android"))]
fn rename_without_replacing(from: &Path, to: &Path) -> rustix::io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};

    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Err(Errno::NOSYS),
        outcome => outcome,
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn rename_without_replacing(_: &Path, _: &Path) -> rustix::io::Result<()> {
    Err(Errno::NOSYS)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::net::{UnixListener, UnixStream};

    use interop_tests::{Directory, entries};

    use super::*;

    #[test]
    fn a_path_that_cannot_be_moved_is_an_error() {
        let directory = Directory::new();
        let file = directory.join("file");
        fs::write(&file, "").unwrap();
        let error = Displaced::take(&file.join("socket")).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
    }

    #[test]
    fn a_file_is_moved_to_a_private_name_and_back() {
        let directory = Directory::new();
        let path = directory.join("file");
        fs::write(&path, "precious").unwrap();
        let displaced = Displaced::take(&path).unwrap().unwrap();
        let private = displaced.private.clone();
        assert_eq!(entries(directory.path()), std::slice::from_ref(&private));
        let name = private.file_name().unwrap().to_str().unwrap();
        assert!(name.starts_with(&format!(".file.{:x}-", std::process::id())), "{name}");
        displaced.put_back().unwrap();
        assert_eq!(entries(directory.path()), std::slice::from_ref(&path));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn a_private_name_that_is_in_use_is_passed_over() {
        let directory = Directory::new();
        let path = directory.join("file");
        fs::write(&path, "precious").unwrap();
        let last = private_name(&path).unwrap().into_os_string().into_string().unwrap();
        let (start, number) = last.rsplit_once('-').unwrap();
        let number = u32::from_str_radix(number, 16).unwrap();
        // Other tests of this process use numbers too.
        for next in 1..=32 {
            fs::write(format!("{start}-{:x}", number + next), "other").unwrap();
        }
        let displaced = Displaced::take(&path).unwrap().unwrap();
        assert_eq!(fs::read(&displaced.private).unwrap(), b"precious");
        displaced.remove().unwrap();
        assert_eq!(entries(directory.path()).len(), 32);
    }

    #[test]
    fn a_path_without_a_file_moves_nothing() {
        let directory = Directory::new();
        assert!(Displaced::take(&directory.join("gone")).unwrap().is_none());
    }

    #[test]
    fn a_directory_and_a_live_socket_are_moved_back_too() {
        let directory = Directory::new();
        let path = directory.join("directory");
        fs::create_dir(&path).unwrap();
        Displaced::take(&path).unwrap().unwrap().put_back().unwrap();
        assert!(path.is_dir());

        let path = directory.join("socket");
        let _listener = UnixListener::bind(&path).unwrap();
        Displaced::take(&path).unwrap().unwrap().put_back().unwrap();
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn a_file_whose_path_is_occupied_keeps_its_private_name() {
        let directory = Directory::new();
        let path = directory.join("file");
        fs::write(&path, "first").unwrap();
        let displaced = Displaced::take(&path).unwrap().unwrap();
        fs::write(&path, "second").unwrap();
        let error = displaced.put_back().unwrap_err();
        let text = error.to_string();
        let ListenError::MovedAside { path: taken, moved_to, .. } = error else { panic!("{text}") };
        assert_eq!(taken, path);
        assert!(text.contains(moved_to.to_str().unwrap()), "{text}");
        assert_eq!(fs::read(path).unwrap(), b"second");
        assert_eq!(fs::read(moved_to).unwrap(), b"first");
    }

    #[test]
    fn private_names_differ_and_no_file_is_replaced() {
        let directory = Directory::new();
        let path = directory.join("file");
        fs::write(&path, "one").unwrap();
        let (first, second) = (private_name(&path).unwrap(), private_name(&path).unwrap());
        assert_ne!(first, second);
        fs::write(&first, "other").unwrap();
        for rename in [move_to_free_name, rename_to_unused, move_back, link_and_unlink] {
            let error = rename(&path, &first).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        }
        assert_eq!(fs::read(&first).unwrap(), b"other");
        rename_to_unused(&path, &second).unwrap();
        link_and_unlink(&second, &path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(entries(directory.path()).len(), 2);
    }
}
