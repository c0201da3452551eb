//! A client that a listener has accepted.

use std::sync::Arc;

use crate::auth::error::HandshakeError;
use crate::connection::duplex::Connection;
use crate::credentials::Credentials;
use crate::pending_handshakes::PendingHandshake;
use crate::server::serve::Server;
use crate::server::steps::Unauthenticated;
use crate::socket::Socket;

/// An accepted client that has not authenticated.
///
/// Dropping it closes its socket.
#[derive(Debug)]
#[must_use = "dropping it closes the socket of the client"]
pub struct Incoming {
    pub(super) socket: Socket,
    pub(super) credentials: Credentials,
    pub(super) server: Arc<Server>,
    pub(super) handshake: PendingHandshake,
}

impl Incoming {
    /// Returns the credentials of the client, as reported by the kernel.
    pub fn peer_cred(&self) -> &Credentials {
        &self.credentials
    }

    /// Performs the whole handshake. The function of [`Server::authorize`] decides whether the client is
    /// accepted.
    ///
    /// # Errors
    ///
    /// Returns a [`HandshakeError`]. The socket is closed.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, the socket is closed.
    pub async fn handshake(self) -> Result<Connection, HandshakeError> {
        let server = Arc::clone(&self.server);
        server.whole_handshake(self.start()?).await
    }

    /// Starts a handshake whose steps the caller performs; see [`server`](crate::server).
    ///
    /// # Errors
    ///
    /// Returns [`HandshakeError::Io`] if the maximum number of received descriptors cannot be set on the
    /// socket. The socket is closed.
    pub fn start(self) -> Result<Unauthenticated, HandshakeError> {
        let Incoming { socket, credentials, server, handshake } = self;
        server.start_with(socket, credentials, Some(handshake))
    }
}
