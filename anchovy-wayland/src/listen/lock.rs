//! The lock of a display: a file beside the socket that is locked while the compositor runs.
//!
//! A socket file remains when its process is killed. The kernel releases a lock when its process ends. The
//! lock file is that of libwayland, so that its compositors and this crate respect each other: the path of
//! the socket and `.lock`, locked by flock(2).
//!
//! A compositor removes the file when it ends. So the opened file may have been removed before it is
//! locked. Then two compositors would each hold a lock, on two files of which only one has the name.
//! Therefore the name is checked again under the lock.
//!
//! Every user who may write to the directory can replace the lock file, and the listener removes the lock
//! file when it is dropped. Therefore only a regular file of this user with one hard link is used.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use anchovy::PathGuard;
use rustix::fs::{FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::listen_error::ListenError;
use super::lock_refusal::LockRefusal;

/// The mode of a lock file before the umask is applied, as in libwayland.
const MODE: Mode = Mode::from_raw_mode(0o660);

/// The lock of a socket.
///
/// The file is removed while it is still locked.
#[derive(Debug)]
#[must_use = "the lock is released when this is dropped"]
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
            refuse_special_file(&path)?;
            let fd = open(&path).map_err(|error| failed(&path, error.into()))?;
            let found = rustix::fs::fstat(&fd).map_err(|error| failed(&path, error.into()))?;
            check(&path, &found)?;
            match lock(&fd) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Err(ListenError::Locked { path }),
                Err(error) => return Err(failed(&path, error.into())),
            }
            // `None`: another process has removed or replaced the file since it was opened.
            let guard = PathGuard::for_open_file(&path, &fd);
            if let Some(file) = guard.map_err(|error| failed(&path, error))? {
                return Ok(Lock { file, fd });
            }
        }
    }

    /// Continues the lock of a socket that this process or its predecessor has acquired.
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

    /// Keeps the file. It is locked while the returned descriptor is open.
    pub(super) fn keep(self) -> OwnedFd {
        self.file.keep();
        self.fd
    }
}

/// Returns the path of the lock file: the path of the socket and `.lock`. For `a.b` it is `a.b.lock`.
pub(super) fn path_of(socket: &Path) -> PathBuf {
    let mut path = socket.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}

/// Rejects a special file before it is opened, because opening some devices has side effects.
///
/// open(2) rejects directories and symbolic links.
fn refuse_special_file(path: &Path) -> Result<(), ListenError> {
    match rustix::fs::lstat(path) {
        Ok(found) => match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile | FileType::Directory | FileType::Symlink => Ok(()),
            special => Err(refused(path, LockRefusal::NotAFile { found: name_of(special) })),
        },
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(failed(path, error.into())),
    }
}

/// Opens or creates the lock file. `NOFOLLOW`: the file with this name is locked and later removed.
/// `NONBLOCK` and `NOCTTY`: a FIFO or a terminal may have replaced the file since the check.
fn open(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::CREATE
        | OFlags::RDWR
        | OFlags::CLOEXEC
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::NOCTTY;
    rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, MODE))
}

/// Rejects an open file that is not a lock file of this user.
#[allow(clippy::useless_conversion, reason = "the types differ between systems")]
fn check(path: &Path, found: &Stat) -> Result<(), ListenError> {
    let kind = FileType::from_raw_mode(found.st_mode);
    let (uid, links) = (found.st_uid, u64::from(found.st_nlink));
    let reason = if kind != FileType::RegularFile {
        LockRefusal::NotAFile { found: name_of(kind) }
    } else if uid != geteuid().as_raw() {
        LockRefusal::OtherOwner { uid }
    } else if links > 1 {
        LockRefusal::HardLinked { links }
    } else {
        // A file without a link was removed meanwhile. The check under the lock detects this.
        return Ok(());
    };
    Err(refused(path, reason))
}

fn name_of(kind: FileType) -> &'static str {
    match kind {
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::CharacterDevice => "a character device",
        FileType::BlockDevice => "a block device",
        _ => "a special file",
    }
}

fn try_lock(fd: &OwnedFd) -> rustix::io::Result<()> {
    rustix::fs::flock(fd, FlockOperation::NonBlockingLockExclusive)
}

fn refused(path: &Path, reason: LockRefusal) -> ListenError {
    ListenError::LockRefused { path: path.to_owned(), reason }
}

fn failed(path: &Path, error: io::Error) -> ListenError {
    ListenError::Lock { path: path.to_owned(), error }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
