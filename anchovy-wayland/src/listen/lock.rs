//! One compositor a name, by a file beside the socket that is locked as long as the compositor lives.
//!
//! A socket does not tell whether its process lives; a lock does, and it goes with the process
//! however that ends. The file is libwayland's, so that we keep its compositors away and they us:
//! the path of the socket and `.lock`, locked as a whole by flock(2).
//!
//! A compositor that ends removes the file, and so the one that was opened may be gone by the time it
//! is locked: then two would hold a lock each, on two files of which only one has the name. So the
//! name is looked at again under the lock.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use anchovy::PathGuard;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::listen_error::ListenError;

/// Of a lock file, less the umask, as in libwayland.
const MODE: Mode = Mode::from_raw_mode(0o660);

/// The lock of a socket.
///
/// The order is the point: the file is removed while it is still locked.
#[derive(Debug)]
#[must_use = "the lock is given up when this is dropped"]
pub(super) struct Lock {
    file: PathGuard,
    fd: OwnedFd,
}

impl Lock {
    pub(super) fn acquire(socket: &Path) -> Result<Lock, ListenError> {
        Lock::acquire_by(socket, try_lock)
    }

    fn acquire_by(
        socket: &Path,
        mut lock: impl FnMut(&OwnedFd) -> rustix::io::Result<()>,
    ) -> Result<Lock, ListenError> {
        let path = path_of(socket);
        loop {
            let fd = open(&path).map_err(|error| failed(&path, error.into()))?;
            match lock(&fd) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Err(ListenError::Locked { path }),
                Err(error) => return Err(failed(&path, error.into())),
            }
            // Each time that there is none, another process has ended or begun.
            let guard = PathGuard::for_open_file(&path, &fd);
            if let Some(file) = guard.map_err(|error| failed(&path, error))? {
                return Ok(Lock { file, fd });
            }
        }
    }

    /// The lock of a socket that this process or its predecessor has acquired.
    pub(super) fn resume(socket: &Path, fd: OwnedFd) -> Result<Lock, ListenError> {
        let path = path_of(socket);
        let guard = PathGuard::for_open_file(&path, &fd).map_err(|error| failed(&path, error))?;
        let Some(file) = guard else {
            return Err(ListenError::NotHandedOver { path: socket.to_owned() });
        };
        match try_lock(&fd) {
            Ok(()) => Ok(Lock { file, fd }),
            Err(error) => {
                file.keep();
                Err(match error {
                    Errno::WOULDBLOCK => ListenError::Locked { path },
                    error => failed(&path, error.into()),
                })
            }
        }
    }

    /// Leaves the file where it is, locked as long as this descriptor is open.
    pub(super) fn keep(self) -> OwnedFd {
        self.file.keep();
        self.fd
    }
}

/// The whole name and `.lock`: that of `a.b` is `a.b.lock`.
pub(super) fn path_of(socket: &Path) -> PathBuf {
    let mut path = socket.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}

/// A link is not followed: it is the name that is locked, and that is removed.
fn open(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, MODE))
}

fn try_lock(fd: &OwnedFd) -> rustix::io::Result<()> {
    rustix::fs::flock(fd, FlockOperation::NonBlockingLockExclusive)
}

