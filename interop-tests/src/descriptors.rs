//! Descriptors that can be counted and identified.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::MemfdFlags;
use rustix::pipe::PipeFlags;

/// Opened by glibc for a short time when a thread is the first one in its memory arena.
const OF_GLIBC: &str = "/sys/devices/system/cpu/online";

/// Returns the descriptors of this process, and the file of each.
pub fn descriptors() -> BTreeMap<i32, String> {
    let directory = std::fs::read_dir("/proc/self/fd").expect("/proc is mounted");
    directory
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let number = entry.file_name().to_str()?.parse().ok()?;
            // The descriptor of the directory itself is closed before its link is read.
            let target = std::fs::read_link(entry.path()).ok()?;
            Some((number, target.display().to_string()))
        })
        .filter(|(_, target)| !target.ends_with("/fd") && target != OF_GLIBC)
        .collect()
}

/// The identity of a file: its device and inode number.
pub type Identity = (u64, u64);

/// Returns the identity of the file that a descriptor refers to.
pub fn identity(fd: impl AsFd) -> Identity {
    let stat = rustix::fs::fstat(fd).expect("an open descriptor");
    (stat.st_dev, stat.st_ino)
}

/// Returns the [`identity`] of each descriptor, in order.
pub fn identities<F: AsFd>(fds: impl IntoIterator<Item = F>) -> Vec<Identity> {
    fds.into_iter().map(identity).collect()
}

/// Creates a file in memory.
pub fn memfd() -> OwnedFd {
    rustix::fs::memfd_create("anchovy", MemfdFlags::CLOEXEC).expect("a memfd")
}

/// Creates several files in memory.
pub fn memfds(count: usize) -> Vec<OwnedFd> {
    (0..count).map(|_| memfd()).collect()
}

/// Creates a non-blocking pipe, and returns the reading end first. End of file on it shows that
/// every copy of the writing end is closed; see [`is_abandoned`].
pub fn pipe() -> (OwnedFd, OwnedFd) {
    rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).expect("a pipe")
}

/// Returns whether all copies of the writing end of this pipe are closed.
///
/// A byte in the pipe is read and lost.
pub fn is_abandoned(reader: &OwnedFd) -> bool {
    rustix::io::read(reader, &mut [0; 1]) == Ok(0)
}
