//! Binding a socket to a path or an abstract name, before listen(2).

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use super::directory_lock::DirectoryLock;
use super::listen_error::ListenError;
use super::mode;
use super::stale;
use crate::path::SocketPath;
use crate::path_guard::{FileId, PathGuard};

/// The maximum number of attempts if the path repeatedly disappears and reappears.
const ATTEMPTS: usize = 16;

/// A socket that is bound and does not listen yet.
#[derive(Debug)]
pub(super) struct Bound {
    /// Removes the path if a later step fails. `None` for an abstract name.
    pub(super) file: Option<PathGuard>,
    pub(super) socket: OwnedFd,
}

/// Binds a new socket to an abstract name.
pub(super) fn bind_abstract(name: &SocketPath) -> Result<Bound, ListenError> {
    let failed = |error| failed(&name.path, error);
    let socket = stream_socket().map_err(failed)?;
    bind(&socket, &name.address).map_err(failed)?;
    Ok(Bound { file: None, socket })
}

/// Binds a new socket to a path.
pub(super) fn bind_path(
    path: &Path,
    permissions: Option<u32>,
    replace_stale: bool,
) -> Result<Bound, ListenError> {
    let failed = |error| failed(path, error);
    let socket = stream_socket().map_err(failed)?;
    let bind_to = |path: &Path| bind(&socket, &SocketAddrUnix::new(path)?);

    let has_mode = match permissions {
        None => true,
        Some(mode) => mode::set_before_bind(&socket, mode).map_err(failed)?,
    };
    let attempt = || match permissions {
        Some(mode) if !has_mode => mode::bind_in_private_directory(path, mode, bind_to),
        _ => bind_to(path),
    };
    if replace_stale {
        bind_replacing(path, attempt)?;
    } else {
        attempt().map_err(|error| refused(path, error))?;
    }

    let file = guard(path)?;
    if let Some(mode) = permissions {
        mode::complete(&file, mode).map_err(failed)?;
    }
    Ok(Bound { file: Some(file), socket })
}

/// Guards the file that bind(2) has created. Another program may already have replaced it; its
/// file must not be removed.
fn guard(path: &Path) -> Result<PathGuard, ListenError> {
    let file = PathGuard::new(path).map_err(|error| failed(path, error))?;
    match fs::symlink_metadata(path) {
        Ok(found) if FileId::from_metadata(&found) == file.file() => {
            if found.file_type().is_socket() {
                return Ok(file);
            }
            file.keep();
            Err(stale::taken(path, found.file_type()))
        }
        Ok(_) => {
            file.keep();
            Err(ListenError::InUse { path: path.to_owned() })
        }
        Err(error) => {
            file.keep();
            Err(failed(path, error))
        }
    }
}

/// Binds to a path after removing a stale socket there. One lock covers the removal and the bind.
/// Otherwise two processes could remove each other's new socket.
fn bind_replacing(path: &Path, attempt: impl Fn() -> io::Result<()>) -> Result<(), ListenError> {
    let mut lock = None;
    for _ in 0..ATTEMPTS {
        match attempt() {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(failed(path, error)),
        }
        if lock.is_none() {
            // Before the lock, so that other processes need not wait for it.
            stale::wait_while_live(path);
            lock = Some(DirectoryLock::acquire(path)?);
        }
        stale::remove(path)?;
    }
    Err(ListenError::InUse { path: path.to_owned() })
}

/// Returns the error of a bind that replaces no socket.
fn refused(path: &Path, error: io::Error) -> ListenError {
    if error.kind() == io::ErrorKind::AddrInUse && stale::is_stale(path) {
        return ListenError::Stale { path: path.to_owned() };
    }
    failed(path, error)
}

fn failed(path: &Path, error: io::Error) -> ListenError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::AddrInUse => ListenError::InUse { path },
        _ => ListenError::Io { path: Some(path), error },
    }
}

fn bind(socket: &OwnedFd, address: &SocketAddrUnix) -> io::Result<()> {
    Ok(rustix::net::bind(socket, address)?)
}

/// Creates a socket that is non-blocking and close-on-exec.
#[cfg(not(target_vendor = "apple"))]
fn stream_socket() -> io::Result<OwnedFd> {
    use rustix::net::{SocketFlags, socket_with};

    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    Ok(socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?)
}

/// Creates a socket that is non-blocking and close-on-exec. A process that is forked before the
/// flags are set inherits it.
#[cfg(target_vendor = "apple")]
fn stream_socket() -> io::Result<OwnedFd> {
    let socket = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&socket, true)?;
    Ok(socket)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::unix::net::UnixListener;

    use interop_tests::Directory;

    use super::*;

    #[test]
    fn a_file_that_replaced_the_new_socket_is_not_guarded() {
        let directory = Directory::new();
        let path = directory.join("socket");
        let _listener = UnixListener::bind(&path).unwrap();
        drop(guard(&path).unwrap());
        assert!(!path.exists());

        fs::write(&path, "precious").unwrap();
        let error = guard(&path).unwrap_err();
        assert!(matches!(error, ListenError::NotASocket { found: "a file", .. }), "{error:?}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }
}
