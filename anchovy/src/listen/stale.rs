//! Removal of a stale socket, and of no other file.
//!
//! Other programs can put a file at the path at any time, and unlink(2) removes any file. So the
//! socket is first moved to a private name, then checked there, and moved back if it is another
//! file.

use std::fs::{self, FileType, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::geteuid;

use super::displaced::Displaced;
use super::listen_error::ListenError;
use crate::path_guard::FileId;

/// The bit of a directory in which only the owner of a file can remove it (chmod(2)).
const STICKY: u32 = 0o1000;

/// Returns whether the file at `path` is a socket that no process has open.
pub(super) fn is_stale(path: &Path) -> bool {
    // connect(2) to a file of another type fails with ECONNREFUSED too.
    let is_socket = matches!(look(path), Ok(Some(found)) if found.file_type().is_socket());
    is_socket && matches!(is_live(path), Ok(Liveness::Stale))
}

/// The longest time to wait for the end of a process that has the socket open. A process that was killed
/// has its sockets open for some milliseconds, until the kernel has freed its memory.
const LONGEST_WAIT: Duration = Duration::from_millis(250);
const CHECK_INTERVAL: Duration = Duration::from_millis(1);

/// Waits while a process has the socket at `path` open, in case the process is about to end.
pub(super) fn wait_while_live(path: &Path) {
    wait_while(|| matches!(is_live(path), Ok(Liveness::Live)));
}

fn wait_while(mut is_live: impl FnMut() -> bool) {
    let start = Instant::now();
    while is_live() && start.elapsed() < LONGEST_WAIT {
        thread::sleep(CHECK_INTERVAL);
    }
}

/// Removes the file at `path` if it is a stale socket. Returns `Ok` if no file is there.
pub(super) fn remove(path: &Path) -> Result<(), ListenError> {
    remove_unless(path, is_live)
}

fn remove_unless(
    path: &Path,
    is_live: impl FnOnce(&Path) -> io::Result<Liveness>,
) -> Result<(), ListenError> {
    let failed = |error| ListenError::Io { path: Some(path.to_owned()), error };
    let in_use = || ListenError::InUse { path: path.to_owned() };

    let Some(found) = look(path).map_err(failed)? else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(taken(path, found.file_type()));
    }
    if found.uid() != geteuid().as_raw() && is_in_sticky_directory(path).map_err(failed)? {
        return Err(ListenError::OtherOwner { path: path.to_owned(), uid: found.uid() });
    }
    match is_live(path).map_err(failed)? {
        Liveness::Live => return Err(in_use()),
        Liveness::Vanished => return Ok(()),
        Liveness::Stale => {}
    }
    // A program that does not take the lock may have put a live socket at the path. If this check
    // finds it, its path stays in place all the time.
    match look(path).map_err(failed)? {
        Some(now) if is_same(&now, &found) => {}
        Some(_) => return Err(in_use()),
        None => return Ok(()),
    }
    remove_same(path, &found)
}

/// Removes the file at `path` if it is the socket that was `found` there. It is safe against
/// concurrent changes by other programs.
fn remove_same(path: &Path, found: &Metadata) -> Result<(), ListenError> {
    let displaced = Displaced::take(path)
        .map_err(|error| ListenError::Io { path: Some(path.to_owned()), error })?;
    match displaced {
        Some(displaced) => remove_displaced(path, displaced, found, Displaced::remove),
        None => Ok(()),
    }
}

/// Removes the file that was moved from `path` if it is the socket that was `found` there, and puts it
/// back otherwise.
fn remove_displaced<'a>(
    path: &Path,
    displaced: Displaced<'a>,
    found: &Metadata,
    remove: impl FnOnce(&Displaced<'a>) -> io::Result<()>,
) -> Result<(), ListenError> {
    let failed = |error| ListenError::Io { path: Some(path.to_owned()), error };

    let moved = match displaced.metadata() {
        Ok(moved) => moved,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            displaced.put_back()?;
            return Err(failed(error));
        }
    };
    if !is_same(&moved, found) {
        displaced.put_back()?;
        return Err(taken(path, moved.file_type()));
    }
    match remove(&displaced) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            displaced.put_back()?;
            Err(failed(error))
        }
        _ => Ok(()),
    }
}

/// Returns whether both are the same socket. A new file can get the inode number of a removed one,
/// but has a later modification time.
fn is_same(now: &Metadata, found: &Metadata) -> bool {
    let modified = |file: &Metadata| (file.mtime(), file.mtime_nsec());
    now.file_type().is_socket()
        && FileId::from_metadata(now) == FileId::from_metadata(found)
        && modified(now) == modified(found)
}