fn failed(path: &Path, error: io::Error) -> ListenError {
    ListenError::Lock { path: path.to_owned(), error }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::cell::Cell;
    use std::fs::{self, File};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use interop_tests::{Directory, guarded};

    use super::*;

    #[test]
    fn the_lock_has_the_whole_name_of_the_socket() {
        for (socket, lock) in [("/run/a", "/run/a.lock"), ("/run/a.b", "/run/a.b.lock")] {
            assert_eq!(path_of(Path::new(socket)), Path::new(lock));
        }
    }

    #[test]
    fn a_lock_is_there_as_long_as_it_is_held_and_held_once() {
        guarded(|| {
            let directory = Directory::new();
            let socket = directory.join("wayland-0");
            let lock = Lock::acquire(&socket).unwrap();
            let mode = path_of(&socket).metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o117, 0, "for nobody but owner and group: {mode:o}");
            assert_eq!(mode & 0o600, 0o600, "{mode:o}");

            let error = Lock::acquire(&socket).unwrap_err();
            assert!(matches!(&error, ListenError::Locked { path } if *path == path_of(&socket)));
            drop(lock);
            assert!(!path_of(&socket).exists());
            drop(Lock::acquire(&socket).unwrap());
        });
    }

    #[test]
    fn no_child_inherits_a_lock() {
        guarded(|| {
            let directory = Directory::new();
            let lock = Lock::acquire(&directory.join("x")).unwrap();
            let flags = rustix::io::fcntl_getfd(&lock.fd).unwrap();
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        });
    }

    #[test]
    fn a_lock_file_that_was_left_is_the_one_that_is_locked() {
        guarded(|| {
            let directory = Directory::new();
            let socket = directory.join("x");
            fs::write(path_of(&socket), "left").unwrap();
            let before = path_of(&socket).metadata().unwrap().ino();
            let _lock = Lock::acquire(&socket).unwrap();
            assert_eq!(path_of(&socket).metadata().unwrap().ino(), before);
        });
    }

    #[test]
    fn a_lock_file_that_was_removed_before_it_was_locked_is_not_enough() {
        guarded(|| {
            let directory = Directory::new();
            let socket = directory.join("x");
            let times = Cell::new(0);
            let lock = Lock::acquire_by(&socket, |fd| {
                times.set(times.get() + 1);
                if times.get() == 1 {
                    fs::remove_file(path_of(&socket)).unwrap();
                }
                try_lock(fd)
            });
            let lock = lock.unwrap();
            assert_eq!(times.get(), 2);
            let named = path_of(&socket).metadata().unwrap();
            let locked = File::from(lock.fd.try_clone().unwrap()).metadata().unwrap();
            assert_eq!((locked.dev(), locked.ino()), (named.dev(), named.ino()));
            assert!(matches!(Lock::acquire(&socket), Err(ListenError::Locked { .. })));
        });
    }

    #[test]
    fn a_lock_file_that_was_replaced_before_it_was_locked_belongs_to_who_replaced_it() {
        guarded(|| {
            let directory = Directory::new();
            let socket = directory.join("x");
            let mut successor = None;
            let lock = Lock::acquire_by(&socket, |fd| {
                if successor.is_none() {
                    fs::remove_file(path_of(&socket)).unwrap();
                    successor = Some(Lock::acquire(&socket).unwrap());
                }
                try_lock(fd)
            });
            assert!(matches!(lock, Err(ListenError::Locked { .. })), "{lock:?}");
            assert!(path_of(&socket).exists());
        });
    }

    #[test]
    fn the_lock_file_of_a_successor_stays() {
        guarded(|| {
            let directory = Directory::new();
            let socket = directory.join("x");
            let lock = Lock::acquire(&socket).unwrap();
            // Made while the old one exists, so that it cannot have the same inode number.
            fs::write(directory.join("new"), "").unwrap();
            fs::rename(directory.join("new"), path_of(&socket)).unwrap();
            drop(lock);
            assert!(path_of(&socket).exists());
        });
    }

    #[test]
    fn a_lock_that_is_kept_stays_locked_as_long_as_it_is_open() {
        guarded(|| {
            let directory = Directory::new();
            let socket = directory.join("x");
            let fd = Lock::acquire(&socket).unwrap().keep();
            assert!(matches!(Lock::acquire(&socket), Err(ListenError::Locked { .. })));
            drop(fd);
            assert!(path_of(&socket).exists());
            assert!(Lock::acquire(&socket).is_ok());
        });
    }

    #[test]
    fn what_cannot_be_a_lock_file_is_named_and_stays() {
        guarded(|| {
            let directory = Directory::new();
            fs::create_dir(directory.join("directory.lock")).unwrap();
            symlink(directory.join("elsewhere"), directory.join("link.lock")).unwrap();
            for name in ["directory", "link"] {
                let error = Lock::acquire(&directory.join(name)).unwrap_err();
                let path = directory.join(format!("{name}.lock"));
                assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
                assert!(matches!(error, ListenError::Lock { .. }), "{error:?}");
                assert!(fs::symlink_metadata(path).is_ok());
            }
            assert!(!directory.join("elsewhere").exists());
        });
    }
}
