//! Descriptors that can be counted, and told apart.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::MemfdFlags;
use rustix::pipe::PipeFlags;

/// Looked at by glibc for a moment, whenever a thread is the first in its arena of memory.
const OF_GLIBC: &str = "/sys/devices/system/cpu/online";

/// The descriptors of this process, and what each of them is.
pub fn descriptors() -> BTreeMap<i32, String> {
    let directory = std::fs::read_dir("/proc/self/fd").expect("/proc is mounted");
    directory
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let number = entry.file_name().to_str()?.parse().ok()?;
            // The directory itself is closed by the time that the link is read.
            let target = std::fs::read_link(entry.path()).ok()?;
            Some((number, target.display().to_string()))
        })
        .filter(|(_, target)| !target.ends_with("/fd") && target != OF_GLIBC)
        .collect()
}

/// What tells descriptors of different files apart: device and inode.
pub type Identity = (u64, u64);

/// The identity of the file that this descriptor is open on.
pub fn identity(fd: impl AsFd) -> Identity {
    let stat = rustix::fs::fstat(fd).expect("an open descriptor");
    (stat.st_dev, stat.st_ino)
}

/// The [`identity`] of each, in order.
pub fn identities<F: AsFd>(fds: impl IntoIterator<Item = F>) -> Vec<Identity> {
    fds.into_iter().map(identity).collect()
}

/// A file of its own, in memory.
pub fn memfd() -> OwnedFd {
    rustix::fs::memfd_create("anchovy", MemfdFlags::CLOEXEC).expect("a memfd")
}

/// So many files, each of its own.
pub fn memfds(count: usize) -> Vec<OwnedFd> {
    (0..count).map(|_| memfd()).collect()
}

/// The ends of a pipe, reading first: end of file tells that every copy of the second is closed.
///
/// Neither blocks. [`is_abandoned`] asks the reading end.
pub fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).expect("a pipe")
}

/// Are all copies of the writing end of this pipe closed?
///
/// A byte that waits in the pipe is taken out of it by the question.
pub fn is_abandoned(reader: &OwnedFd) -> bool {
    rustix::io::read(reader, &mut [0; 1]) == Ok(0)
}
