//! From an address to a socket that others can connect to.
//!
//! A socket in the file system outlives the process that made it, so where a server wants to listen
//! there may be a living server, the remains of a dead one, or something else altogether; only
//! remains are swept away. And who leaves should take away what they made, but not what a successor
//! has put in its place.

use std::error::Error;
use std::fmt;
use std::fs::{self, FileType, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::{Path, PathBuf};

use super::bus::{Environment, process_environment, runtime_directory};
use super::socket::{self, LONGEST, NameError};
use super::{Address, Addresses, Transport};
use crate::random;

/// How many random names are tried. With 62¹⁰ of them, a second time already means that something
/// other than chance is at work.
const TRIES: usize = 8;

/// What a random name is made of, and how many of these.
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const RANDOM_LETTERS: usize = 10;

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

/// The file of a socket, removed on drop if it is still the same file.
///
/// It is the same if it has the same device and inode number; between that look and the removal
/// another process may replace it, since there is no call that does both.
///
/// ```
/// use anchovy_dbus::Address;
///
/// let bound = Address::tmpdir(std::env::temp_dir())?.listen()?;
/// let path = bound.file.as_ref().expect("a path has one").path().to_owned();
/// assert!(path.exists());
/// drop(bound);
/// assert!(!path.exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    identity: Identity,
}

/// Which file it is, whatever it is called: device and inode number.
type Identity = (u64, u64);

impl SocketFile {
    fn of(path: &Path) -> io::Result<SocketFile> {
        // The working directory may be another one when this is dropped.
        let path = std::path::absolute(path)?;
        let identity = identity(&fs::symlink_metadata(&path)?);
        Ok(SocketFile { path, identity })
    }

