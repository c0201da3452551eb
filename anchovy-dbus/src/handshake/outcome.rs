//! The result of a handshake, of which a connection is made.

use anchovy::codec::FdSet;
use bytes::BytesMut;

use crate::credentials::Credentials;
use crate::guid::Guid;
use crate::socket::Socket;

/// The result of a handshake.
pub(crate) struct HandshakeOutcome {
    pub(crate) socket: Socket,
    /// Bytes that arrived after the handshake, and descriptors that came with them.
    pub(crate) rest: (BytesMut, Vec<FdSet>),
    pub(crate) unix_fds: bool,
    pub(crate) guid: Guid,
    pub(crate) credentials: Credentials,
    pub(crate) role: Role,
}

/// The side of the connection that this process is.
pub(crate) enum Role {
    /// It has connected.
    Client,
    /// It serves.
    Server {
        /// Whether descriptors may be sent before the client's first message.
        fds_at_once: bool,
    },
}
