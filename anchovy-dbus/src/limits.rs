//! Limits of connections and handshakes.

use std::time::Duration;

use anchovy::DBUS_FD_LIMIT;

/// Maximum number of descriptors in one message that every peer accepts: 16.
///
/// This is the limit of libdbus (`DBUS_DEFAULT_MAX_MESSAGE_UNIX_FDS`), and so of dbus-daemon and of
/// clients that use libdbus. libdbus disconnects a peer that sends more. The specification defines no
/// limit.
pub const INTEROPERABLE_FDS: usize = 16;

/// Maximum length of a message, in bytes: 2²⁷ (D-Bus Specification, "Message Format").
pub const MAX_MESSAGE_BYTES: usize = 1 << 27;

/// Maximum length of an array, in bytes: 2²⁶ (D-Bus Specification, "Marshaling"). The header fields of
/// a message are an array.
pub const MAX_ARRAY_BYTES: usize = 1 << 26;

/// Limits of one connection.
///
/// # Examples
///
/// ```
/// use anchovy_dbus::Limits;
///
/// // A service that accepts many descriptors, but no large messages.
/// let limits = Limits { max_received_fds: 64, max_message_bytes: 1 << 20, ..Limits::server() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum length of a message, header and body, in bytes. Values over [`MAX_MESSAGE_BYTES`] count
    /// as `MAX_MESSAGE_BYTES`. Default: `MAX_MESSAGE_BYTES`.
    ///
    /// The declared length reserves no memory. While a message arrives, the buffer has at most twice
    /// the size of the received part, plus 256 KiB.
    pub max_message_bytes: usize,
    /// Maximum length of the header fields of a message, in bytes. Values over [`MAX_ARRAY_BYTES`]
    /// count as `MAX_ARRAY_BYTES`. Default: 1 MiB.
    ///
    /// Longer header fields are rejected as soon as their length has arrived.
    ///
    /// Header fields are parsed without yielding to other tasks. The time is linear in their length:
    /// at most 5 ms for each MiB in a release build, 40 ms in a debug build (measured with the
    /// slowest of 32 kinds of fields; most kinds take 1 ms). The default is far above what programs
    /// send: only an object path can be longer than 255 bytes.
    pub max_fields_bytes: usize,
    /// Maximum number of descriptors in a sent message. Values over 253, the limit of the kernel, have
    /// no further effect. Default: [`INTEROPERABLE_FDS`].
    pub max_sent_fds: usize,
    /// Maximum number of descriptors that are accepted in one `sendmsg` of the peer, and that one of
    /// its messages may declare. Values over 253, the limit of the kernel, have no further effect.
    /// Default: 253 on a client, 16 on a server.
    pub max_received_fds: usize,
    /// Maximum number of descriptors that wait for the rest of their message. Default: twice
    /// [`max_received_fds`](Self::max_received_fds).
    ///
    /// Each read may add up to `max_received_fds` descriptors. So when a read begins, at most
    /// `max_waiting_fds - max_received_fds` descriptors may wait.
    ///
    /// Values below twice `max_received_fds` count as twice `max_received_fds`, because the read that
    /// completes a message can return the descriptors of the next one.
    pub max_waiting_fds: usize,
    /// Maximum time that descriptors wait for the rest of their message. `None` sets no limit.
    /// Default: 150 seconds on a client, as in dbus-daemon (`pending_fd_timeout`); 30 seconds on a
    /// server.
    pub fd_timeout: Option<Duration>,
    /// Maximum time from the first byte of a message to its last, with or without descriptors. `None`
    /// sets no limit. Default: `None` on a client, 30 seconds on a server.
    ///
    /// Further bytes of the message do not extend the time. There is no limit on the time between two
    /// messages.
    pub message_timeout: Option<Duration>,
    /// Number of bytes in the send buffer at which the buffer counts as full. Default: 64 KiB.
    ///
    /// A full buffer accepts no message before some of its bytes have been sent.
    pub max_buffered_bytes: usize,
    /// Number of descriptors in the send buffer at which the buffer counts as full. Default: 256 on a
    /// client, 16 on a server.
    pub max_buffered_fds: usize,
    /// Maximum time that [`Connection::call`](crate::Connection::call) waits for the reply, from the
    /// start of the call. With `None`, a call waits until the reply arrives or the connection ends.
    /// Default: 25 seconds, as in libdbus (`DBUS_DEFAULT_TIMEOUT_VALUE`).
    pub reply_timeout: Option<Duration>,
    /// Number of messages that `call` keeps for [`receive`](crate::Connection::receive) while it waits
    /// for a reply. At this number, it stops reading and fails. Default: 1024 on a client, 128 on a
    /// server.
    pub max_kept_messages: usize,
    /// Number of bytes of the kept messages, header and body. At this number, `call` stops reading and
    /// fails. The last kept message can exceed the limit. Default: 1 MiB on a client, 128 KiB on a
    /// server.
    pub max_kept_bytes: usize,
    /// Number of descriptors of the kept messages. At this number, `call` stops reading and fails. The
    /// last kept message can exceed the limit. Default: 256 on a client, 64 on a server.
    ///
    /// dbus-daemon holds 64 for one connection to the system bus (`max_incoming_unix_fds`).
    pub max_kept_fds: usize,
    /// Maximum number of abandoned calls: those that ended before their reply arrived, for example
    /// because they timed out, were dropped, or failed with
    /// [`TooMuchKept`](crate::CallError::TooMuchKept). 0 counts as 1. Default: 1024, which requires at
    /// most 4 KiB of memory.
    ///
    /// The connection stores the serials of abandoned calls, so that it can recognize and discard their late
    /// replies. At this number, a further call is refused. A call whose reply never arrives counts until the
    /// connection ends.
    ///
    /// dbus-daemon allows 128 calls without a reply on a connection to the system bus
    /// (`max_replies_per_connection`).
    pub max_abandoned_calls: usize,
}

