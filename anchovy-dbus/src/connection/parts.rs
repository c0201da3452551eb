//! The parts of a connection.

use std::collections::VecDeque;

use anchovy::codec::FdSet;
use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
use bytes::BytesMut;

use crate::message::content::Message;

/// A connection taken apart; nothing of it is lost.
#[derive(Debug)]
#[non_exhaustive]
pub struct ConnectionParts {
    /// The socket.
    pub socket: AnchovyStream<DBUS_SCM_RIGHTS>,
    /// Messages that arrived while a [call](crate::Connection::call) waited and that were not
    /// received, in order. They arrived before the bytes in `read_buffer`.
    pub kept_messages: VecDeque<Message>,
    /// Bytes that have arrived and are not taken as messages.
    pub read_buffer: BytesMut,
    /// The descriptors that came with them.
    pub read_sets: Vec<FdSet>,
    /// Bytes that have not left.
    pub write_buffer: BytesMut,
    /// The descriptors that leave with them, with the ranges of their messages.
    pub write_sets: Vec<FdSet>,
    /// Whether descriptors were agreed on.
    pub unix_fds: bool,
}
