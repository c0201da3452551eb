//! Why an existing lock file is not used.

use std::fmt;

/// Why an existing lock file is not used. It was not removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockRefusal {
    /// It is not a regular file.
    NotAFile {
        /// The type of the file: "a FIFO", "a socket", "a character device", "a block device" or "a special
        /// file".
        found: &'static str,
    },
    /// It belongs to another user, who could hold the lock or replace the file.
    OtherOwner {
        /// The user id of its owner.
        uid: u32,
    },
    /// It has another name, too: it was created for another purpose.
    HardLinked {
        /// Number of its names.
        links: u64,
    },
}

impl fmt::Display for LockRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockRefusal::NotAFile { found } => write!(f, "is {found}"),
            LockRefusal::OtherOwner { uid } => write!(f, "belongs to user {uid}"),
            LockRefusal::HardLinked { links } => write!(f, "is one of {links} hard links"),
        }
    }
}
