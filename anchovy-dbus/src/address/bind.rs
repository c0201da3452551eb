//! From an address to a listener.
//!
//! Some addresses only say in which directory the socket should be, so binding returns the address
//! to connect to as well.

use std::io;
use std::path::{Path, PathBuf};

use anchovy::{AnchovyListener, DBUS_SCM_RIGHTS, ListenerBuilder};

use super::addresses::Addresses;
use super::construct::Address;
use super::environment::{Environment, process_environment, runtime_directory};
use super::listen_error::{ListenAttempt, ListenError, ListenErrorKind};
use super::random_name::random_name;
use super::transport::{Transport, abstract_path};

/// How many random names are tried. With 62¹⁰ of them, a second time already means that something
/// other than chance is at work.
const TRIES: usize = 8;

/// A listener, and the address to connect to it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use anchovy_dbus::{Address, Bound};
///
/// let Bound { listener, address } = Address::tmpdir(std::env::temp_dir())?.bind()?;
/// println!("listening on {address}");
/// drop(listener); // and the socket is gone from the directory
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Bound {
    /// The listener. It removes the file of its socket when it is dropped.
    pub listener: AnchovyListener<DBUS_SCM_RIGHTS>,
    /// The address to connect to: `unix:path=` or `unix:abstract=`, with the guid of the address
    /// that was bound.
    pub address: Address,
}

impl Addresses {
    /// Binds the first address that can be bound, and listens; see [`Address::bind`].
    ///
    /// That is what a list such as `unix:runtime=yes;unix:tmpdir=/tmp` is for (D-Bus Specification,
    /// "Unix Domain Sockets").
    ///
    /// # Errors
    ///
    /// [`ListenError`], with the reason for each address.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
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
    /// - `unix:path=`: at this path. A socket that is there and that no process has open any more is
    ///   [replaced](ListenerBuilder::replace_stale); a live one is left alone, and so is anything
    ///   that is no socket. (dbus-daemon replaces live ones too, and so takes over from a server that
    ///   does not notice.)
    /// - `unix:abstract=`: under this name.
    /// - `unix:dir=` and `unix:tmpdir=`: in this directory, in a file `dbus-` and 10 random letters
    ///   or digits.
    /// - `unix:runtime=yes`: `bus` in the directory that `XDG_RUNTIME_DIR` names, as for
    ///   `unix:path=`.
    ///
    /// The permissions of the file are what the umask leaves. On Linux, connecting needs permission
    /// to write (unix(7)), so a server for other users changes them. This makes system calls that may
    /// wait for a disk.
    ///
    /// # Errors
    ///
    /// [`ListenError`], with one attempt.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
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

/// The path, if the address led to one, and the reason why it could not be bound.
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
            Err((_, ListenErrorKind::Socket(anchovy::ListenError::InUse { .. }))) if tries > 0 => {}
            result => return result,
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
