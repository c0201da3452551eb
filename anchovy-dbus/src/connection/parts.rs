//! The parts of a connection.

use std::collections::VecDeque;

use anchovy::codec::FdSet;
use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
use bytes::BytesMut;

use crate::message::content::Message;

/// The parts of a [`Connection`](crate::Connection): its socket and everything that it holds.
#[derive(Debug)]
#[non_exhaustive]
pub struct ConnectionParts {
    /// The socket.
    pub socket: AnchovyStream<DBUS_SCM_RIGHTS>,
    /// Messages that arrived while a [call](crate::Connection::call) waited, and that
    /// [`receive`](crate::Connection::receive) has not returned yet, in order. They arrived before the
    /// bytes in `read_buffer`.
    pub kept_messages: VecDeque<Message>,
    /// Received bytes that have not been returned as messages.
    pub read_buffer: BytesMut,
    /// Descriptors that arrived with these bytes. The ranges refer to `read_buffer`.
    pub read_sets: Vec<FdSet>,
    /// Bytes of messages that have not been sent.
    pub write_buffer: BytesMut,
    /// Descriptors of these messages. The ranges refer to `write_buffer`.
    pub write_sets: Vec<FdSet>,
    /// Whether descriptor passing was negotiated.
    pub unix_fds: bool,
}