/// Returns the error for a path that a file of this type occupies.
pub(super) fn taken(path: &Path, file: FileType) -> ListenError {
    let path = path.to_owned();
    if file.is_socket() {
        ListenError::InUse { path }
    } else {
        ListenError::NotASocket { path, found: kind_of(file) }
    }
}

/// The state of a socket in the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Liveness {
    /// A process has it open.
    Live,
    /// No process has it open.
    Stale,
    /// The path no longer exists.
    Vanished,
}

/// Checks whether a process has the socket at `path` open, by connecting a datagram socket to it.
///
/// The server does not notice the check, and the check never blocks. It also finds a socket that
/// is bound but does not listen yet; a stream socket would get ECONNREFUSED there, as from a stale
/// one. EPROTOTYPE means that a live socket has another type. EPERM means that a live socket
/// receives from one other sender only (connect(2)).
fn is_live(path: &Path) -> io::Result<Liveness> {
    let Err(error) = UnixDatagram::unbound()?.connect(path) else { return Ok(Liveness::Live) };
    match Errno::from_io_error(&error) {
        Some(Errno::PROTOTYPE | Errno::PERM) => Ok(Liveness::Live),
        Some(Errno::CONNREFUSED) => Ok(Liveness::Stale),
        Some(Errno::NOENT) => Ok(Liveness::Vanished),
        _ => Err(error),
    }
}

