//! Connecting to the first usable address of a list.

use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};

use super::addresses::Addresses;
use super::connect_error::{ConnectAttempt, ConnectError, ConnectErrorKind};
use super::construct::Address;
use super::transport::{Transport, abstract_path};

/// A connected stream, and the address that was connected to.
///
/// Only the handshake reveals the guid of the server. If the address has a guid, set it with
/// [`Client::guid`](crate::Client::guid), so that the handshake compares the two.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use anchovy_dbus::{Address, Addresses, Connected};
///
/// let bound = Address::tmpdir(std::env::temp_dir())?.bind()?;
///
/// let Connected { stream, address } = Addresses::from(bound.address.clone()).connect().await?;
/// assert_eq!(address, bound.address);
/// assert!(stream.peer_addr()?.as_pathname().is_some());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Connected {
    /// The stream, on which nothing has been sent.
    pub stream: AnchovyStream<DBUS_SCM_RIGHTS>,
    /// The address that was connected to.
    pub address: Address,
}

impl Addresses {
    /// Connects to the first address that accepts a connection.
    ///
    /// Only `unix:path=` and `unix:abstract=` are supported. Other addresses are skipped. While the
    /// backlog of a server is full, this method waits without a time limit, as a blocking connect(2)
    /// does. Use a timeout if the server may hang.
    ///
    /// # Errors
    ///
    /// Returns a [`ConnectError`] with the reason for each address.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, the socket is closed.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use anchovy_dbus::{Address, Addresses};
    ///
    /// let bound = Address::tmpdir(std::env::temp_dir())?.bind()?;
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
                Err(kind) => attempts.push(ConnectAttempt { address, kind }),
            }
        }
        Err(ConnectError::new(attempts))
    }
}

async fn connect(
    transport: &Transport,
) -> Result<AnchovyStream<DBUS_SCM_RIGHTS>, ConnectErrorKind> {
    match transport {
        Transport::Path(path) => Ok(AnchovyStream::connect(path).await?),
        Transport::Abstract(name) => Ok(AnchovyStream::connect(abstract_path(name)).await?),
        Transport::Dir(_) | Transport::TmpDir(_) | Transport::Runtime => {
            Err(ConnectErrorKind::ListenOnly)
        }
        Transport::Other(_) => Err(ConnectErrorKind::NotAUnixSocket),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
