//! The result of a handshake, from which a connection is created.

use anchovy::codec::FdSet;
use bytes::BytesMut;

use crate::credentials::Credentials;
use crate::guid::Guid;
use crate::socket::Socket;

/// The result of a handshake.
pub(crate) struct HandshakeOutcome {
    pub(crate) socket: Socket,
    /// Bytes that arrived after the handshake, and descriptors that arrived with them.
    pub(crate) rest: (BytesMut, Vec<FdSet>),
    pub(crate) unix_fds: bool,
    pub(crate) guid: Guid,
    pub(crate) credentials: Credentials,
    pub(crate) role: Role,
}

/// The role of this end of the connection.
pub(crate) enum Role {
    /// This end is the client.
    Client,
    /// This end is the server.
    Server {
        /// Whether descriptors may be sent before the client's first message.
        fds_at_once: bool,
    },
}