    /// Where it is; absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves the file where it is, for a process that goes on listening.
    ///
    /// ```
    /// use anchovy_dbus::Address;
    ///
    /// let bound = Address::tmpdir(std::env::temp_dir())?.listen()?;
    /// let path = bound.file.expect("a path has one").keep();
    /// assert!(path.exists());
    /// # std::fs::remove_file(path)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn keep(mut self) -> PathBuf {
        // An empty path is that of no file, so that nothing is removed.
        std::mem::take(&mut self.path)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let same =
            fs::symlink_metadata(&self.path).is_ok_and(|found| identity(&found) == self.identity);
        if same {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(file: &Metadata) -> Identity {
    (file.dev(), file.ino())
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

fn random_name() -> io::Result<String> {
    let mut name = String::from("dbus-");
    let end = name.len() + RANDOM_LETTERS;
    while name.len() < end {
        let mut bytes = [0; RANDOM_LETTERS];
        random::fill(&mut bytes)?;
        name.extend(bytes.into_iter().filter_map(letter).take(end - name.len()));
    }
    Ok(name)
}

/// The letter of a random byte, and none for those that would make some letters more likely.
fn letter(byte: u8) -> Option<char> {
    let byte = usize::from(byte);
    let fair = 256 - 256 % LETTERS.len();
    (byte < fair).then(|| char::from(LETTERS[byte % LETTERS.len()]))
}

fn bind_abstract(name: &[u8]) -> Result<UnixListener, ListenFailure> {
    ready(UnixListener::bind_addr(&socket::abstract_name(name)?))
}

/// Binds where nothing is yet.
fn bind_new(path: &Path) -> Result<UnixListener, ListenFailure> {
    ready(UnixListener::bind_addr(&socket::path(path)?))
}

/// Binds where nothing is, or nothing but the socket of a server that has ended.
fn bind_path(path: &Path) -> Result<UnixListener, ListenFailure> {
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

/// Why no address could be listened on.
///
/// ```
/// use anchovy_dbus::{Addresses, ListenFailure};
///
/// let addresses: Addresses = "tcp:host=localhost".parse()?;
/// let error = addresses.listen().unwrap_err();
/// assert!(matches!(error.attempts()[0].reason, ListenFailure::NotAUnixSocket));
/// # Ok::<(), anchovy_dbus::AddressError>(())
/// ```
#[derive(Debug)]
pub struct ListenError {
    attempts: Vec<FailedListen>,
}

/// One address of a [`ListenError`].
///
/// ```
/// use anchovy_dbus::Address;
///
/// let error = Address::dir("/nonexistent")?.listen().unwrap_err();
/// let path = error.attempts()[0].path.as_ref().expect("a directory leads to a path");
/// assert!(path.starts_with("/nonexistent"));
/// # Ok::<(), anchovy_dbus::AddressError>(())
/// ```
#[derive(Debug)]
pub struct FailedListen {
    /// What was tried.
    pub address: Address,
    /// The path that this led to, where it led to one.
    pub path: Option<PathBuf>,
    /// Why it failed.
    pub reason: ListenFailure,
}

/// Why one address could not be listened on.
///
/// ```
/// use anchovy_dbus::{Address, ListenFailure};
///
/// let first = Address::tmpdir(std::env::temp_dir())?.listen()?;
/// let second = first.address.listen().unwrap_err();
/// assert!(matches!(second.attempts()[0].reason, ListenFailure::InUse));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ListenFailure {
    /// Its transport is another one than `unix`.
    NotAUnixSocket,
    /// Its path or abstract name does not fit into an address of the kernel (unix(7)).
    TooLong {
        /// The length of the path or name, in bytes.
        length: usize,
        /// The most that fits, in bytes: 107 on Linux.
        limit: usize,
    },
    /// It is `unix:runtime=yes`, and `XDG_RUNTIME_DIR` is not set, or not absolute.
    NoRuntimeDirectory,
    /// A process has a socket there.
    InUse,
    /// There is something that is no socket. It was left alone.
    NotASocket {
        /// What it is: "a file", "a directory", "a symbolic link" or "something".
        found: &'static str,
    },
    /// The system refused; an abstract name on any other than Linux, with
    /// [`Unsupported`](io::ErrorKind::Unsupported).
    Io(io::Error),
}

impl ListenError {
    /// What was tried, in order.
    pub fn attempts(&self) -> &[FailedListen] {
        &self.attempts
    }
}

impl From<NameError> for ListenFailure {
    fn from(error: NameError) -> ListenFailure {
        match error {
            NameError::TooLong(length) => ListenFailure::TooLong { length, limit: LONGEST },
            NameError::Io(error) => ListenFailure::Io(error),
        }
    }
}

impl From<io::Error> for ListenFailure {
    fn from(error: io::Error) -> ListenFailure {
        ListenFailure::Io(error)
    }
}

impl ListenFailure {
    fn kind(&self) -> io::ErrorKind {
        match self {
            ListenFailure::NotAUnixSocket => io::ErrorKind::Unsupported,
            ListenFailure::TooLong { .. } => io::ErrorKind::InvalidInput,
            ListenFailure::NoRuntimeDirectory => io::ErrorKind::NotFound,
            ListenFailure::InUse => io::ErrorKind::AddrInUse,
            ListenFailure::NotASocket { .. } => io::ErrorKind::AlreadyExists,
            ListenFailure::Io(error) => error.kind(),
        }
    }
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot listen: ")?;
        for (index, attempt) in self.attempts.iter().enumerate() {
            let semicolon = if index == 0 { "" } else { "; " };
            write!(f, "{semicolon}{attempt}")?;
        }
        Ok(())
    }
}

impl fmt::Display for FailedListen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.address)?;
        match (&self.path, &self.address.transport) {
            // The address says it already.
            (None, _) | (_, Transport::Path(_)) => {}
            (Some(path), _) => write!(f, "{}: ", path.display())?,
        }
        self.reason.fmt(f)
    }
}

