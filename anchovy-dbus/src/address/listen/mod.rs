//! From an address to a socket that others can connect to.
//!
//! What one can listen on is not always what one can connect to: some addresses only say in which
//! directory the socket should be. So listening answers with an address of its own, and with the
//! file that has to go when the server does.

mod bind;
mod error;
mod file;
mod name;

use std::io;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

pub use error::{FailedListen, ListenError, ListenFailure};
pub use file::SocketFile;

use super::environment::{Environment, process_environment, runtime_directory};
use super::{Address, Addresses, Transport};
use bind::{bind_abstract, bind_new, bind_path};
use name::random_name;

/// How many random names are tried. With 62¹⁰ of them, a second time already means that something
/// other than chance is at work.
const TRIES: usize = 8;

/// A socket that is listened on.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use anchovy_dbus::{Address, Bound};
///
/// let Bound { listener, address, file } = Address::tmpdir(std::env::temp_dir())?.listen()?;
/// let listener = tokio::net::UnixListener::from_std(listener)?;
/// println!("listening on {address}");
/// # drop(listener);
/// drop(file); // and the socket is gone from the directory
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Bound {
    /// Non-blocking and close-on-exec.
    pub listener: UnixListener,
    /// Where to connect to it: `unix:path=` or `unix:abstract=`, with the guid of the address that
    /// was listened on.
    pub address: Address,
    /// The file that goes when this is dropped; an abstract socket has none.
    pub file: Option<SocketFile>,
}

impl Addresses {
    /// Listens on the first address that can be listened on; see [`Address::listen`].
    ///
    /// That is what a list such as `unix:runtime=yes;unix:tmpdir=/tmp` is for (D-Bus Specification,
    /// "Unix Domain Sockets").
    ///
    /// # Errors
    ///
    /// [`ListenError`], with the reason for each address.
    ///
    /// ```
    /// use anchovy_dbus::{Address, Addresses};
    ///
    /// let nowhere = Address::path("/nonexistent/bus")?;
    /// let bound = Addresses::from(nowhere).or(Address::tmpdir(std::env::temp_dir())?).listen()?;
    /// assert!(bound.address.to_string().contains("/dbus-"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn listen(&self) -> Result<Bound, ListenError> {
        first(self.iter(), &process_environment)
    }
}

impl Address {
    /// Listens on this address.
    ///
    /// - `unix:path=`: at this path. A socket that is there and that no process holds any more is
    ///   replaced; a living one is left alone, and so is anything that is no socket. (dbus-daemon
    ///   replaces living ones too, and so takes over from a server that does not notice.) Of two
    ///   processes that replace the same socket in the same instant, one may remove that of the
    ///   other: what must be alone needs a lock of its own.
    /// - `unix:abstract=`: under this name.
    /// - `unix:dir=` and `unix:tmpdir=`: in this directory, in a file `dbus-` and 10 random letters
    ///   or digits.
    /// - `unix:runtime=yes`: `bus` in the directory that `XDG_RUNTIME_DIR` names, as for
    ///   `unix:path=`.
    ///
    /// The permissions of the file are what the umask leaves. Connecting needs the right to write
    /// to it (unix(7)), so a server for other users changes them. This makes system calls that may
    /// wait for a disk, and needs no runtime.
    ///
    /// # Errors
    ///
    /// [`ListenError`], with one attempt.
    ///
    /// ```
    /// use anchovy_dbus::{Address, Transport};
    ///
    /// let bound = Address::dir(std::env::temp_dir())?.listen()?;
    /// assert!(matches!(bound.address.transport(), Transport::Path(_)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn listen(&self) -> Result<Bound, ListenError> {
        first([self], &process_environment)
    }
}

fn first<'a>(
    addresses: impl IntoIterator<Item = &'a Address>,
    environment: Environment<'_>,
) -> Result<Bound, ListenError> {
    let mut attempts = Vec::new();
    for address in addresses {
        match listen(address, environment) {
            Ok(bound) => return Ok(bound),
            Err((path, reason)) => {
                attempts.push(FailedListen { address: address.clone(), path, reason });
            }
        }
    }
    Err(ListenError { attempts })
}

/// Where it was tried, as far as that is a path, and why it failed.
type Refusal = (Option<PathBuf>, ListenFailure);

