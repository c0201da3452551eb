//! The limits of a connection as policies of the codec.

use anchovy::codec::{Attribution, Placement, ReadPolicy, Unclaimed, WritePolicy};

use crate::limits::{Limits, MAX_MESSAGE_BYTES};

/// Returns the policy of a client, with which a truncated descriptor set ends the connection. A server
/// changes this.
pub(super) fn read_policy(limits: &Limits) -> ReadPolicy {
    ReadPolicy {
        attribution: Attribution::Range,
        unclaimed: Unclaimed::Error,
        survive_truncation: false,
        max_waiting_fds: limits.waiting_fds(),
        // The codec checks the length of a message before the message is that long.
        max_frame_bytes: MAX_MESSAGE_BYTES,
        fd_timeout: limits.fd_timeout,
        frame_timeout: limits.message_timeout,
    }
}

pub(super) fn write_policy(limits: &Limits) -> WritePolicy {
    WritePolicy {
        placement: Placement::Alone,
        max_buffered_bytes: limits.max_buffered_bytes,
        max_buffered_fds: limits.max_buffered_fds,
    }
}
