//! The lock of a name: a file beside the socket that is locked as long as the compositor runs.
//!
//! A socket does not tell whether its process runs. A lock does, since it ends with the process in any case.
//! The file is that of libwayland, so that its compositors and this crate respect each other: the path of
//! the socket and `.lock`, locked as a whole by flock(2).
//!
//! A compositor that ends removes the file. So the file that was opened may have been removed before it is
//! locked, and then two compositors would hold a lock each, on two files of which only one has the name.
//! Therefore the name is checked again under the lock.
//!
//! Every user who may write to the directory can replace the lock file, and a lock file is removed in the
//! end. Therefore only a regular file of this user that has no other name is used.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use anchovy::PathGuard;
use rustix::fs::{FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::listen_error::ListenError;
use super::lock_refusal::LockRefusal;

/// The mode of a lock file, less the umask, as in libwayland.
const MODE: Mode = Mode::from_raw_mode(0o660);

/// The lock of a socket.
///
/// The file is removed while it is still locked.
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
            refuse_special_file(&path)?;
            let fd = open(&path).map_err(|error| failed(&path, error.into()))?;
            let found = rustix::fs::fstat(&fd).map_err(|error| failed(&path, error.into()))?;
            check(&path, &found)?;
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

/// Returns the path of the lock: the whole name and `.lock`. That of `a.b` is `a.b.lock`.
pub(super) fn path_of(socket: &Path) -> PathBuf {
    let mut path = socket.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}

/// Refuses a special file before it is opened: opening some devices has an effect.
///
/// Directories and symbolic links are refused by open(2).
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

/// A link is not followed: the name is what is locked and removed. A special file that has just replaced a
/// file is not waited for, and does not become the terminal of this process.
fn open(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::CREATE
        | OFlags::RDWR
        | OFlags::CLOEXEC
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK
        | OFlags::NOCTTY;
    rustix::io::retry_on_intr(|| rustix::fs::open(path, flags, MODE))
}

/// Refuses an open file that is not a lock file of this user.
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
        // With no link at all, it was removed in the meantime, which is found out under the lock.
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
