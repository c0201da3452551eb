//! Permissions of a socket's file: never more than requested, and exactly the requested ones
//! before the first client can connect.
//!
//! bind(2) creates the file with the mode of the socket without the bits of the umask. So the mode
//! of the socket is set before bind(2), and bits that the umask removed are added before
//! listen(2).

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{Mode, fchmod};
use rustix::io::Errno;
use rustix::process::geteuid;

use crate::path_guard::{FileId, PathGuard};

/// The nine permission bits.
pub(super) const PERMISSIONS: u32 = 0o777;

/// Sets the mode with which bind(2) creates the file. Returns `false` on systems where a socket
/// has no mode (EINVAL on those derived from BSD).
pub(super) fn set_before_bind(socket: impl AsFd, mode: u32) -> io::Result<bool> {
    match fchmod(socket, Mode::from_raw_mode(mode as _)) {
        Ok(()) => Ok(true),
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Sets exactly this mode on the file, regardless of the umask.
///
/// A program with write permission for the directory can put another file at the path. So the mode
/// is set through a descriptor of the file that bind(2) created.
pub(super) fn complete(guard: &PathGuard, mode: u32) -> io::Result<()> {
    let found = fs::symlink_metadata(guard.path())?;
    if found.mode() & PERMISSIONS == mode {
        return Ok(());
    }
    let is_ours = FileId::from_metadata(&found) == guard.file()
        && found.file_type().is_socket()
        && found.uid() == geteuid().as_raw();
    if !is_ours {
        return Err(replaced());
    }
    set(guard, mode)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn set(guard: &PathGuard, mode: u32) -> io::Result<()> {
    use std::os::fd::AsRawFd;

    use rustix::fs::{OFlags, open};

    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = open(guard.path(), flags, Mode::empty())?;
    if FileId::from_open_file(&file)? != guard.file() {
        return Err(replaced());
    }
    // fchmod(2) refuses a descriptor that was opened with O_PATH; its entry in proc(5) works.
    let entry = format!("/proc/self/fd/{}", file.as_raw_fd());
    set_through(Path::new(&entry), guard.path(), mode)
}

/// Sets the mode of a file through the entry of its descriptor in proc(5), or else at its path.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn set_through(entry: &Path, path: &Path, mode: u32) -> io::Result<()> {
    match fs::set_permissions(entry, Permissions::from_mode(mode)) {
        // proc(5) is not mounted, as in some chroots.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::set_permissions(path, Permissions::from_mode(mode))
        }
        outcome => outcome,
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn set(guard: &PathGuard, mode: u32) -> io::Result<()> {
    fs::set_permissions(guard.path(), Permissions::from_mode(mode))
}

fn replaced() -> io::Error {
    io::Error::new(io::ErrorKind::AddrInUse, "another file was put in the place of the socket")
}

/// Binds on systems where a socket has no mode: in a directory that only this user can enter. The
/// file gets its mode there, and is then linked to its path.
///
/// A hard link fails if the path exists; a rename would replace the file there. The kernel keeps
/// the address in the private directory, which no longer exists afterwards.
pub(super) fn bind_in_private_directory(
    path: &Path,
    mode: u32,
    bind: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let directory = PrivateDirectory::new(path.parent().unwrap_or(Path::new("")))?;
    let inside = directory.0.join("s");
    bind(&inside)?;
    fs::set_permissions(&inside, Permissions::from_mode(mode))?;
    match fs::hard_link(&inside, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(io::ErrorKind::AddrInUse.into())
        }
        outcome => outcome,
    }
}

/// A temporary directory with at most one file in it.
struct PrivateDirectory(PathBuf);

impl PrivateDirectory {
    fn new(parent: &Path) -> io::Result<PrivateDirectory> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        loop {
            let (process, number) = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let path = parent.join(format!(".{process:x}-{number:x}"));
            match DirBuilder::new().mode(0o700).create(&path) {
                // A process with the same id may have been killed before it removed its directory.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(PrivateDirectory(path)),
            }
        }
    }
}

impl Drop for PrivateDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0.join("s"));
        let _ = fs::remove_dir(&self.0);
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    //! Tests of the path for other systems, which works on Linux too.

    use std::os::unix::net::{UnixListener, UnixStream};

    use interop_tests::{Directory, entries};
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

    use super::*;

    #[test]
    fn a_file_has_the_mode_as_soon_as_it_is_bound() {
        let directory = Directory::new();
        let path = directory.join("socket");
        let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        assert!(set_before_bind(&socket, 0o600).unwrap());
        rustix::net::bind(&socket, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        assert_eq!(fs::symlink_metadata(&path).unwrap().mode() & PERMISSIONS, 0o600);
    }

    #[test]
    fn a_socket_bound_in_a_private_directory_has_its_path_and_its_mode() {
        let directory = Directory::new();
        let path = directory.join("socket");
        let mut listener = None;
        bind_in_private_directory(&path, 0o606, |inside| {
            let parent = inside.parent().unwrap();
            assert_eq!(fs::metadata(parent)?.mode() & 0o777, 0o700);
            listener = Some(UnixListener::bind(inside)?);
            Ok(())
        })
        .unwrap();
        assert_eq!(fs::symlink_metadata(&path).unwrap().mode() & 0o777, 0o606);
        assert_eq!(entries(directory.path()), std::slice::from_ref(&path));
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn a_private_directory_replaces_no_file_and_leaves_none() {
        let directory = Directory::new();
        let path = directory.join("file");
        fs::write(&path, "precious").unwrap();
        let bind = |inside: &Path| UnixListener::bind(inside).map(drop);
        let error = bind_in_private_directory(&path, 0o600, bind).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        let failing = |_: &Path| Err(io::ErrorKind::InvalidFilename.into());
        let error = bind_in_private_directory(&path, 0o600, failing).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidFilename);
        assert_eq!(entries(directory.path()), std::slice::from_ref(&path));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn the_mode_of_a_file_that_replaced_the_socket_is_unchanged() {
        let directory = Directory::new();
        let path = directory.join("socket");
        let _listener = UnixListener::bind(&path).unwrap();
        let guard = PathGuard::new(&path).unwrap();
        let _other = UnixListener::bind(directory.join("other")).unwrap();
        let before = fs::symlink_metadata(directory.join("other")).unwrap().mode();
        fs::rename(directory.join("other"), &path).unwrap();
        for change in [complete, set] {
            let error = change(&guard, 0o666).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        }
        assert_eq!(fs::symlink_metadata(&path).unwrap().mode(), before);
    }

    fn mode_of(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().mode() & PERMISSIONS
    }

    #[test]
    fn the_mode_of_a_file_that_is_no_socket_is_unchanged() {
        let directory = Directory::new();
        let path = directory.join("file");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let guard = PathGuard::new(&path).unwrap();
        let error = complete(&guard, 0o666).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(mode_of(&path), 0o600);
    }

    #[test]
    fn the_mode_is_not_set_through_a_symbolic_link() {
        let directory = Directory::new();
        let (path, moved) = (directory.join("socket"), directory.join("moved"));
        let _listener = UnixListener::bind(&path).unwrap();
        let guard = PathGuard::new(&path).unwrap();
        let before = mode_of(&path);
        fs::rename(&path, &moved).unwrap();
        std::os::unix::fs::symlink(&moved, &path).unwrap();
        let error = set(&guard, before ^ 0o006).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        assert_eq!(mode_of(&moved), before);
    }

    #[test]
    fn without_proc_the_mode_is_set_at_the_path() {
        let directory = Directory::new();
        let path = directory.join("socket");
        let _listener = UnixListener::bind(&path).unwrap();
        set_through(&directory.join("not-mounted"), &path, 0o606).unwrap();
        assert_eq!(mode_of(&path), 0o606);
    }

    #[test]
    fn a_mode_that_proc_cannot_set_is_an_error() {
        let directory = Directory::new();
        let (path, file) = (directory.join("socket"), directory.join("file"));
        let _listener = UnixListener::bind(&path).unwrap();
        fs::write(&file, "").unwrap();
        let before = mode_of(&path);
        let error = set_through(&file.join("entry"), &path, before ^ 0o006).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
        assert_eq!(mode_of(&path), before);
    }

    #[test]
    fn a_path_that_is_too_long_is_not_reported_as_in_use() {
        let directory = Directory::new();
        let path = directory.join("a".repeat(300));
        let bind = |inside: &Path| UnixListener::bind(inside).map(drop);
        let error = bind_in_private_directory(&path, 0o600, bind).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidFilename);
    }
}
