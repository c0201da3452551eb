//! From a list of addresses to a connection.
//!
//! The addresses are tried in order, and the first that works is taken. When none does, the answer
//! has to say of each why: the reason that matters is rarely that of the last one.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use tokio::net::UnixStream;

use super::socket::{self, LONGEST, NameError};
use super::{Address, Addresses, Transport};

/// How long to wait before a server whose queue of connections is full is tried again. Short beside
/// what a person notices, long beside what accepting takes.
const PAUSE: Duration = Duration::from_millis(5);

/// A connection, and the address that led to it.
///
/// The address has the guid that the server must name in its handshake, where one is known
/// beforehand.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use anchovy_dbus::{Address, Addresses, Connected};
///
/// let bound = Address::tmpdir(std::env::temp_dir())?.listen()?;
///
/// let Connected { stream, address } = Addresses::from(bound.address.clone()).connect().await?;
/// assert_eq!(address, bound.address);
/// assert!(stream.peer_addr()?.as_pathname().is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Connected {
    /// Connected and registered with the runtime; no byte was sent.
    pub stream: UnixStream,
    /// Which of the addresses it was.
    pub address: Address,
}

impl Addresses {
    /// Connects to the first address that can be connected to.
    ///
    /// Only `unix:path=` and `unix:abstract=` can; the others are passed over, and named in the
    /// error if none is left. Where the queue of connections of a server is full, this waits for
    /// room as a blocking connect(2) does, for as long as that takes: give it a time limit where
    /// the server may hang.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], with the reason for each address.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O enabled. Timers are not used.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a socket that was made is closed.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use anchovy_dbus::{Address, Addresses};
    ///
    /// let bound = Address::tmpdir(std::env::temp_dir())?.listen()?;
    ///
    /// let nowhere = Address::path("/nonexistent/bus")?;
    /// let addresses = Addresses::from(nowhere).or(bound.address.clone());
    /// let connected = addresses.connect().await?;
    /// assert_eq!(connected.address, bound.address);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(&self) -> Result<Connected, ConnectError> {
        let mut attempts = Vec::new();
        for address in self {
            let address = address.clone();
            match connect(&address.transport).await {
                Ok(stream) => return Ok(Connected { stream, address }),
                Err(reason) => attempts.push(FailedConnect { address, reason }),
            }
        }
        Err(ConnectError { attempts })
    }
}

async fn connect(transport: &Transport) -> Result<UnixStream, ConnectFailure> {
    let name = match transport {
        Transport::Path(path) => socket::path(path)?,
        Transport::Abstract(name) => socket::abstract_name(name)?,
        Transport::Dir(_) | Transport::TmpDir(_) | Transport::Runtime => {
            return Err(ConnectFailure::ListenOnly);
        }
        Transport::Other(_) => return Err(ConnectFailure::NotAUnixSocket),
    };
    let name = name.into();
    loop {
        match UnixStream::connect_addr(&name).await {
            // connect(2): a non-blocking Unix socket gets EAGAIN where a blocking one would wait,
            // and no readiness tells when there is room.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => pause().await?,
            connected => return Ok(connected?),
        }
    }
}

/// Sleeps on a thread of the runtime's pool, since the runtime may have no timers.
async fn pause() -> io::Result<()> {
    Ok(tokio::task::spawn_blocking(|| std::thread::sleep(PAUSE)).await?)
}

/// Why no address could be connected to.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use anchovy_dbus::{Addresses, ConnectFailure};
///
/// let addresses: Addresses = "tcp:host=localhost,port=1;unix:path=/nonexistent/bus".parse()?;
/// let error = addresses.connect().await.unwrap_err();
///
/// let reasons: Vec<_> = error.attempts().iter().map(|attempt| &attempt.reason).collect();
/// assert!(matches!(reasons[..], [ConnectFailure::NotAUnixSocket, ConnectFailure::Io(_)]));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct ConnectError {
    attempts: Vec<FailedConnect>,
}

/// One address of a [`ConnectError`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use anchovy_dbus::{Address, Addresses};
///
/// let error = Addresses::from(Address::path("/nonexistent")?).connect().await.unwrap_err();
/// assert_eq!(error.attempts()[0].address, Address::path("/nonexistent")?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FailedConnect {
    /// What was tried.
    pub address: Address,
    /// Why it failed.
    pub reason: ConnectFailure,
}

/// Why one address could not be connected to.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use anchovy_dbus::{Address, Addresses, ConnectFailure};
///
/// let error = Addresses::from(Address::runtime()).connect().await.unwrap_err();
/// assert!(matches!(error.attempts()[0].reason, ConnectFailure::ListenOnly));
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectFailure {
    /// Its transport is another one than `unix`.
    NotAUnixSocket,
    /// It is for a server to listen on, which then has another address to connect to (D-Bus
    /// Specification, "Unix Domain Sockets").
    ListenOnly,
    /// Its path or abstract name does not fit into an address of the kernel (unix(7)).
    TooLong {
        /// The length of the path or name, in bytes.
        length: usize,
        /// The most that fits, in bytes: 107 on Linux.
        limit: usize,
    },
    /// The system refused; an abstract name on any other than Linux, with
    /// [`Unsupported`](io::ErrorKind::Unsupported).
    Io(io::Error),
}

