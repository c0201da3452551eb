//! How much a peer may ask of us, and what we may ask of it.

use std::time::Duration;

/// The longest message, header and arguments, in bytes.
///
/// libwayland refuses a longer one on receiving since 1.25 (`WL_MAX_MESSAGE_SIZE`), and had no room
/// for one in its buffers before 1.23. The protocol's own bound is what its header can say, 65535.
pub const MAX_MESSAGE_BYTES: usize = 4096;

/// What one connection may send and receive.
///
/// ```
/// use anchovy_wayland::Limits;
///
/// // As much as a header can say, for peers that are known to take it.
/// let limits = Limits { max_message_bytes: 65532, ..Limits::default() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest message, header and arguments, in bytes, sent or received; at least 8, which is a
    /// header alone, and at most 65532, which is what a header can say in whole words. The [error
    /// event](crate::DisplayError::message) of a server takes up to 148, and cannot be sent if less is
    /// allowed.
    pub max_message_bytes: usize,
    /// The most descriptors that may have arrived and that no message has claimed yet, with room for
    /// another full set of 28. libwayland has room for 1024 of them.
    pub max_waiting_fds: usize,
    /// How long descriptors may wait for their message. Peers may send them early, and a peer that
    /// sends more than its messages claim has them wait for ever; without a time, until
    /// [`max_waiting_fds`](Self::max_waiting_fds) is reached.
    pub fd_timeout: Option<Duration>,
    /// Bytes of messages that may wait to be sent. With as many, no further message is taken before
    /// some have left.
    pub max_buffered_bytes: usize,
    /// Descriptors that may wait to be sent. With as many, no further message is taken before some
    /// have left.
    pub max_buffered_fds: usize,
    /// Whether each message with descriptors begins a `sendmsg` of its own, with its descriptors and
    /// no others; otherwise several sets leave together where that saves calls, as in libwayland.
    pub fds_with_their_message: bool,
}

impl Default for Limits {
    /// As libwayland has them: messages of 4096 bytes, 1024 descriptors that wait; 64 KiB and 256
    /// descriptors to be sent.
    fn default() -> Limits {
        Limits {
            max_message_bytes: MAX_MESSAGE_BYTES,
            max_waiting_fds: 1024 + anchovy::WAYLAND_FD_LIMIT,
            fd_timeout: None,
            max_buffered_bytes: 64 << 10,
            max_buffered_fds: 256,
            fds_with_their_message: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_limits_are_the_documented_ones() {
        let expected = Limits {
            max_message_bytes: 4096,
            max_waiting_fds: 1024 + 28,
            fd_timeout: None,
            max_buffered_bytes: 65536,
            max_buffered_fds: 256,
            fds_with_their_message: false,
        };
        assert_eq!(Limits::default(), expected);
    }
}
