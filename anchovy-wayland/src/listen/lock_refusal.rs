//! The reason why an existing lock file is not used.

use std::fmt;

/// The reason why an existing lock file is not used. The file was not removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LockRefusal {
    /// The file is not a regular file.
    NotAFile {
        /// Type of the file: "a FIFO", "a socket", "a character device", "a block device" or "a special
        /// file".
        found: &'static str,
    },
    /// The file belongs to another user, who could hold the lock or replace the file.
    OtherOwner {
        /// User id of the owner.
        uid: u32,
    },
    /// The file has several hard links, so it was created for another purpose.
    HardLinked {
        /// Number of hard links.
        links: u64,
    },
}

impl fmt::Display for LockRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockRefusal::NotAFile { found } => write!(f, "is {found}"),
            LockRefusal::OtherOwner { uid } => write!(f, "belongs to user {uid}"),
            LockRefusal::HardLinked { links } => write!(f, "has {links} hard links, limit is 1"),
        }
    }
}