fn look(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn is_in_sticky_directory(path: &Path) -> io::Result<bool> {
    let path = std::path::absolute(path)?;
    let Some(directory) = path.parent() else { return Ok(false) };
    Ok(fs::metadata(directory)?.mode() & STICKY != 0)
}

fn kind_of(file: FileType) -> &'static str {
    if file.is_dir() {
        "a directory"
    } else if file.is_symlink() {
        "a symbolic link"
    } else if file.is_file() {
        "a file"
    } else {
        "a special file"
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    //! Tests of changes between two checks, which a test cannot time from outside.

    use std::os::unix::net::{UnixListener, UnixStream};

    use interop_tests::{Directory, entries};
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_OMIT, inotify, utimensat};

    use super::*;

    fn stale(directory: &Directory) -> std::path::PathBuf {
        let path = directory.join("socket");
        drop(UnixListener::bind(&path).unwrap());
        path
    }

    #[test]
    fn a_path_that_cannot_be_examined_is_an_error() {
        let directory = Directory::new();
        let path = stale(&directory).join("socket");
        assert_eq!(look(&path).unwrap_err().kind(), io::ErrorKind::NotADirectory);
    }

    #[test]
    fn the_end_of_a_process_is_awaited() {
        let directory = Directory::new();
        let path = directory.join("socket");
        let mut server = Some(UnixListener::bind(&path).unwrap());
        let mut checks = 0;
        wait_while(|| {
            checks += 1;
            let live = is_live(&path).unwrap();
            if checks == 3 {
                server = None;
            }
            live == Liveness::Live
        });
        assert_eq!(checks, 4);
        remove(&path).unwrap();
    }

    #[test]
    fn the_end_of_a_process_is_not_awaited_forever() {
        let directory = Directory::new();
        let path = directory.join("socket");
        let _server = UnixListener::bind(&path).unwrap();
        let start = Instant::now();
        wait_while_live(&path);
        assert!(start.elapsed() >= LONGEST_WAIT);
    }

    #[test]
    fn a_stale_socket_is_removed() {
        let directory = Directory::new();
        let path = stale(&directory);
        remove(&path).unwrap();
        assert!(look(&path).unwrap().is_none());
    }

    #[test]
    fn a_socket_that_replaces_the_stale_one_during_the_check_stays() {
        let directory = Directory::new();
        let path = stale(&directory);
        let mut successor = None;
        let removed = remove_unless(&path, |path| {
            successor = Some(UnixListener::bind(directory.join("new"))?);
            fs::rename(directory.join("new"), path)?;
            Ok(Liveness::Stale)
        });
        assert!(matches!(removed, Err(ListenError::InUse { .. })), "{removed:?}");
        assert!(UnixStream::connect(&path).is_ok());
    }

    #[test]
    fn a_file_that_replaces_the_stale_socket_after_the_check_stays() {
        let directory = Directory::new();
        let path = stale(&directory);
        let found = look(&path).unwrap().unwrap();

        let _successor = UnixListener::bind(directory.join("new")).unwrap();
        fs::rename(directory.join("new"), &path).unwrap();
        let removed = remove_same(&path, &found);
        assert!(matches!(removed, Err(ListenError::InUse { .. })), "{removed:?}");
        assert!(UnixStream::connect(&path).is_ok());

        fs::write(directory.join("file"), "precious").unwrap();
        fs::rename(directory.join("file"), &path).unwrap();
        let removed = remove_same(&path, &found);
        let expected = "a file";
        assert!(matches!(removed, Err(ListenError::NotASocket { found, .. }) if found == expected));
        assert_eq!(fs::read(&path).unwrap(), b"precious");
        assert_eq!(entries(directory.path()), std::slice::from_ref(&path));

        fs::remove_file(&path).unwrap();
        remove_same(&path, &found).unwrap();
    }

    #[test]
    fn a_socket_that_replaces_the_stale_one_is_never_moved() {
        let directory = Directory::new();
        let path = stale(&directory);
        let events = inotify::init(inotify::CreateFlags::NONBLOCK).unwrap();
        let mut successor = None;
        let removed = remove_unless(&path, |path| {
            successor = Some(UnixListener::bind(directory.join("new"))?);
            fs::rename(directory.join("new"), path)?;
            inotify::add_watch(&events, directory.path(), inotify::WatchFlags::MOVE)?;
            Ok(Liveness::Stale)
        });
        assert!(matches!(removed, Err(ListenError::InUse { .. })), "{removed:?}");
        assert_eq!(rustix::io::read(&events, &mut [0; 1024]), Err(Errno::AGAIN));
    }

    #[test]
    fn a_moved_socket_that_another_program_removes_is_no_error() {
        let directory = Directory::new();
        let path = stale(&directory);
        let found = look(&path).unwrap().unwrap();
        let displaced = Displaced::take(&path).unwrap().unwrap();
        displaced.remove().unwrap();
        remove_displaced(&path, displaced, &found, Displaced::remove).unwrap();

        let path = stale(&directory);
        let found = look(&path).unwrap().unwrap();
        let displaced = Displaced::take(&path).unwrap().unwrap();
        let remove = |_: &Displaced<'_>| Err(io::ErrorKind::NotFound.into());
        remove_displaced(&path, displaced, &found, remove).unwrap();
    }

    #[test]
    fn a_moved_socket_that_cannot_be_removed_is_put_back() {
        let directory = Directory::new();
        let path = stale(&directory);
        let found = look(&path).unwrap().unwrap();
        let displaced = Displaced::take(&path).unwrap().unwrap();
        let remove = |_: &Displaced<'_>| Err(io::ErrorKind::PermissionDenied.into());
        let error = remove_displaced(&path, displaced, &found, remove).unwrap_err();
        let ListenError::Io { error, .. } = error else { panic!("{error:?}") };
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(entries(directory.path()), std::slice::from_ref(&path));
    }

    #[test]
    fn a_moved_socket_that_cannot_be_examined_is_an_error() {
        let directory = Directory::new();
        let path = stale(&directory);
        let found = look(&path).unwrap().unwrap();
        // The path is no directory, so there is no file in it.
        let displaced = Displaced::at(&path, path.join("private"));
        let error = remove_displaced(&path, displaced, &found, Displaced::remove).unwrap_err();
        assert!(matches!(error, ListenError::MovedAside { .. }), "{error:?}");
    }

    #[test]
    fn a_newer_socket_with_the_same_inode_number_is_not_removed() {
        let directory = Directory::new();
        let path = stale(&directory);
        let found = look(&path).unwrap().unwrap();
        let later = Timestamps {
            last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
            last_modification: Timespec { tv_sec: found.mtime() + 1, tv_nsec: 0 },
        };
        utimensat(CWD, &path, &later, AtFlags::empty()).unwrap();
        let removed = remove_same(&path, &found);
        assert!(matches!(removed, Err(ListenError::InUse { .. })), "{removed:?}");
        assert!(look(&path).unwrap().is_some());
    }

    #[test]
    fn a_path_removed_during_the_check_is_no_error() {
        let directory = Directory::new();
        let path = stale(&directory);
        remove_unless(&path, |path| {
            fs::remove_file(path)?;
            Ok(Liveness::Stale)
        })
        .unwrap();

        let path = stale(&directory);
        remove_unless(&path, |path| {
            fs::remove_file(path)?;
            is_live(path)
        })
        .unwrap();
        remove(&path).unwrap();
    }

    #[test]
    fn a_datagram_socket_connected_to_another_sender_is_live() {
        let directory = Directory::new();
        let (near, far) = (directory.join("near"), directory.join("far"));
        let (receiver, sender) =
            (UnixDatagram::bind(&near).unwrap(), UnixDatagram::bind(&far).unwrap());
        sender.connect(&near).unwrap();
        receiver.connect(&far).unwrap();
        assert_eq!(is_live(&near).unwrap(), Liveness::Live);
    }
}