impl ConnectError {
    /// What was tried, in order.
    pub fn attempts(&self) -> &[FailedConnect] {
        &self.attempts
    }

    /// What the system said of the last address that it was asked about.
    fn io(&self) -> Option<&io::Error> {
        self.attempts.iter().rev().find_map(|attempt| match &attempt.reason {
            ConnectFailure::Io(error) => Some(error),
            _ => None,
        })
    }
}

impl From<NameError> for ConnectFailure {
    fn from(error: NameError) -> ConnectFailure {
        match error {
            NameError::TooLong(length) => ConnectFailure::TooLong { length, limit: LONGEST },
            NameError::Io(error) => ConnectFailure::Io(error),
        }
    }
}

impl From<io::Error> for ConnectFailure {
    fn from(error: io::Error) -> ConnectFailure {
        ConnectFailure::Io(error)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot connect: ")?;
        for (index, attempt) in self.attempts.iter().enumerate() {
            let semicolon = if index == 0 { "" } else { "; " };
            write!(f, "{semicolon}{attempt}")?;
        }
        Ok(())
    }
}

impl fmt::Display for FailedConnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.reason)
    }
}

impl fmt::Display for ConnectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectFailure::NotAUnixSocket => {
                f.write_str("this is no Unix socket, and only those are spoken here")
            }
            ConnectFailure::ListenOnly => f.write_str(
                "this is for a server to listen on; connect to the address that the server prints",
            ),
            ConnectFailure::TooLong { length, limit } => {
                write!(f, "the name of the socket has {length} bytes, and {limit} are the most")
            }
            ConnectFailure::Io(error) => {
                let hint = match error.kind() {
                    io::ErrorKind::NotFound => "there is no such socket, is the server running?",
                    io::ErrorKind::ConnectionRefused => {
                        "nobody listens there, has the server ended?"
                    }
                    io::ErrorKind::PermissionDenied => {
                        "this user may not write to the socket, or not search its directory"
                    }
                    _ => return error.fmt(f),
                };
                write!(f, "{hint} ({error})")
            }
        }
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.attempts.last().map(|attempt| &attempt.reason as _)
    }
}

