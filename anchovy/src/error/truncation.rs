//! Causes of a truncated descriptor set.

use std::fmt;
use std::io;

/// The reason why the kernel did not deliver all descriptors of a message.
///
/// The control buffer always has room for the maximum number of descriptors in one message (253,
/// `SCM_MAX_FD`), so a small buffer is never the cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Truncation {
    /// The descriptor table of this process is full (`EMFILE`, `RLIMIT_NOFILE`).
    ProcessTableFull,
    /// The file table of the system is full (`ENFILE`, `fs.file-max`).
    SystemTableFull,
    /// The kernel delivered a negative errno instead of a descriptor. The value is the errno as a
    /// positive number.
    Errno(i32),
    /// The cause is unknown, because the kernel does not report it and both tables had room when
    /// they were checked. Either a security module denied a descriptor, or a table was full for a
    /// short time.
    Unknown,
}

impl Truncation {
    /// Returns the cause for an errno that the kernel delivered instead of a descriptor.
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
            Truncation::Errno(errno) => {
                let error = io::Error::from_raw_os_error(errno);
                write!(f, "the kernel delivered an error instead of a descriptor: {error}")
            }
            Truncation::Unknown => f.write_str(
                "a security module denied a descriptor, or a table was full for a short time",
            ),
        }
    }
}
