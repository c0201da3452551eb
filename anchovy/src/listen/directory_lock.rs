//! A lock on a directory, held while a stale socket in it is replaced.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::{Errno, retry_on_intr};

use super::listen_error::ListenError;

/// The longest time to wait for the lock. Replacing a socket takes far less. Every user with read
/// permission for the directory can lock it, and must not be able to block the start of a server
/// forever.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
const RETRY_INTERVAL: Duration = Duration::from_millis(1);

/// An exclusive flock(2) on the descriptor of the directory. It needs no lock file.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
pub(super) struct DirectoryLock {
    _directory: OwnedFd,
}

impl DirectoryLock {
    /// Locks the directory of `path`.
    pub(super) fn acquire(path: &Path) -> Result<DirectoryLock, ListenError> {
        let failed =
            |errno: Errno| ListenError::Io { path: Some(path.to_owned()), error: errno.into() };
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = open(directory, flags, Mode::empty()).map_err(failed)?;

        let start = Instant::now();
        loop {
            match retry_on_intr(|| flock(&fd, FlockOperation::NonBlockingLockExclusive)) {
                Ok(()) => return Ok(DirectoryLock { _directory: fd }),
                Err(Errno::WOULDBLOCK) if start.elapsed() < LONGEST_WAIT => {
                    thread::sleep(RETRY_INTERVAL);
                }
                Err(Errno::WOULDBLOCK) => {
                    return Err(ListenError::DirectoryLocked { directory: directory.to_owned() });
                }
                Err(errno) => return Err(failed(errno)),
            }
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;

    use interop_tests::Directory;
    use rustix::io::{FdFlags, fcntl_getfd};

    use super::*;

    #[test]
    fn no_child_inherits_the_lock() {
        let directory = Directory::new();
        let lock = DirectoryLock::acquire(&directory.join("socket")).unwrap();
        assert!(fcntl_getfd(&lock._directory).unwrap().contains(FdFlags::CLOEXEC));
    }

    #[test]
    fn a_name_alone_locks_the_working_directory() {
        let lock = DirectoryLock::acquire(Path::new("socket")).unwrap();
        let (locked, working) =
            (rustix::fs::fstat(&lock._directory).unwrap(), rustix::fs::stat(".").unwrap());
        assert_eq!((locked.st_dev, locked.st_ino), (working.st_dev, working.st_ino));
    }

    #[test]
    fn only_a_directory_is_locked() {
        let directory = Directory::new();
        let file = directory.join("file");
        fs::write(&file, "").unwrap();
        let error = DirectoryLock::acquire(&file.join("socket")).unwrap_err();
        let ListenError::Io { error, .. } = error else { panic!("{error:?}") };
        assert_eq!(Errno::from_io_error(&error), Some(Errno::NOTDIR));
    }
}
