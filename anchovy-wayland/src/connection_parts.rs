//! The parts of a connection.

use std::collections::VecDeque;

use anchovy::codec::FdSet;
use anchovy::{AnchovyStream, WAYLAND_SCM_RIGHTS};
use bytes::BytesMut;

use crate::wire::message::Message;

/// The parts of a connection, from [`Connection::into_parts`](crate::Connection::into_parts).
#[derive(Debug)]
#[non_exhaustive]
pub struct ConnectionParts {
    /// The socket.
    pub socket: AnchovyStream<WAYLAND_SCM_RIGHTS>,
    /// Bytes that have arrived and have not been received as messages.
    pub read_buffer: BytesMut,
    /// Descriptors that have arrived and have not been received with messages, in order.
    pub read_sets: Vec<FdSet>,
    /// Bytes that have not been sent.
    pub write_buffer: BytesMut,
    /// Descriptors that have not been sent. Each set has the range of its message in `write_buffer`.
    pub write_sets: Vec<FdSet>,
}

/// Inserts the bytes and descriptors of kept messages before those that have arrived later.
pub(crate) fn prepend(
    requeued: VecDeque<Message>,
    bytes: BytesMut,
    sets: Vec<FdSet>,
) -> (BytesMut, Vec<FdSet>) {
    if requeued.is_empty() {
        return (bytes, sets);
    }
    let (mut all_bytes, mut all_sets) = (BytesMut::new(), Vec::new());
    for mut message in requeued {
        let start = all_bytes.len();
        message.encode(&mut all_bytes);
        let fds = message.take_fds();
        if !fds.is_empty() {
            all_sets.push(FdSet::new(start..all_bytes.len(), fds));
        }
    }
    let start = all_bytes.len();
    all_bytes.extend_from_slice(&bytes);
    all_sets.extend(sets.into_iter().map(|mut set| {
        set.range = set.range.start + start..set.range.end + start;
        set
    }));
    (all_bytes, all_sets)
}