impl Limits {
    /// Returns the default limits of a client, which trusts its bus.
    ///
    /// A client receives up to 253 descriptors in one message, the limit of the kernel, and sends up to
    /// [`INTEROPERABLE_FDS`]. There is no time limit on messages without descriptors.
    pub fn client() -> Limits {
        Limits::CLIENT
    }

    /// Returns the default limits of a server, which does not trust its clients.
    ///
    /// A server receives up to 16 descriptors in one message, as dbus-daemon does, and each message
    /// must arrive within 30 seconds.
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

    const CLIENT: Limits = Limits {
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
    };

    /// The limits of the specification, for messages that do not come from a connection.
    pub(crate) const SPECIFICATION: Limits = Limits {
        max_message_bytes: MAX_MESSAGE_BYTES,
        max_fields_bytes: MAX_ARRAY_BYTES,
        ..Limits::CLIENT
    };

    /// Returns the maximum number of descriptors that wait for the rest of their message.
    pub(crate) fn waiting_fds(&self) -> usize {
        self.max_waiting_fds.max(2 * self.max_received_fds)
    }
}

/// Limits of a handshake.
///
/// A limit of 0 is allowed. The handshake fails at the first event that counts against it.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use anchovy_dbus::HandshakeLimits;
///
/// let limits = HandshakeLimits { timeout: Duration::from_secs(1), ..HandshakeLimits::default() };
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandshakeLimits {
    /// Maximum length of a line including its `\r\n`, in bytes. Default: 16 KiB, as in dbus-daemon and
    /// dbus-broker.
    ///
    /// The handshake also fails when a line has this many bytes and no `\r\n` yet. So with 0 or 1, it fails
    /// at the first byte of a line.
    pub max_line_bytes: usize,
    /// Maximum number of bytes of all lines of the peer, including the NUL byte of a client. Default:
    /// 64 KiB.
    pub max_bytes: usize,
    /// Number of rejections. At this number, the server closes the connection. 0 counts as 1. Default:
    /// 6, as in dbus-daemon.
    pub max_rejects: usize,
    /// Number of lines of the peer to which this end replies with `ERROR`. At this number, this end
    /// closes the connection. 0 counts as 1. Default: 16.
    pub max_errors: usize,
    /// Maximum time of the handshake. With 0, the handshake fails as soon as it waits for the peer.
    /// Default: 30 seconds, as in dbus-daemon.
    pub timeout: Duration,
}

impl Default for HandshakeLimits {
    /// Returns the default limits: 16 KiB in one line, 64 KiB in all lines, 6 rejections, 16 errors and
    /// 30 seconds.
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
