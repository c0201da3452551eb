//! How much a peer may ask of us.

use std::time::Duration;

use anchovy::DBUS_FD_LIMIT;

/// The most descriptors of one message that every peer accepts.
///
/// libdbus disconnects a peer that sends one more, on the way to dbus-daemon and from it
/// (`DBUS_DEFAULT_MAX_MESSAGE_UNIX_FDS`); the specification names no number.
pub const INTEROPERABLE_FDS: usize = 16;

/// The longest message, in bytes: 2²⁷ (D-Bus Specification, "Message Format").
pub const MAX_MESSAGE_BYTES: usize = 1 << 27;

/// The longest array, and so the longest row of header fields, in bytes: 2²⁶ (D-Bus Specification,
/// "Marshaling").
pub const MAX_ARRAY_BYTES: usize = 1 << 26;

/// What one connection may send and receive.
///
/// ```
/// use anchovy_dbus::Limits;
///
/// // A service that takes many descriptors, but no large messages.
/// let limits = Limits { max_received_fds: 64, max_message_bytes: 1 << 20, ..Limits::server() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest message, header and body, in bytes. At most [`MAX_MESSAGE_BYTES`], whatever is
    /// said here.
    ///
    /// Nothing is reserved on the peer's word: while a message arrives, there is memory for at most
    /// twice as much as has arrived of it, and for 256 KiB more.
    pub max_message_bytes: usize,
    /// The longest row of header fields, in bytes. At most [`MAX_ARRAY_BYTES`]; a longer one is
    /// refused as soon as its length has arrived.
    ///
    /// Header fields are read without yielding to other tasks. The time is linear in their length:
    /// at most 5 ms for each MiB in a release build, 40 ms in a debug build (measured with the
    /// slowest of 32 kinds of fields; most kinds take 1 ms). By default the limit is 1 MiB on both
    /// sides, because no field but an object path can be longer than 255 bytes, and no program has
    /// paths of that length.
    pub max_fields_bytes: usize,
    /// The most descriptors in a message that is sent; at most 253, the kernel's own limit.
    pub max_sent_fds: usize,
    /// The most descriptors in one received set, and so in a message of a peer that sends its
    /// descriptors together; at most 253.
    pub max_received_fds: usize,
    /// The most descriptors that may have arrived and wait for the rest of their message, with room
    /// for another full set; at least twice [`max_received_fds`](Self::max_received_fds), whatever
    /// is said here, since the read that completes a message may bring the set of the next one.
    pub max_waiting_fds: usize,
    /// How long descriptors may wait for the rest of their message.
    pub fd_timeout: Option<Duration>,
    /// How long the rest of a message may take to arrive, with or without descriptors, counted from
    /// its first bytes. Bytes that arrive meanwhile do not extend it. A connection on which no message
    /// has begun may wait for ever.
    pub message_timeout: Option<Duration>,
    /// Bytes of messages that may wait to be sent. With as many, no further message is taken before
    /// some have left.
    pub max_buffered_bytes: usize,
    /// Descriptors that may wait to be sent. With as many, no further message is taken before some
    /// have left.
    pub max_buffered_fds: usize,
    /// Time that [`Connection::call`](crate::Connection::call) waits for the reply, from the start
    /// of the call.
    ///
    /// 25 seconds on both sides, which is what libdbus waits (`DBUS_DEFAULT_TIMEOUT_VALUE`). With
    /// `None`, a call waits until the reply arrives or the connection ends.
    pub reply_timeout: Option<Duration>,
    /// Number of messages that `call` keeps for [`receive`](crate::Connection::receive) while it
    /// waits for a reply. With as many, it reads no further and fails.
    ///
    /// 1024 on a client, whose bus it trusts; 128 on a server, since each of its clients can make it
    /// keep as many.
    pub max_kept_messages: usize,
    /// Bytes of the kept messages, header and body. With as many or more, `call` reads no further
    /// and fails; the last kept message may exceed the limit.
    ///
    /// 1 MiB on a client, 128 KiB on a server.
    pub max_kept_bytes: usize,
    /// Descriptors of the kept messages. With as many or more, `call` reads no further and fails; the
    /// last kept message may exceed the limit.
    ///
    /// 256 on a client; 64 on a server, which is what dbus-daemon holds for one connection of the
    /// system bus (`max_incoming_unix_fds`).
    pub max_kept_fds: usize,
    /// Number of calls that ended without their reply: they timed out, were dropped, or failed at
    /// one of the limits above. A late reply to such a call is discarded. With as many, a further
    /// call is refused, because its late reply could not be told from other messages. A reply that
    /// never arrives keeps its place until the connection ends. 0 counts as 1.
    ///
    /// 1024, which is 4 KiB of memory at most. A peer that owes more replies than that does not
    /// reply at all: dbus-daemon lets a connection to the system bus wait for 128
    /// (`max_replies_per_connection`).
    pub max_abandoned_calls: usize,
}

