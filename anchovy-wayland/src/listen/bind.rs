//! A socket in the file system outlives the process that made it, so under a name that nobody has
//! locked there may be the remains of a compositor, or something else altogether. Only remains are
//! swept away, and only by who holds the lock.

use std::fs::{self, FileType, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;

use super::file::{Identity, OwnFile};
use super::listen_error::ListenError;
use super::lock::Lock;
use crate::location::Location;

/// Connections that may wait to be accepted, as in libwayland.
const BACKLOG: i32 = 128;

/// The owner or the group may write; libwayland leaves a socket alone where neither may.
const REMOVABLE: u32 = 0o220;

/// Binds where nothing is, or nothing but the socket of a compositor that has ended. Who has the
/// lock may.
pub(super) fn bind(
    location: &Location,
    _lock: &Lock,
) -> Result<(OwnFile, UnixListener), ListenError> {
    let path = &location.path;
    let failed = |error| ListenError::Io { path: path.clone(), error };
    remove_stale(path)?;
    let listener = UnixListener::bind_addr(&location.address).map_err(failed)?;
    let file = OwnFile::new(path.clone(), Identity::of(path).map_err(failed)?);
    // The standard library listens with another number.
    rustix::net::listen(&listener, BACKLOG).map_err(|error| failed(error.into()))?;
    listener.set_nonblocking(true).map_err(failed)?;
    Ok((file, listener))
}

fn remove_stale(path: &Path) -> Result<(), ListenError> {
    let failed = |error| ListenError::Io { path: path.to_owned(), error };
    let Some(found) = look(path).map_err(failed)? else { return Ok(()) };
    if !found.file_type().is_socket() {
        let found = kind_of(found.file_type());
        return Err(ListenError::NotASocket { path: path.to_owned(), found });
    }
    if found.mode() & REMOVABLE == 0 {
        return Err(ListenError::WriteProtected { path: path.to_owned() });
    }
    if is_held(path).map_err(failed)? {
        return Err(ListenError::InUse { path: path.to_owned() });
    }
    fs::remove_file(path).map_err(failed)
}

fn look(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a process has the socket at `path` open, without the lock; libwayland would take the name
/// from it.
///
/// A datagram socket asks: no compositor notices it, it never waits, and it also finds one that is
/// bound and does not listen yet. ECONNREFUSED means that the file has no socket behind it,
/// EPROTOTYPE that it has one of another type (connect(2)).
fn is_held(path: &Path) -> io::Result<bool> {
    match UnixDatagram::unbound()?.connect(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(false),
        Err(error) if is_other_type(&error) => Ok(true),
        Err(error) => Err(error),
    }
}

fn is_other_type(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::PROTOTYPE.raw_os_error())
}

fn kind_of(file: FileType) -> &'static str {
    if file.is_dir() {
        "a directory"
    } else if file.is_symlink() {
        "a symbolic link"
    } else if file.is_file() {
        "a file"
    } else {
        "something"
    }
}
