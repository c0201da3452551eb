//! A connection taken apart.

use std::collections::VecDeque;

use anchovy::codec::FdSet;
use anchovy::{AnchovyStream, WAYLAND_SCM_RIGHTS};
use bytes::BytesMut;

use crate::wire::message::Message;

/// A connection taken apart; nothing of it is lost.
#[derive(Debug)]
#[non_exhaustive]
pub struct ConnectionParts {
    /// The socket.
    pub socket: AnchovyStream<WAYLAND_SCM_RIGHTS>,
    /// Bytes that have arrived and are not taken as messages.
    pub read_buffer: BytesMut,
    /// The descriptors that have arrived and were not taken, in order.
    pub read_sets: Vec<FdSet>,
    /// Bytes that have not left.
    pub write_buffer: BytesMut,
    /// The descriptors that leave with them, with the ranges of their messages.
    pub write_sets: Vec<FdSet>,
}

/// Returns what has arrived, with messages that were put back before it.
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