impl Limits {
    /// For who connects to a bus that it trusts: receives what the kernel carries at most, sends
    /// what every peer accepts; descriptors wait for 150 seconds, as in dbus-daemon
    /// (`pending_fd_timeout`), and messages without descriptors may take as long as they do.
    pub fn client() -> Limits {
        Limits {
            max_message_bytes: MAX_MESSAGE_BYTES,
            max_fields_bytes: 1 << 20,
            max_sent_fds: INTEROPERABLE_FDS,
            max_received_fds: DBUS_FD_LIMIT,
            max_waiting_fds: 2 * DBUS_FD_LIMIT,
            fd_timeout: Some(Duration::from_secs(150)),
            message_timeout: None,
            max_buffered_bytes: 64 << 10,
            max_buffered_fds: 256,
            reply_timeout: Some(Duration::from_secs(25)),
            max_kept_messages: 1024,
            max_kept_bytes: 1 << 20,
            max_kept_fds: 256,
            max_abandoned_calls: 1024,
        }
    }

    /// For who is connected to: receives 16 descriptors a message, as dbus-daemon does, gives each
    /// message 30 seconds to arrive, and has no more of them wait to be sent than one message can have.
    pub fn server() -> Limits {
        Limits {
            max_received_fds: INTEROPERABLE_FDS,
            max_waiting_fds: 2 * INTEROPERABLE_FDS,
            fd_timeout: Some(Duration::from_secs(30)),
            message_timeout: Some(Duration::from_secs(30)),
            max_buffered_fds: INTEROPERABLE_FDS,
            max_kept_messages: 128,
            max_kept_bytes: 128 << 10,
            max_kept_fds: 64,
            ..Limits::client()
        }
    }

    /// The limits of the specification, for messages that do not come from a connection.
    pub(crate) fn specification() -> Limits {
        Limits {
            max_message_bytes: MAX_MESSAGE_BYTES,
            max_fields_bytes: MAX_ARRAY_BYTES,
            ..Limits::client()
        }
    }

    /// The most descriptors that wait for the rest of their message.
    pub(crate) fn waiting_fds(&self) -> usize {
        self.max_waiting_fds.max(2 * self.max_received_fds)
    }
}

/// What a handshake may cost.
///
/// Bounds of 0 are allowed, though no handshake succeeds within most of them: each fails at the
/// first thing that counts against it, and never before.
///
/// ```
/// use std::time::Duration;
///
/// use anchovy_dbus::HandshakeLimits;
///
/// let hasty = HandshakeLimits { timeout: Duration::from_secs(1), ..HandshakeLimits::default() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeLimits {
    /// The longest line, with its end, in bytes. dbus-daemon and dbus-broker have the same. With 0
    /// or 1, the first byte of a line is too much, since a line has an end of two bytes.
    pub max_line_bytes: usize,
    /// All bytes of the peer's lines together, and the NUL of a client. With 0, the first byte is
    /// too much.
    pub max_bytes: usize,
    /// Rejections: the server closes with the last of them. dbus-daemon has the same. 0 is taken for
    /// 1.
    pub max_rejects: usize,
    /// Errors: a side that has to send so many, server or client, closes with the last of them. 0 is
    /// taken for 1.
    pub max_errors: usize,
    /// From the first step to the last. dbus-daemon has the same. With 0, a handshake fails as soon
    /// as it has to wait for the peer.
    pub timeout: Duration,
}

impl Default for HandshakeLimits {
    /// 16 KiB a line, 64 KiB in all, 6 rejections, 16 errors, 30 seconds.
    fn default() -> HandshakeLimits {
        HandshakeLimits {
            max_line_bytes: 16 << 10,
            max_bytes: 64 << 10,
            max_rejects: 6,
            max_errors: 16,
            timeout: Duration::from_secs(30),
        }
    }
}