fn listen(address: &Address, environment: Environment<'_>) -> Result<Bound, Refusal> {
    let (listener, path) = match &address.transport {
        Transport::Abstract(name) => {
            let listener = bind_abstract(name).map_err(|reason| (None, reason))?;
            return Ok(Bound { listener, address: address.clone(), file: None });
        }
        Transport::Other(_) => return Err((None, ListenFailure::NotAUnixSocket)),
        Transport::Path(path) => at(path.clone(), bind_path)?,
        Transport::Runtime => {
            let directory =
                runtime_directory(environment).ok_or((None, ListenFailure::NoRuntimeDirectory))?;
            at(directory.join("bus"), bind_path)?
        }
        Transport::Dir(directory) | Transport::TmpDir(directory) => {
            in_directory(directory, random_name)?
        }
    };
    file_of(&path, listener, address).map_err(|reason| (Some(path), reason))
}

fn file_of(path: &Path, listener: UnixListener, address: &Address) -> Result<Bound, ListenFailure> {
    let file = SocketFile::of(path)?;
    let transport = Transport::Path(path.to_owned());
    Ok(Bound { listener, address: Address { transport, guid: address.guid }, file: Some(file) })
}

fn at(
    path: PathBuf,
    bind: impl FnOnce(&Path) -> Result<UnixListener, ListenFailure>,
) -> Result<(UnixListener, PathBuf), Refusal> {
    match bind(&path) {
        Ok(listener) => Ok((listener, path)),
        Err(reason) => Err((Some(path), reason)),
    }
}