impl fmt::Display for ListenFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListenFailure::NotAUnixSocket => {
                f.write_str("this is no Unix socket, and only those are spoken here")
            }
            ListenFailure::TooLong { length, limit } => write!(
                f,
                "the name of the socket has {length} bytes, and {limit} are the most; \
                 choose a shorter one"
            ),
            ListenFailure::NoRuntimeDirectory => {
                f.write_str("XDG_RUNTIME_DIR is not set to an absolute path; use a path")
            }
            ListenFailure::InUse => f.write_str(
                "another process has this socket; end that process, or choose another address",
            ),
            ListenFailure::NotASocket { found } => write!(
                f,
                "{found} is there, which is no socket and was left alone; \
                 move it, or choose another address"
            ),
            ListenFailure::Io(error) => {
                let hint = match error.kind() {
                    io::ErrorKind::NotFound => "there is no such directory",
                    io::ErrorKind::PermissionDenied => {
                        "this user may not write to the directory, or not to the socket in it"
                    }
                    _ => return error.fmt(f),
                };
                write!(f, "{hint} ({error})")
            }
        }
    }
}

impl Error for ListenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.attempts.last().map(|attempt| &attempt.reason as _)
    }
}

impl Error for ListenFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ListenFailure::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// Of the kind of the last attempt.
impl From<ListenError> for io::Error {
    fn from(error: ListenError) -> io::Error {
        let last = error.attempts.last();
        let kind = last.map_or(io::ErrorKind::Other, |attempt| attempt.reason.kind());
        io::Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixStream;

    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

    use super::super::test_directory::TestDirectory;
    use super::*;

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
    fn the_file_goes_with_its_owner() {
        let directory = TestDirectory::new();
        let bound = path(directory.join("bus")).listen().unwrap();
        assert_eq!(directory.names(), ["bus"]);
        drop(bound);
        assert!(directory.names().is_empty());
    }

    #[test]
    fn the_file_of_a_successor_stays() {
        let directory = TestDirectory::new();
        let bound = path(directory.join("bus")).listen().unwrap();
        // Made while the old one exists, so that it cannot have the same inode number.
        let _successor = UnixListener::bind(directory.join("new")).unwrap();
        fs::rename(directory.join("new"), directory.join("bus")).unwrap();

        drop(bound);
        assert!(UnixStream::connect(directory.join("bus")).is_ok());
    }

    #[test]
    fn a_file_that_is_kept_stays() {
        let directory = TestDirectory::new();
        let bound = path(directory.join("bus")).listen().unwrap();
        assert_eq!(bound.file.unwrap().keep(), directory.join("bus"));
        assert_eq!(directory.names(), ["bus"]);
    }

    #[test]
    fn a_file_that_is_gone_already_is_no_matter() {
        let directory = TestDirectory::new();
        let bound = path(directory.join("bus")).listen().unwrap();
        fs::remove_file(directory.join("bus")).unwrap();
        drop(bound);
    }

    #[test]
    fn the_path_of_the_file_is_absolute() {
        let directory = TestDirectory::new();
        fs::write(directory.join("bus"), "").unwrap();
        let mut relative: PathBuf =
            std::env::current_dir().unwrap().iter().skip(1).map(|_| "..").collect();
        relative.push(directory.join("bus").strip_prefix("/").unwrap());

        let file = SocketFile::of(&relative).unwrap();
        assert!(file.path().is_absolute(), "{file:?}");
        drop(file);
        assert!(directory.names().is_empty());
    }

    #[test]
    fn the_socket_of_a_server_that_ended_is_replaced() {
        let directory = TestDirectory::new();
        drop(UnixListener::bind(directory.join("bus")).unwrap());
        assert_eq!(directory.names(), ["bus"]);

        let bound = path(directory.join("bus")).listen().unwrap();
        assert!(is_reached(&bound));
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
    fn no_letter_of_a_random_name_is_more_likely_than_another() {
        let all: Vec<_> = (0..=u8::MAX).filter_map(letter).collect();
        for &one in LETTERS {
            assert_eq!(all.iter().filter(|&&other| other == char::from(one)).count(), 4);
        }
        assert_eq!(all.len(), 4 * 62);
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
