//! The socket of a connection.

use std::io;

use anchovy::{AnchovyStream, DBUS_FD_LIMIT, DBUS_SCM_RIGHTS};

/// A socket with room for as many descriptors as Linux carries.
pub(crate) type Socket = AnchovyStream<DBUS_SCM_RIGHTS>;

/// Sets the most descriptors that the peer may send in one message.
///
/// The limit is the one of [`MessageCodec`](crate::codec::MessageCodec), so that the check of the
/// stream is never the stricter one.
pub(crate) fn limit_received_fds(socket: &mut Socket, limit: usize) -> io::Result<()> {
    Ok(socket.set_read_fd_limit(limit.min(DBUS_FD_LIMIT))?)
}

/// Sets whether the kernel lets the peer send descriptors, if it can refuse them
/// (`SO_PASSRIGHTS`, Linux 6.16).
pub(crate) fn set_fd_passing(socket: &Socket, enabled: bool) {
    // A kernel that cannot refuse them carries them, and then they are refused here.
    let _ = socket.set_fd_passing(enabled);
}