impl Error for ConnectFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ConnectFailure::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// Of the kind that the system gave for the last address that it was asked about;
/// [`Unsupported`](io::ErrorKind::Unsupported) if it was asked about none.
impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> io::Error {
        let kind = error.io().map_or(io::ErrorKind::Unsupported, io::Error::kind);
        io::Error::new(kind, error)
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixListener;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket};

    use super::super::test_directory::TestDirectory;
    use super::*;

    fn only(address: Address) -> Addresses {
        address.into()
    }

    async fn reason(address: Address) -> (ConnectFailure, String) {
        let mut error = only(address.clone()).connect().await.unwrap_err();
        let said = error.to_string();
        let attempt = error.attempts.pop().unwrap();
        assert_eq!(attempt.address, address);
        (attempt.reason, said)
    }

    #[tokio::test]
    async fn a_path_is_connected_to() {
        let directory = TestDirectory::new();
        let listener = UnixListener::bind(directory.join("a b")).unwrap();
        let address = Address::path(directory.join("a b")).unwrap();

        let connected = only(address.clone()).connect().await.unwrap();
        assert_eq!(connected.address, address);
        let (accepted, _) = listener.accept().unwrap();
        drop(accepted);
        connected.stream.readable().await.unwrap();
        assert_eq!(connected.stream.try_read(&mut [0]).unwrap(), 0);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn an_abstract_name_is_connected_to_and_nul_bytes_are_part_of_it() {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::SocketAddr;

        let name = format!("anchovy-dbus-{}-\0-connect", std::process::id());
        let at = SocketAddr::from_abstract_name(&name).unwrap();
        let _listener = UnixListener::bind_addr(&at).unwrap();

        let whole = Address::abstract_name(name.as_bytes()).unwrap();
        assert!(only(whole).connect().await.is_ok());
        let shorter = Address::abstract_name(&name.as_bytes()[..name.len() - 1]).unwrap();
        assert!(only(shorter).connect().await.is_err());
    }

    #[tokio::test]
    async fn the_first_address_that_works_is_taken() {
        let directory = TestDirectory::new();
        let _first = UnixListener::bind(directory.join("first")).unwrap();
        let _second = UnixListener::bind(directory.join("second")).unwrap();
        let path = |name| Address::path(directory.join(name)).unwrap();

        let list = only(path("none"))
            .or("tcp:host=localhost".parse().unwrap())
            .or(Address::runtime())
            .or(path("first"))
            .or(path("second"));
        assert_eq!(list.connect().await.unwrap().address, path("first"));
    }

    #[tokio::test]
    async fn the_address_that_worked_keeps_its_guid() {
        let directory = TestDirectory::new();
        let _listener = UnixListener::bind(directory.join("bus")).unwrap();
        let guid = crate::Guid::from_bytes([7; 16]);
        let address = Address::path(directory.join("bus")).unwrap().with_guid(guid);
        assert_eq!(only(address).connect().await.unwrap().address.guid(), Some(guid));
    }

    #[tokio::test]
    async fn every_address_that_failed_is_in_the_error_with_its_reason() {
        let directory = TestDirectory::new();
        drop(UnixListener::bind(directory.join("stale")).unwrap());
        let path = |name| Address::path(directory.join(name)).unwrap();
        let list = only(path("none")).or(Address::runtime()).or(path("stale"));

        let error = list.connect().await.unwrap_err();
        let tried: Vec<_> = error.attempts().iter().map(|attempt| &attempt.address).collect();
        assert_eq!(tried, list.iter().collect::<Vec<_>>());
        let said = error.to_string();
        for part in ["is the server running?", "unix:runtime=yes", "has the server ended?"] {
            assert!(said.contains(part), "{said}");
        }
        assert!(said.contains(directory.join("none").to_str().unwrap()), "{said}");

        let cause = error.source().unwrap().source().unwrap();
        let cause = cause.downcast_ref::<io::Error>().unwrap();
        assert_eq!(cause.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::ConnectionRefused);
    }

    #[tokio::test]
    async fn what_is_no_unix_socket_is_named_as_such() {
        for text in ["tcp:host=localhost,port=1", "autolaunch:", "unixexec:path=true", "systemd:"] {
            let (reason, said) = reason(text.parse().unwrap()).await;
            assert!(matches!(reason, ConnectFailure::NotAUnixSocket), "{reason:?}");
            assert!(said.contains(text) && said.contains("no Unix socket"), "{said}");
        }
        let error = only("tcp:".parse().unwrap()).connect().await.unwrap_err();
        assert_eq!(io::Error::from(error).kind(), io::ErrorKind::Unsupported);
    }

    #[tokio::test]
    async fn what_is_for_listening_only_is_named_as_such() {
        let directory = Address::dir("/tmp").unwrap();
        for address in [directory, Address::tmpdir("/tmp").unwrap(), Address::runtime()] {
            let (reason, _) = reason(address).await;
            assert!(matches!(reason, ConnectFailure::ListenOnly), "{reason:?}");
        }
    }

    #[tokio::test]
    async fn a_name_that_is_too_long_is_told_with_both_lengths() {
        let long = "a".repeat(LONGEST + 1);
        for address in [Address::path(&long).unwrap(), Address::abstract_name(long).unwrap()] {
            let (reason, said) = reason(address).await;
            let ConnectFailure::TooLong { length, limit } = reason else { panic!("{reason:?}") };
            assert_eq!((length, limit), (LONGEST + 1, LONGEST));
            assert!(said.contains("108") && said.contains("107"), "{said}");
        }
    }

    /// A server with room for exactly one connection that it has not accepted.
    fn narrow(directory: &TestDirectory) -> (OwnedFd, Address) {
        let path = directory.join("bus");
        let listener = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        bind(&listener, &SocketAddrUnix::new(&path).unwrap()).unwrap();
        listen(&listener, 0).unwrap();
        (listener, Address::path(path).unwrap())
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_full_queue_of_connections_is_waited_for() {
        let directory = TestDirectory::new();
        let (listener, address) = narrow(&directory);
        let addresses = only(address);
        let _first = addresses.connect().await.unwrap();

        let mut second = pin!(addresses.connect());
        assert!(is_pending(second.as_mut()));
        let _accepted = rustix::net::accept(&listener).unwrap();
        assert!(second.await.is_ok());
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_connect_that_is_dropped_leaves_nothing_in_the_queue() {
        let directory = TestDirectory::new();
        let (listener, address) = narrow(&directory);
        let addresses = only(address);
        let first = addresses.connect().await.unwrap();
        assert!(is_pending(pin!(addresses.connect())));

        let _accepted = rustix::net::accept(&listener).unwrap();
        rustix::io::ioctl_fionbio(&listener, true).unwrap();
        assert_eq!(rustix::net::accept(&listener).unwrap_err(), rustix::io::Errno::AGAIN);
        drop(first);
    }

    fn is_pending<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> bool {
        matches!(future.poll(&mut Context::from_waker(Waker::noop())), Poll::Pending)
    }
}
