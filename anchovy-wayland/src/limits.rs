//! Limits of what one connection sends, receives and waits for.

use std::time::Duration;

use anchovy::WAYLAND_FD_LIMIT;

/// Length of the longest message by default, header and arguments, in bytes.
///
/// libwayland refuses to receive a longer one since 1.25 (`WL_MAX_MESSAGE_SIZE`), and had no room
/// for one in its buffers before 1.23. The header of a message can say up to 65535.
pub const MAX_MESSAGE_BYTES: usize = 4096;

/// The limits of one connection.
///
/// ```
/// use anchovy_wayland::Limits;
///
/// // A client of compositors that take as much as a header can say.
/// let limits = Limits { max_message_bytes: 65532, ..Limits::client() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Length of the longest message that is sent or received, header and arguments, in bytes. A value
    /// below 8 (a header alone) means 8, and one above 65532 (what a header can say in whole words)
    /// means 65532. The [error event](crate::DisplayError::message) of a server has up to 148 bytes, and
    /// cannot be sent if less is allowed.
    pub max_message_bytes: usize,
    /// Number of descriptors that may have arrived without being claimed by a message, with room for
    /// another full set of 28. libwayland has room for 1024 of them.
    pub max_waiting_fds: usize,
    /// How long descriptors may wait for their message. Peers may send them early. The surplus
    /// descriptors of a peer that sends more than its messages claim wait for ever; with `None`, they do
    /// so until [`max_waiting_fds`](Self::max_waiting_fds) is reached.
    pub fd_timeout: Option<Duration>,
    /// How long the rest of a message may take to arrive, with or without descriptors, counted from its
    /// first bytes. Bytes that arrive meanwhile do not extend it. A connection on which no message has
    /// begun may wait for ever.
    pub message_timeout: Option<Duration>,
    /// Number of bytes of messages that may wait to be sent. With as many, no further message is taken
    /// until some have left.
    pub max_buffered_bytes: usize,
    /// Number of descriptors that may wait to be sent. With as many, no further message is taken until
    /// some have left.
    pub max_buffered_fds: usize,
    /// Whether each message with descriptors begins a `sendmsg` of its own, with its descriptors and
    /// no others; otherwise several sets leave together where that saves calls, as in libwayland.
    pub fds_with_their_message: bool,
    /// How long a client waits for a reply in [`roundtrip`](crate::Connection::roundtrip) and
    /// [`registry`](crate::Connection::registry); with `None`, for ever.
    pub reply_timeout: Option<Duration>,
    /// Number of messages that are kept for [`receive`](crate::Connection::receive) while a client waits
    /// for a reply.
    pub max_kept_messages: usize,
    /// Memory of the messages that are kept, in bytes: their length, and the size of a
    /// [`Message`](crate::Message) for each.
    pub max_kept_bytes: usize,
    /// Number of descriptors of the messages that are kept.
    pub max_kept_fds: usize,
}

impl Limits {
    /// Returns the limits for a client of a compositor that it trusts, which are those of libwayland:
    /// messages of 4096 bytes, and 1024 descriptors that wait for as long as it takes; 64 KiB and 256
    /// descriptors to be sent.
    ///
    /// A client waits 10 seconds for a reply. It keeps 8192 messages, 1 MiB and 1024 descriptors
    /// meanwhile. A compositor that takes longer is stuck: libwayland's server handles all requests of a
    /// client in order, and compositors answer within a frame. libwayland's server buffers 4 KiB of
    /// events and 1024 descriptors for a client by default, and compositors that raise it 1 MiB. 8192
    /// messages are the events of a 1000 Hz mouse for 8 seconds.
    pub fn client() -> Limits {
        Limits {
            max_message_bytes: MAX_MESSAGE_BYTES,
            max_waiting_fds: 1024 + WAYLAND_FD_LIMIT,
            fd_timeout: None,
            message_timeout: None,
            max_buffered_bytes: 64 << 10,
            max_buffered_fds: 256,
            fds_with_their_message: false,
            reply_timeout: Some(Duration::from_secs(10)),
            max_kept_messages: 8192,
            max_kept_bytes: 1 << 20,
            max_kept_fds: 1024,
        }
    }

    /// Returns the limits for a compositor, which does not trust its clients: 112 descriptors (4 full
    /// sets) wait for at most 30 seconds, and the rest of a message has 30 seconds to arrive.
    ///
    /// A client that has queued n descriptors since it could last send, all of them in its own library,
    /// has at most n of them wait here for their messages: libwayland (since 1.23) and wayland-rs send 28
    /// at a time ahead of the messages, with a byte each. So a client may have queued 139. A compositor
    /// whose clients queue more at once allows more with [`max_waiting_fds`](Self::max_waiting_fds); what
    /// all connections of a user hold is limited by the [budget](crate::Listener#budget) in any case.
    pub fn server() -> Limits {
        Limits {
            max_waiting_fds: 4 * WAYLAND_FD_LIMIT + WAYLAND_FD_LIMIT,
            fd_timeout: Some(Duration::from_secs(30)),
            message_timeout: Some(Duration::from_secs(30)),
            ..Limits::client()
        }
    }
}

impl Default for Limits {
    /// Returns the limits [for a client](Limits::client).
    fn default() -> Limits {
        Limits::client()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_are_the_documented_ones() {
        let client = Limits {
            max_message_bytes: 4096,
            max_waiting_fds: 1024 + 28,
            fd_timeout: None,
            message_timeout: None,
            max_buffered_bytes: 65536,
            max_buffered_fds: 256,
            fds_with_their_message: false,
            reply_timeout: Some(Duration::from_secs(10)),
            max_kept_messages: 8192,
            max_kept_bytes: 1 << 20,
            max_kept_fds: 1024,
        };
        assert_eq!(Limits::client(), client);
        assert_eq!(Limits::default(), client);
        let timeout = Some(Duration::from_secs(30));
        let server = Limits {
            max_waiting_fds: 112 + 28,
            fd_timeout: timeout,
            message_timeout: timeout,
            ..client
        };
        assert_eq!(Limits::server(), server);
    }
}
