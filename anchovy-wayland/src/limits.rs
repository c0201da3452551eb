//! The limits and timeouts of one connection.

use std::time::Duration;

use anchovy::WAYLAND_FD_LIMIT;

/// Default maximum length of a message, header and arguments, in bytes.
///
/// libwayland rejects longer messages since 1.25 (`WL_MAX_MESSAGE_SIZE`). Before 1.23, its buffers had no
/// room for them. A header can specify at most 65532: a multiple of 4 in 16 bits.
pub const MAX_MESSAGE_BYTES: usize = 4096;

/// The limits and timeouts of one connection.
///
/// [`Limits::client`] and [`Limits::server`] return the defaults.
///
/// # Examples
///
/// ```
/// use anchovy_wayland::Limits;
///
/// // A client that sends and receives messages of any length that a header can specify.
/// let limits = Limits { max_message_bytes: 65532, ..Limits::client() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum length of a message that is sent or received, header and arguments, in bytes. Default:
    /// [`MAX_MESSAGE_BYTES`].
    ///
    /// Values below 8 (the length of a header) count as 8. Values above 65532 (the highest multiple of 4
    /// that a header can specify) count as 65532. A server should allow at least 148 bytes, the maximum
    /// length of its [error event](crate::DisplayError::message).
    pub max_message_bytes: usize,
    /// Maximum number of descriptors that wait for their message, including up to 28 that the next read may
    /// add. Default: 1024 + 28 on a client, as in libwayland; 112 + 28 on a server.
    ///
    /// If more than `max_waiting_fds - 28` descriptors wait when a read begins, receiving ends with
    /// [`TooManyWaitingFds`](crate::ReceiveError::TooManyWaitingFds).
    pub max_waiting_fds: usize,
    /// Maximum time that descriptors wait for their message. `None` sets no limit. Default: `None` on a
    /// client, 30 seconds on a server.
    ///
    /// Without a limit, descriptors that no message takes wait until the connection ends or
    /// [`max_waiting_fds`](Self::max_waiting_fds) is exceeded.
    pub fd_timeout: Option<Duration>,
    /// Maximum time that the connection waits for the rest of a message, with or without descriptors. It
    /// begins with the first read that finds the message incomplete. `None` sets no limit. Default: `None` on
    /// a client, 30 seconds on a server.
    ///
    /// Further bytes of the message do not extend the time. There is no limit on the time between two
    /// messages.
    pub message_timeout: Option<Duration>,
    /// Number of bytes in the send buffer at which the buffer counts as full. Default: 64 KiB.
    ///
    /// While this number or more bytes wait, no further message is accepted.
    pub max_buffered_bytes: usize,
    /// Number of descriptors in the send buffer at which the buffer counts as full. Default: 256.
    ///
    /// While this number or more descriptors wait, no further message is accepted.
    pub max_buffered_fds: usize,
    /// Whether each message with descriptors begins a new `sendmsg`, which has the descriptors of no other
    /// message. The `sendmsg` may have the bytes of later messages without descriptors. Default: `false`.
    ///
    /// With `false`, one `sendmsg` may have the descriptors of several messages, as in libwayland.
    pub fds_with_their_message: bool,
    /// Maximum time that [`roundtrip`](crate::Connection::roundtrip) and
    /// [`registry`](crate::Connection::registry) of a client wait for the reply, from the start of the
    /// call. With `None`, they wait until the reply arrives or the connection ends. Default: 10 seconds.
    pub reply_timeout: Option<Duration>,
    /// Maximum number of messages that a client keeps for [`receive`](crate::Connection::receive) while it
    /// waits for a reply. If more are kept, [`roundtrip`](crate::Connection::roundtrip) and
    /// [`registry`](crate::Connection::registry) return an error. They can be used again when `receive` has
    /// returned the kept messages. Default: 8192.
    pub max_kept_messages: usize,
    /// Maximum memory of the kept messages, in bytes: their lengths and `size_of::<Message>()` for each. If
    /// more are kept, the methods fail as with [`max_kept_messages`](Self::max_kept_messages). The limit is
    /// checked after each message, so the last kept message can exceed it. Default: 1 MiB.
    pub max_kept_bytes: usize,
    /// Maximum number of descriptors of the kept messages. If more are kept, the methods fail as with
    /// [`max_kept_messages`](Self::max_kept_messages). The limit is checked after each message, so the last
    /// kept message can exceed it. Default: 1024.
    pub max_kept_fds: usize,
}

impl Limits {
    /// Returns the limits for a client, which trusts its compositor.
    ///
    /// | Limit | Value | Source |
    /// |---|---|---|
    /// | [`max_message_bytes`](Self::max_message_bytes) | 4096 | libwayland |
    /// | [`max_waiting_fds`](Self::max_waiting_fds) | 1024 + 28 | libwayland's client keeps 1024 |
    /// | [`fd_timeout`](Self::fd_timeout), [`message_timeout`](Self::message_timeout) | none | libwayland has none |
    /// | [`max_buffered_bytes`](Self::max_buffered_bytes) | 64 KiB | 16 of the longest messages |
    /// | [`max_buffered_fds`](Self::max_buffered_fds) | 256 | more than nine full `sendmsg` calls |
    /// | [`reply_timeout`](Self::reply_timeout) | 10 seconds | Compositors answer within one display refresh. libwayland's server handles the requests of a client in order. |
    /// | [`max_kept_messages`](Self::max_kept_messages) | 8192 | the events of a 1000 Hz mouse in 8 seconds |
    /// | [`max_kept_bytes`](Self::max_kept_bytes) | 1 MiB | Compositors buffer 4 KiB (libwayland's default) to 1 MiB of events for a client. |
    /// | [`max_kept_fds`](Self::max_kept_fds) | 1024 | libwayland's server buffers 1024 for a client |
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

    /// Returns the limits for a compositor, which does not trust its clients.
    ///
    /// They are those of [`client`](Self::client), with three exceptions:
    ///
    /// - Receiving continues while at most 112 descriptors (four full `sendmsg` calls) wait for their
    ///   messages.
    /// - Descriptors wait for at most 30 seconds.
    /// - The rest of an incomplete message must arrive within 30 seconds.
    ///
    /// libwayland (since 1.23) and wayland-rs send the descriptors of queued messages early: each time 28
    /// descriptors are queued, one `sendmsg` sends them with 1 byte. The remaining bytes and descriptors are
    /// sent later. So a client can queue up to 139 descriptors between two flushes: 112 that arrive early,
    /// and up to 27 in the last `sendmsg`. With 140, receiving ends with
    /// [`TooManyWaitingFds`](crate::ReceiveError::TooManyWaitingFds). For clients that queue more, raise
    /// [`max_waiting_fds`](Self::max_waiting_fds). The [budget](crate::Listener#budget) limits the
    /// descriptors of all connections of a user.
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
    /// Returns [`Limits::client`].
    fn default() -> Limits {
        Limits::client()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_have_the_documented_values() {
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
