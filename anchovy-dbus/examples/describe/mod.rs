//! A short description of a descriptor, for programs that print the messages of other programs.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::{FileType, OFlags};

/// Returns the file of a descriptor and how it is open, such as `/etc/hosts read`,
/// `pipe:[4711] write nonblock` or `memfd "shared" read+write sealed(shrink,grow)`.
///
/// Another process chooses the name of a file. Characters that are not printable are escaped, so that
/// the name cannot break the line.
pub(crate) fn describe(fd: impl AsFd) -> String {
    let fd = fd.as_fd();
    let mut words = vec![file(fd)];
    if let Ok(flags) = rustix::fs::fcntl_getfl(fd) {
        words.push(access(flags).to_owned());
        for (flag, word) in [(OFlags::APPEND, "append"), (OFlags::NONBLOCK, "nonblock")] {
            if flags.contains(flag) {
                words.push(word.to_owned());
            }
        }
    }
    words.extend(seals(fd));
    words.join(" ")
}

/// Returns the file of a descriptor.
fn file(fd: BorrowedFd<'_>) -> String {
    // A path. For a file without a path, a text of the kernel: "pipe:[4711]", "anon_inode:[eventfd]".
    let link = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()));
    let name = link.map(|link| link.to_string_lossy().escape_debug().to_string()).ok();
    let Ok(stat) = rustix::fs::fstat(fd) else {
        return name.unwrap_or_else(|| "something".to_owned());
    };
    let kind = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Socket => socket(fd),
        FileType::Directory => "directory",
        FileType::RegularFile => "file",
        FileType::Fifo => "pipe",
        FileType::CharacterDevice | FileType::BlockDevice => "device",
        _ => "object",
    };
    let Some(name) = name else {
        return format!("{kind}, inode {}", stat.st_ino); // Without /proc.
    };
    let memfd = name.strip_prefix("/memfd:").and_then(|name| name.strip_suffix(" (deleted)"));
    match (kind, memfd) {
        (_, Some(memfd)) => format!("memfd \"{memfd}\""),
        ("file" | "pipe" | "device" | "object", None) => name, // The name shows the kind.
        _ => format!("{kind} {name}"),
    }
}

fn socket(fd: BorrowedFd<'_>) -> &'static str {
    use rustix::net::{AddressFamily, SocketType, getsockname, sockopt::socket_type};

    let family = getsockname(fd).map(|address| address.address_family());
    let is_unix = family == Ok(AddressFamily::UNIX);
    match socket_type(fd) {
        Ok(SocketType::STREAM) if is_unix => "unix stream",
        Ok(SocketType::DGRAM) if is_unix => "unix datagram",
        Ok(SocketType::SEQPACKET) if is_unix => "unix seqpacket",
        Ok(SocketType::STREAM) => "stream",
        Ok(SocketType::DGRAM) => "datagram",
        _ => "other",
    }
}

fn access(flags: OFlags) -> &'static str {
    if flags.contains(OFlags::PATH) {
        "path-only" // Only names a file, and cannot read or write it (open(2), O_PATH).
    } else {
        match flags & OFlags::RWMODE {
            OFlags::RDONLY => "read",
            OFlags::WRONLY => "write",
            _ => "read+write",
        }
    }
}

/// Returns the seals of a memfd: the changes that are no longer possible (fcntl(2), "File Sealing").
#[cfg(any(target_os = "linux", target_os = "android"))]
fn seals(fd: BorrowedFd<'_>) -> Option<String> {
    use rustix::fs::SealFlags;

    // For other files, the system call fails.
    let seals = rustix::fs::fcntl_get_seals(fd).ok()?;
    let names = [
        (SealFlags::SEAL, "seal"),
        (SealFlags::SHRINK, "shrink"),
        (SealFlags::GROW, "grow"),
        (SealFlags::WRITE, "write"),
        (SealFlags::FUTURE_WRITE, "future-write"),
    ];
    let names: Vec<_> =
        names.iter().filter(|(seal, _)| seals.contains(*seal)).map(|(_, name)| *name).collect();
    if names.is_empty() { None } else { Some(format!("sealed({})", names.join(","))) }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn seals(_: BorrowedFd<'_>) -> Option<String> {
    None
}
