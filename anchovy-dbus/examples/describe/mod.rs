//! What a descriptor is, for programs that print the messages of other programs.

use std::fmt;
use std::os::fd::AsFd;

use rustix::fs::OFlags;
use serde::Serialize;

mod kind;
mod socket;

pub(crate) use kind::Kind;

/// The file of a descriptor, and how it is open.
///
/// Its text is such as `file /etc/hosts 174 bytes read`, `pipe:[4711] write nonblock` or
/// `memfd "shared" 4096 bytes read+write sealed(shrink,grow)`.
#[derive(Serialize)]
pub(crate) struct Described {
    #[serde(flatten)]
    kind: Kind,
    /// The access mode: `read`, `write`, `read+write`, or `path-only` for a descriptor that only names a
    /// file, and cannot read or write it (open(2), O_PATH).
    access: &'static str,
    append: bool,
    nonblock: bool,
}

/// Returns what a descriptor is.
pub(crate) fn describe(fd: impl AsFd) -> Described {
    let fd = fd.as_fd();
    let flags = rustix::fs::fcntl_getfl(fd).unwrap_or(OFlags::empty());
    Described {
        kind: Kind::from_fd(fd),
        access: access(flags),
        append: flags.contains(OFlags::APPEND),
        nonblock: flags.contains(OFlags::NONBLOCK),
    }
}

fn access(flags: OFlags) -> &'static str {
    if flags.contains(OFlags::PATH) {
        return "path-only";
    }
    match flags & OFlags::RWMODE {
        OFlags::RDONLY => "read",
        OFlags::WRONLY => "write",
        _ => "read+write",
    }
}

impl fmt::Display for Described {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.access)?;
        for (is_set, word) in [(self.append, "append"), (self.nonblock, "nonblock")] {
            if is_set {
                write!(f, " {word}")?;
            }
        }
        match &self.kind {
            Kind::Memfd { seals, .. } if !seals.is_empty() => {
                write!(f, " sealed({})", seals.join(","))
            }
            _ => Ok(()),
        }
    }
}
