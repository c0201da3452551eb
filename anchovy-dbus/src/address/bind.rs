//! Listening on an address.
//!
//! Some addresses name only the directory of the socket, so binding also returns the address to connect
//! to.

use std::io;
use std::path::{Path, PathBuf};

use anchovy::{AnchovyListener, DBUS_SCM_RIGHTS, ListenerBuilder};

use super::addresses::Addresses;
use super::construct::Address;
use super::environment::{Environment, process_environment, runtime_directory};
use super::listen_error::{ListenAttempt, ListenError, ListenErrorKind};
use super::random_name::random_name;
use super::transport::{Transport, abstract_path};

/// Maximum number of random names that are tried. There are 62¹⁰ names, so even a second try is not
/// caused by chance.
const TRIES: usize = 8;

/// A listener, and the address to connect to.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use anchovy_dbus::{Address, Bound};
///
/// let Bound { listener, address } = Address::tmpdir(std::env::temp_dir())?.bind()?;
/// println!("listening on {address}");
/// drop(listener); // Removes the socket from the directory.
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Bound {
    /// The listener. Dropping it removes the file of the socket.
    pub listener: AnchovyListener<DBUS_SCM_RIGHTS>,
    /// The address to connect to: `unix:path=` or `unix:abstract=`, with the guid of the bound
    /// address.
    pub address: Address,
}

impl Addresses {
    /// Binds the first address that can be bound, and listens; see [`Address::bind`].
    ///
    /// The specification recommends lists such as `unix:runtime=yes;unix:tmpdir=/tmp` (D-Bus
    /// Specification, "Unix Domain Sockets").
    ///
    /// # Errors
    ///
    /// Returns a [`ListenError`] with the reason for each address.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
    ///
    /// # Examples
    ///
    /// ```
    /// use anchovy_dbus::{Address, Addresses};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let nowhere = Address::path("/nonexistent/bus")?;
    /// let bound = Addresses::from(nowhere).or(Address::tmpdir(std::env::temp_dir())?).bind()?;
    /// assert!(bound.address.to_string().contains("/dbus-"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn bind(&self) -> Result<Bound, ListenError> {
        self.bind_with(&AnchovyListener::builder())
    }

    /// Binds with these options for the socket.
    pub(crate) fn bind_with(
        &self,
        options: &ListenerBuilder<DBUS_SCM_RIGHTS>,
    ) -> Result<Bound, ListenError> {
        bind_first(self.iter(), options, &process_environment)
    }
}

impl Address {
    /// Binds this address, and listens.
    ///
    /// The transport determines the socket:
    ///
    /// - `unix:path=`: the socket at this path. A stale socket, which no process has open, is
    ///   [replaced](ListenerBuilder::replace_stale). A socket in use and other files are not replaced.
    ///   (dbus-daemon also replaces a socket in use, whose server does not notice.)
    /// - `unix:abstract=`: the abstract socket with this name.
    /// - `unix:dir=` and `unix:tmpdir=`: a socket in this directory, whose name is `dbus-` and 10 random
    ///   letters or digits.
    /// - `unix:runtime=yes`: the socket `bus` in the directory of `XDG_RUNTIME_DIR`, as for
    ///   `unix:path=`.
    ///
    /// The umask determines the permissions of the file. On Linux, a client needs write permission to
    /// connect (unix(7)). For clients of other users, bind with [`ListenerBuilder::mode`] and call
    /// [`Server::with_listener`](crate::Server::with_listener), or change the permissions afterwards.
    ///
    /// This method makes system calls that may wait for a disk.
    ///
    /// # Errors
    ///
    /// Returns a [`ListenError`] with one attempt.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
    ///
    /// # Examples
    ///
    /// ```
    /// use anchovy_dbus::{Address, Transport};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let bound = Address::dir(std::env::temp_dir())?.bind()?;
    /// assert!(matches!(bound.address.transport(), Transport::Path(_)));
    /// # Ok(())
    /// # }
    /// ```
    pub fn bind(&self) -> Result<Bound, ListenError> {
        bind_first([self], &AnchovyListener::builder(), &process_environment)
    }
}

fn bind_first<'a>(
    addresses: impl IntoIterator<Item = &'a Address>,
    options: &ListenerBuilder<DBUS_SCM_RIGHTS>,
    environment: Environment<'_>,
) -> Result<Bound, ListenError> {
    let mut attempts = Vec::new();
    for address in addresses {
        match bind(address, options, environment) {
            Ok(bound) => return Ok(bound),
            Err((path, kind)) => {
                attempts.push(ListenAttempt { address: address.clone(), path, kind });
            }
        }
    }
    Err(ListenError::new(attempts))
}

/// The path, if the address has one, and the reason why it could not be bound.
type Refusal = (Option<PathBuf>, ListenErrorKind);

fn bind(
    address: &Address,
    options: &ListenerBuilder<DBUS_SCM_RIGHTS>,
    environment: Environment<'_>,
) -> Result<Bound, Refusal> {
    let replacing = options.clone().replace_stale(true);
    let (listener, path) = match &address.transport {
        Transport::Abstract(name) => {
            let listener =
                options.bind(abstract_path(name)).map_err(|error| (None, error.into()))?;
            return Ok(Bound { listener, address: address.clone() });
        }
        Transport::Other(_) => return Err((None, ListenErrorKind::NotAUnixSocket)),
        Transport::Path(path) => at(path.clone(), &replacing)?,
        Transport::Runtime => {
            let directory = runtime_directory(environment)
                .ok_or((None, ListenErrorKind::NoRuntimeDirectory))?;
            at(directory.join("bus"), &replacing)?
        }
        Transport::Dir(directory) | Transport::TmpDir(directory) => {
            in_directory(directory, options, random_name)?
        }
    };
    let address = Address { transport: Transport::Path(path), guid: address.guid };
    Ok(Bound { listener, address })
}

type Listening = (AnchovyListener<DBUS_SCM_RIGHTS>, PathBuf);

fn at(path: PathBuf, options: &ListenerBuilder<DBUS_SCM_RIGHTS>) -> Result<Listening, Refusal> {
    match options.bind(&path) {
        Ok(listener) => Ok((listener, path)),
        Err(error) => Err((Some(path), error.into())),
    }
}

fn in_directory(
    directory: &Path,
    options: &ListenerBuilder<DBUS_SCM_RIGHTS>,
    mut name: impl FnMut() -> io::Result<String>,
) -> Result<Listening, Refusal> {
    let mut tries = TRIES;
    loop {
        let name = name()
            .map_err(|error| (Some(directory.to_owned()), ListenErrorKind::RandomName(error)))?;
        tries -= 1;
        match at(directory.join(name), options) {
            Err((_, ListenErrorKind::Socket(error))) if is_taken(&error) && tries > 0 => {}
            result => return result,
        }
    }
}

/// Returns whether a file is at the path, so that another name may be free.
fn is_taken(error: &anchovy::ListenError) -> bool {
    matches!(error, anchovy::ListenError::InUse { .. } | anchovy::ListenError::Stale { .. })
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
