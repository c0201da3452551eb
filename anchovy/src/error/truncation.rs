//! Causes of a truncated descriptor set.

use std::fmt;
use std::io;

/// Why the kernel did not hand over all descriptors of a message.
///
/// The control buffer always has room for every descriptor that one message can carry (253,
/// `SCM_MAX_FD`), so these are the only causes left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Truncation {
    /// The descriptor table of this process is full (`EMFILE`, `RLIMIT_NOFILE`).
    ProcessTableFull,
    /// The file table of the system is full (`ENFILE`, `fs.file-max`).
    SystemTableFull,
    /// The kernel named the error in place of a descriptor; the number is its errno.
    Errno(i32),
    /// A security module denied a descriptor, or a table was full for a moment: the kernel does not
    /// say, and the tables had room again when they were looked at.
    Unknown,
}

impl Truncation {
    /// Returns the cause that an errno in the place of a descriptor names.
    pub(crate) fn from_errno(errno: i32) -> Truncation {
        match errno {
            libc::EMFILE => Truncation::ProcessTableFull,
            libc::ENFILE => Truncation::SystemTableFull,
            _ => Truncation::Errno(errno),
        }
    }

    /// Returns the kind of an [`io::Error`] with this cause.
    pub(crate) fn io_kind(self) -> io::ErrorKind {
        match self {
            Truncation::ProcessTableFull | Truncation::SystemTableFull => {
                io::ErrorKind::QuotaExceeded
            }
            Truncation::Errno(_) | Truncation::Unknown => io::ErrorKind::InvalidData,
        }
    }
}

impl fmt::Display for Truncation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Truncation::ProcessTableFull => {
                f.write_str("the descriptor table of this process is full (RLIMIT_NOFILE)")
            }
            Truncation::SystemTableFull => {
                f.write_str("the file table of the system is full (fs.file-max)")
            }
            Truncation::Errno(errno) => io::Error::from_raw_os_error(errno).fmt(f),
            Truncation::Unknown => f.write_str(
                "a security module denied a descriptor, or a table was full for a moment",
            ),
        }
    }
}
