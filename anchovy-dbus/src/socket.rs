//! The socket of a connection.

use std::io;

use anchovy::{AnchovyStream, DBUS_FD_LIMIT, DBUS_SCM_RIGHTS};

/// A socket with the descriptor limit of the kernel.
pub(crate) type Socket = AnchovyStream<DBUS_SCM_RIGHTS>;

/// Sets the maximum number of descriptors that the peer may send at once.
///
/// The limit is the one of [`MessageCodec`](crate::codec::MessageCodec), so that the check of the
/// stream is never the stricter one.
pub(crate) fn limit_received_fds(socket: &mut Socket, limit: usize) -> io::Result<()> {
    Ok(socket.set_read_fd_limit(limit.min(DBUS_FD_LIMIT))?)
}

/// Sets whether the kernel accepts descriptors from the peer, if it can refuse them (`SO_PASSRIGHTS`,
/// Linux 6.16).
pub(crate) fn set_fd_passing(socket: &Socket, enabled: bool) {
    // If the kernel cannot refuse descriptors, the handshake does.
    let _ = socket.set_fd_passing(enabled);
}