fn in_directory(
    directory: &Path,
    mut name: impl FnMut() -> io::Result<String>,
) -> Result<(UnixListener, PathBuf), Refusal> {
    let mut tries = TRIES;
    loop {
        let name = name().map_err(|error| (Some(directory.to_owned()), error.into()))?;
        tries -= 1;
        match at(directory.join(name), bind_new) {
            Err((_, ListenFailure::InUse)) if tries > 0 => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::ffi::OsString;
    use std::fs;
    use std::os::unix::net::UnixStream;

    use super::name::RANDOM_LETTERS;
    use super::*;
    use crate::address::socket::LONGEST;
    use crate::address::test_directory::TestDirectory;

    fn path(path: impl Into<PathBuf>) -> Address {
        Address::path(path).unwrap()
    }

    fn reason(bound: Result<Bound, ListenError>) -> ListenFailure {
        bound.unwrap_err().attempts.pop().unwrap().reason
    }

    fn is_reached(bound: &Bound) -> bool {
        let Transport::Path(path) = bound.address.transport() else { panic!("{bound:?}") };
        let _client = UnixStream::connect(path).unwrap();
        bound.listener.accept().is_ok()
    }

    #[test]
    fn a_path_is_listened_on_without_waiting_and_not_by_children() {
        let directory = TestDirectory::new();
        let bound = path(directory.join("bus")).listen().unwrap();

        assert_eq!(bound.address, path(directory.join("bus")));
        let flags = rustix::fs::fcntl_getfl(&bound.listener).unwrap();
        assert!(flags.contains(rustix::fs::OFlags::NONBLOCK));
        assert!(is_reached(&bound));
        let flags = rustix::io::fcntl_getfd(&bound.listener).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    }

    #[test]
    fn a_directory_gets_a_socket_with_a_random_name() {
        let directory = TestDirectory::new();
        let dir = Address::dir(directory.path()).unwrap();
        let tmpdir = Address::tmpdir(directory.path()).unwrap();
        let bound = [dir.listen(), dir.listen(), tmpdir.listen()].map(Result::unwrap);

        let mut expected = Vec::new();
        for bound in &bound {
            assert!(is_reached(bound));
            let file = bound.file.as_ref().unwrap().path();
            assert_eq!(bound.address, path(file));
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            let letters = name.strip_prefix("dbus-").unwrap();
            assert_eq!(letters.len(), 10);
            assert!(letters.bytes().all(|letter| letter.is_ascii_alphanumeric()), "{name}");
            expected.push(name);
        }
        expected.sort();
        assert_eq!(directory.names(), expected);
        drop(bound);
        assert!(directory.names().is_empty());
    }

    #[test]
    fn a_random_name_that_is_taken_is_passed_over_even_if_stale() {
        let directory = TestDirectory::new();
        drop(UnixListener::bind(directory.join("taken")).unwrap());
        let mut names = ["taken", "taken", "free"].into_iter().map(String::from);

        let (_, path) = in_directory(directory.path(), || Ok(names.next().unwrap())).unwrap();
        assert_eq!(path, directory.join("free"));
        assert_eq!(directory.names(), ["free", "taken"]);
    }

    #[test]
    fn random_names_are_not_tried_for_ever() {
        let directory = TestDirectory::new();
        fs::write(directory.join("taken"), "").unwrap();
        let found = in_directory(directory.path(), || Ok("taken".into()));
        assert!(matches!(found, Err((_, ListenFailure::InUse))), "{found:?}");
    }

    #[test]
    fn the_guid_stays_with_the_address() {
        let directory = TestDirectory::new();
        let guid = crate::Guid::from_bytes([7; 16]);
        let address = Address::tmpdir(directory.path()).unwrap().with_guid(guid);
        assert_eq!(address.listen().unwrap().address.guid(), Some(guid));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_abstract_name_is_listened_on_and_has_no_file() {
        use std::os::linux::net::SocketAddrExt;

        let name = format!("anchovy-dbus-{}-\0-listen", std::process::id());
        let address = Address::abstract_name(name.as_bytes()).unwrap();
        let bound = address.listen().unwrap();

        assert_eq!(bound.address, address);
        assert!(bound.file.is_none());
        let local = bound.listener.local_addr().unwrap();
        assert_eq!(local.as_abstract_name(), Some(name.as_bytes()));
        assert!(matches!(reason(address.listen()), ListenFailure::InUse));
    }

    fn runtime_in(directory: &str) -> Result<Bound, ListenError> {
        let environment =
            |name: &str| (name == "XDG_RUNTIME_DIR").then(|| OsString::from(directory));
        first([&Address::runtime()], &environment)
    }

    #[test]
    fn the_runtime_directory_gets_the_socket_of_the_bus() {
        let directory = TestDirectory::new();
        let bound = runtime_in(directory.path().to_str().unwrap()).unwrap();
        assert_eq!(bound.address, path(directory.join("bus")));
        assert!(is_reached(&bound));
    }

    #[test]
    fn without_a_runtime_directory_the_next_address_is_taken() {
        let directory = TestDirectory::new();
        let addresses = [Address::runtime(), path(directory.join("bus"))];
        let bound = first(&addresses, &|_| None).unwrap();
        assert_eq!(bound.address, addresses[1]);
    }

    #[test]
    fn a_runtime_directory_that_is_relative_or_empty_is_none() {
        for directory in ["", "run"] {
            let found = runtime_in(directory);
            assert!(matches!(reason(found), ListenFailure::NoRuntimeDirectory), "{directory}");
        }
    }

    #[test]
    fn a_directory_that_is_not_there_is_named() {
        let directory = TestDirectory::new();
        let gone = directory.join("gone");
        for address in
            [path(gone.join("bus")), Address::dir(&gone).unwrap(), Address::tmpdir(&gone).unwrap()]
        {
            let error = address.listen().unwrap_err();
            let said = error.to_string();
            assert!(said.contains("no such directory"), "{said}");
            assert!(said.contains(gone.to_str().unwrap()), "{said}");
            assert_eq!(io::Error::from(error).kind(), io::ErrorKind::NotFound);
        }
        let error = runtime_in(gone.to_str().unwrap()).unwrap_err();
        assert!(error.to_string().contains(gone.join("bus").to_str().unwrap()), "{error}");
    }

    #[test]
    fn what_is_no_unix_socket_is_named_as_such() {
        let address: Address = "tcp:host=localhost".parse().unwrap();
        let error = address.listen().unwrap_err();
        assert!(error.to_string().contains("tcp:host=localhost"), "{error}");
        assert!(matches!(reason(Err(error)), ListenFailure::NotAUnixSocket));
    }

    #[test]
    fn a_name_that_is_too_long_is_told_with_both_lengths() {
        let directory = TestDirectory::new();
        let long = directory.join(&"a".repeat(LONGEST));
        fs::create_dir(&long).unwrap();
        let length = long.as_os_str().len();
        let random = length + "/dbus-".len() + RANDOM_LETTERS;
        let name = Address::abstract_name("a".repeat(LONGEST + 1)).unwrap();

        for (address, expected) in
            [(path(&long), length), (Address::dir(&long).unwrap(), random), (name, LONGEST + 1)]
        {
            match reason(address.listen()) {
                ListenFailure::TooLong { length, limit } => {
                    assert_eq!((length, limit), (expected, LONGEST));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn every_address_that_failed_is_in_the_error() {
        let addresses: Addresses = "tcp:;unix:path=/nonexistent/bus".parse().unwrap();
        let error = addresses.listen().unwrap_err();
        let tried: Vec<_> = error.attempts().iter().map(|attempt| &attempt.address).collect();
        assert_eq!(tried, addresses.iter().collect::<Vec<_>>());
        assert!(error.source().unwrap().source().is_some());
    }
}
