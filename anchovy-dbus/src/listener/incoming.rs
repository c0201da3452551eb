//! A client that a listener has accepted.

use std::sync::Arc;

use crate::auth::error::HandshakeError;
use crate::connection::duplex::Connection;
use crate::credentials::Credentials;
use crate::pending_handshakes::PendingHandshake;
use crate::server::serve::Server;
use crate::server::steps::Unauthenticated;
use crate::socket::Socket;

/// A client that has connected and has not said who it is.
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
    /// Returns the credentials of the client, from the kernel.
    pub fn peer_cred(&self) -> &Credentials {
        &self.credentials
    }

    /// The whole handshake; [`Server::authorize`] decides.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; the socket is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it closes the socket.
    pub async fn handshake(self) -> Result<Connection, HandshakeError> {
        let server = Arc::clone(&self.server);
        server.whole_handshake(self.start()?).await
    }

    /// The first step of a handshake that is taken step by step; see [`server`](crate::server).
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn start(self) -> Result<Unauthenticated, HandshakeError> {
        let Incoming { socket, credentials, server, handshake } = self;
        server.start_with(socket, credentials, Some(handshake))
    }
}
