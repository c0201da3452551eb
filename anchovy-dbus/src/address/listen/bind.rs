//! A socket in the file system outlives the process that made it, so where a server wants to listen
//! there may be a living server, the remains of a dead one, or something else altogether. Only
//! remains are swept away.

use std::fs::{self, FileType, Metadata};
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;

use super::error::ListenFailure;
use super::file::identity;
use crate::address::socket;

pub(super) fn bind_abstract(name: &[u8]) -> Result<UnixListener, ListenFailure> {
    ready(UnixListener::bind_addr(&socket::abstract_name(name)?))
}

/// Binds where nothing is yet.
pub(super) fn bind_new(path: &Path) -> Result<UnixListener, ListenFailure> {
    ready(UnixListener::bind_addr(&socket::path(path)?))
}

/// Binds where nothing is, or nothing but the socket of a server that has ended.
pub(super) fn bind_path(path: &Path) -> Result<UnixListener, ListenFailure> {
    match bind_new(path) {
        Err(ListenFailure::InUse) => {
            remove_stale(path, is_held)?;
            bind_new(path)
        }
        result => result,
    }
}

fn ready(bound: io::Result<UnixListener>) -> Result<UnixListener, ListenFailure> {
    match bound {
        Ok(listener) => {
            listener.set_nonblocking(true)?;
            Ok(listener)
        }
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Err(ListenFailure::InUse),
        Err(error) => Err(error.into()),
    }
}

fn remove_stale(
    path: &Path,
    is_held: impl FnOnce(&Path) -> io::Result<bool>,
) -> Result<(), ListenFailure> {
    let Some(found) = look(path)? else { return Ok(()) };
    if !found.file_type().is_socket() {
        return Err(ListenFailure::NotASocket { found: kind_of(found.file_type()) });
    }
    if is_held(path)? {
        return Err(ListenFailure::InUse);
    }
    // What was looked at may have been replaced by a living server in the meantime.
    match look(path)? {
        Some(now) if identity(&now) == identity(&found) => Ok(fs::remove_file(path)?),
        Some(_) => Err(ListenFailure::InUse),
        None => Ok(()),
    }
}

fn look(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a process has the socket at `path` open.
///
/// A datagram socket asks: no server notices it, it never waits, and it also finds a server that is
/// bound and does not listen yet. ECONNREFUSED means that the file has no socket behind it,
/// EPROTOTYPE that it has one of another type (connect(2)).
fn is_held(path: &Path) -> io::Result<bool> {
    match UnixDatagram::unbound()?.connect(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixStream;
    use std::path::PathBuf;

    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

    use super::*;
    use crate::address::test_directory::TestDirectory;
    use crate::address::{Address, Bound, ListenError};

    fn path(path: impl Into<PathBuf>) -> Address {
        Address::path(path).unwrap()
    }

    fn reason(bound: Result<Bound, ListenError>) -> ListenFailure {
        bound.unwrap_err().attempts.pop().unwrap().reason
    }

    #[test]
    fn the_socket_of_a_server_that_ended_is_replaced() {
        let directory = TestDirectory::new();
        drop(UnixListener::bind(directory.join("bus")).unwrap());
        assert_eq!(directory.names(), ["bus"]);

        let bound = path(directory.join("bus")).listen().unwrap();
        assert!(UnixStream::connect(directory.join("bus")).is_ok());
        assert!(bound.listener.accept().is_ok());
    }

    #[test]
    fn the_socket_of_a_living_server_stays_and_the_server_does_not_notice() {
        let directory = TestDirectory::new();
        let living = UnixListener::bind(directory.join("bus")).unwrap();
        living.set_nonblocking(true).unwrap();

        let found = path(directory.join("bus")).listen();
        assert!(matches!(reason(found), ListenFailure::InUse));
        let nobody = living.accept().unwrap_err();
        assert_eq!(nobody.kind(), io::ErrorKind::WouldBlock);
        assert!(UnixStream::connect(directory.join("bus")).is_ok());
    }

    #[test]
    fn the_socket_of_a_server_that_does_not_listen_yet_stays() {
        let directory = TestDirectory::new();
        let name = SocketAddrUnix::new(directory.join("bus")).unwrap();
        let early = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        rustix::net::bind(&early, &name).unwrap();

        let found = path(directory.join("bus")).listen();
        assert!(matches!(reason(found), ListenFailure::InUse));
        assert_eq!(directory.names(), ["bus"]);
    }

    #[test]
    fn the_socket_of_a_process_that_takes_datagrams_stays() {
        let directory = TestDirectory::new();
        let _logger = UnixDatagram::bind(directory.join("bus")).unwrap();
        let found = path(directory.join("bus")).listen();
        assert!(matches!(reason(found), ListenFailure::InUse));
        assert_eq!(directory.names(), ["bus"]);
    }

    #[test]
    fn a_server_that_came_while_the_old_socket_was_looked_at_keeps_its_own() {
        let directory = TestDirectory::new();
        let path = directory.join("bus");
        drop(UnixListener::bind(&path).unwrap());

        let mut successor = None;
        let removed = remove_stale(&path, |path| {
            successor = Some(UnixListener::bind(directory.join("new"))?);
            fs::rename(directory.join("new"), path)?;
            Ok(false)
        });
        assert!(matches!(removed, Err(ListenFailure::InUse)), "{removed:?}");
        assert!(UnixStream::connect(&path).is_ok());
    }

    #[test]
    fn what_is_no_socket_stays_and_is_named() {
        let directory = TestDirectory::new();
        fs::write(directory.join("file"), "precious").unwrap();
        fs::create_dir(directory.join("directory")).unwrap();
        drop(UnixListener::bind(directory.join("stale")).unwrap());
        symlink(directory.join("stale"), directory.join("link")).unwrap();

        for (name, kind) in
            [("file", "a file"), ("directory", "a directory"), ("link", "a symbolic link")]
        {
            let error = path(directory.join(name)).listen().unwrap_err();
            let said = error.to_string();
            assert!(said.contains(kind) && said.contains(name), "{said}");
            assert!(matches!(reason(Err(error)), ListenFailure::NotASocket { .. }));
        }
        assert_eq!(directory.names(), ["directory", "file", "link", "stale"]);
        assert_eq!(fs::read(directory.join("file")).unwrap(), b"precious");
    }
}
