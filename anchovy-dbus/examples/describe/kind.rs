//! The kinds of files that a descriptor can refer to.

use std::fmt;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::fs::FileType;
use serde::Serialize;

use super::socket::Socket;

/// What kind of file it is, with the properties of that kind.
///
/// Another process chooses the names of files. The text of a kind escapes the characters in them that are
/// not printable, so that a name cannot break a line.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Kind {
    Memfd {
        name: String,
        size: u64,
        seals: Vec<&'static str>,
    },
    File {
        path: String,
        size: u64,
    },
    Directory {
        path: String,
    },
    Pipe {
        inode: u64,
    },
    Fifo {
        path: String,
    },
    Socket(Socket),
    Device {
        path: String,
        major: u32,
        minor: u32,
    },
    Eventfd {
        count: Option<u64>,
    },
    Pidfd {
        pid: Option<i64>,
    },
    DmaBuf {
        name: String,
        size: Option<u64>,
        exporter: Option<String>,
    },
    /// A file of the kernel that has no path, such as an epoll instance.
    Anonymous {
        name: String,
    },
    /// A file about which the system reports no more, because there is no /proc.
    Unknown {
        inode: u64,
    },
}

impl Kind {
    pub(crate) fn from_fd(fd: BorrowedFd<'_>) -> Kind {
        let Ok(stat) = rustix::fs::fstat(fd) else { return Kind::Unknown { inode: 0 } };
        let file_type = FileType::from_raw_mode(stat.st_mode);
        if file_type == FileType::Socket {
            return Kind::Socket(Socket::from_fd(fd, stat.st_ino));
        }
        // A path. For a file without a path, a text of the kernel: "pipe:[4711]", "anon_inode:[eventfd]".
        let Ok(link) = std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())) else {
            return Kind::Unknown { inode: stat.st_ino };
        };
        let path = link.to_string_lossy().into_owned();
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        match file_type {
            FileType::RegularFile => {
                let name = path.strip_prefix("/memfd:");
                match name.and_then(|name| name.strip_suffix(" (deleted)")) {
                    Some(name) => Kind::Memfd { name: name.to_owned(), size, seals: seals(fd) },
                    // pidfd, of a kernel in which it has a file system.
                    None if path.starts_with("pidfd:[") => Kind::without_path(&path, &fdinfo(fd)),
                    None => Kind::File { path, size },
                }
            }
            FileType::Directory => Kind::Directory { path },
            FileType::Fifo if path.starts_with("pipe:[") => Kind::Pipe { inode: stat.st_ino },
            FileType::Fifo => Kind::Fifo { path },
            FileType::CharacterDevice | FileType::BlockDevice => Kind::Device {
                path,
                major: rustix::fs::major(stat.st_rdev),
                minor: rustix::fs::minor(stat.st_rdev),
            },
            _ => Kind::without_path(&path, &fdinfo(fd)),
        }
    }

    /// Returns the kind of a file without a path, from the link of its descriptor in /proc and the text in
    /// /proc/self/fdinfo (proc(5)).
    pub(crate) fn without_path(link: &str, info: &str) -> Kind {
        let field = |key: &str| {
            let lines = info.lines().filter_map(|line| line.split_once(':'));
            let mut values = lines.filter(|(name, _)| *name == key);
            values.next().map(|(_, value)| value.trim().to_owned())
        };
        let number = |key| field(key).and_then(|value| value.parse().ok());
        let name = link.strip_prefix("anon_inode:").unwrap_or(link);
        let name = name.trim_matches(['[', ']']);
        match name {
            "eventfd" => {
                let count = field("eventfd-count");
                Kind::Eventfd { count: count.and_then(|hex| u64::from_str_radix(&hex, 16).ok()) }
            }
            _ if name == "pidfd" || name.starts_with("pidfd:[") => {
                Kind::Pidfd { pid: field("Pid").and_then(|pid| pid.parse().ok()) }
            }
            _ => match name.strip_prefix("/dmabuf:") {
                Some(name) => Kind::DmaBuf {
                    name: name.to_owned(),
                    size: number("size"),
                    exporter: field("exp_name"),
                },
                None => Kind::Anonymous { name: name.to_owned() },
            },
        }
    }
}

fn fdinfo(fd: BorrowedFd<'_>) -> String {
    std::fs::read_to_string(format!("/proc/self/fdinfo/{}", fd.as_raw_fd())).unwrap_or_default()
}

/// Returns the seals of a memfd: the changes that are no longer possible (fcntl(2), "File Sealing").
#[cfg(any(target_os = "linux", target_os = "android"))]
fn seals(fd: BorrowedFd<'_>) -> Vec<&'static str> {
    use rustix::fs::SealFlags;

    let seals = rustix::fs::fcntl_get_seals(fd).unwrap_or(SealFlags::empty());
    let names = [
        (SealFlags::SEAL, "seal"),
        (SealFlags::SHRINK, "shrink"),
        (SealFlags::GROW, "grow"),
        (SealFlags::WRITE, "write"),
        (SealFlags::FUTURE_WRITE, "future-write"),
    ];
    names.into_iter().filter(|(seal, _)| seals.contains(*seal)).map(|(_, name)| name).collect()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn seals(_: BorrowedFd<'_>) -> Vec<&'static str> {
    Vec::new()
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Memfd { name, size, .. } => {
                write!(f, "memfd \"{}\" {size} bytes", name.escape_debug())
            }
            Kind::File { path, size } => write!(f, "file {} {size} bytes", path.escape_debug()),
            Kind::Directory { path } => write!(f, "directory {}", path.escape_debug()),
            Kind::Pipe { inode } => write!(f, "pipe:[{inode}]"),
            Kind::Fifo { path } => write!(f, "fifo {}", path.escape_debug()),
            Kind::Socket(socket) => socket.fmt(f),
            Kind::Device { path, major, minor } => {
                write!(f, "device {} {major}:{minor}", path.escape_debug())
            }
            Kind::Eventfd { count: Some(count) } => write!(f, "eventfd count {count}"),
            Kind::Eventfd { count: None } => write!(f, "eventfd"),
            Kind::Pidfd { pid: Some(pid) } => write!(f, "pidfd of process {pid}"),
            Kind::Pidfd { pid: None } => write!(f, "pidfd"),
            Kind::DmaBuf { name, size, exporter } => {
                write!(f, "dma-buf \"{}\"", name.escape_debug())?;
                if let Some(size) = size {
                    write!(f, " {size} bytes")?;
                }
                match exporter {
                    Some(exporter) => write!(f, " from {}", exporter.escape_debug()),
                    None => Ok(()),
                }
            }
            Kind::Anonymous { name } => write!(f, "{}", name.escape_debug()),
            Kind::Unknown { inode } => write!(f, "unknown file, inode {inode}"),
        }
    }
}
