//! Errors that concern descriptors.

use std::fmt;
use std::io;

use super::descriptors::Descriptors;
use super::truncation::Truncation;

/// The error of an operation that failed because of descriptors.
///
/// The [`io::Error`] of the operation contains it; [`FdError::from_io_error`] returns it. An error
/// of the read side does not affect the write side, and vice versa. The same applies to the halves
/// of a split stream.
///
/// # Examples
///
/// ```
/// # use anchovy::{AnchovyStream, FdError, WAYLAND_SCM_RIGHTS};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use std::io::ErrorKind;
/// use tokio::io::AsyncWriteExt;
///
/// let (mut stream, _peer) = AnchovyStream::<WAYLAND_SCM_RIGHTS>::pair()?;
/// for _ in 0..29 {
///     stream.write_queue_mut().push_back(std::fs::File::open("/dev/null")?.into());
/// }
///
/// let refused = stream.write(b"one too many").await.unwrap_err();
/// assert_eq!(refused.kind(), ErrorKind::InvalidInput);
/// match FdError::from_io_error(&refused) {
///     Some(FdError::TooManyToSend { count: 29, limit: 28, .. }) => {}
///     other => panic!("{other:?}"),
/// }
/// assert_eq!(stream.write_queue().len(), 29); // nothing was sent, nothing was closed
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FdError {
    /// A write has more descriptors than the write limit allows.
    ///
    /// Nothing was sent or closed. Send fewer descriptors with each write, or remove some from the
    /// write queue. The kind is [`io::ErrorKind::InvalidInput`].
    TooManyToSend {
        /// Number of descriptors to send.
        count: usize,
        /// Maximum number of descriptors in one message.
        limit: usize,
        /// `S` of the stream, a size in bytes.
        space: usize,
    },
    /// A received message has more descriptors than the read limit allows.
    ///
    /// All descriptors of the message were closed. All bytes of the read were discarded, including
    /// those of earlier messages that the same read returned. Every later read fails with this
    /// error, because the position in the peer's stream is lost; close the stream. The kind is
    /// [`io::ErrorKind::InvalidData`].
    TooManyReceived {
        /// Number of received descriptors.
        count: usize,
        /// Maximum number of descriptors in one message.
        limit: usize,
        /// `S` of the stream, a size in bytes.
        space: usize,
    },
    /// The kernel did not deliver all descriptors of a message (`MSG_CTRUNC`).
    ///
    /// The delivered ones were closed. All bytes of the read were discarded, including those of
    /// earlier messages that the same read returned. Every later read fails with this error,
    /// because the position in the peer's stream is lost; close the stream. The kind is
    /// [`io::ErrorKind::QuotaExceeded`] if a table was full, and [`io::ErrorKind::InvalidData`]
    /// otherwise.
    Truncated {
        /// Number of descriptors that the kernel delivered. They were closed.
        received: usize,
        /// The cause, if it is known.
        cause: Truncation,
    },
    /// A received message has more descriptors than the [account](crate::Account) of the peer has room
    /// for.
    ///
    /// All descriptors of the message were closed. All bytes of the read were discarded, including
    /// those of earlier messages that the same read returned. Every later read fails with this
    /// error, because the position in the peer's stream is lost; close the stream. The kind is
    /// [`io::ErrorKind::QuotaExceeded`].
    ///
    /// A read fails with this error only if waiting cannot help; see
    /// [`set_account`](crate::AnchovyStream::set_account).
    OverBudget {
        /// Number of received descriptors.
        count: usize,
        /// Number of descriptors that the account had room for.
        available: usize,
    },
    /// The read queue has no room for the descriptors of another message.
    ///
    /// Nothing was read, closed or lost. Take descriptors from the read queue and read again. The
    /// kind is [`io::ErrorKind::QuotaExceeded`].
    ReadQueueFull {
        /// Number of descriptors in the read queue.
        queued: usize,
        /// Maximum number of descriptors in one message. A read requires room for this number.
        fd_limit: usize,
        /// Maximum number of descriptors in the read queue.
        limit: usize,
    },
    /// A send has descriptors but too few bytes to send them with, or a shutdown was refused because
    /// the write queue has descriptors.
    ///
    /// Nothing was sent, closed or shut down. The reason for the error is that the kernel drops
    /// descriptors that are sent on a stream without a byte. Write at least one byte, or clear the write
    /// queue. With [`spread_fds`](crate::StreamBuilder::spread_fds), each message needs one byte, so
    /// write more bytes at once. A write of zero bytes through `AsyncWrite` is no error; it sends nothing
    /// and keeps the queue. The kind is [`io::ErrorKind::InvalidInput`].
    FdsWithoutBytes {
        /// Number of descriptors without a byte to send them with.
        count: usize,
    },
    /// [`send_with_fds`](crate::AnchovyStream::send_with_fds) was called while the write queue
    /// contains descriptors.
    ///
    /// The write queue is sent with the *next* byte, so its descriptors and those of the call would be
    /// sent together. The call fails even if it passes no descriptors. Nothing was sent or closed. Send
    /// the queue first, with a write through `AsyncWrite` or `try_write`, or clear it. The kind is
    /// [`io::ErrorKind::InvalidInput`].
    WriteQueueNotEmpty {
        /// Number of descriptors in the write queue.
        queued: usize,
    },
    /// The kernel refused to send descriptors to this peer (`EPERM`).
    ///
    /// The peer has disabled descriptor passing on its socket (`SO_PASSRIGHTS`), or a security
    /// module denies it. Nothing was sent or closed. Bytes without descriptors can still be sent.
    /// The kind is [`io::ErrorKind::PermissionDenied`].
    RefusedByPeer {
        /// Number of descriptors to send.
        count: usize,
    },
    /// Too many descriptors are in flight (`ETOOMANYREFS`): sent by all processes of this user, and not
    /// received yet. Or one message has more than the account of the peer could ever hold.
    ///
    /// In the first case, the limit is the sender's `RLIMIT_NOFILE` (unix(7)). The same write succeeds
    /// after the receivers have read enough.
    ///
    /// In the second case, it never succeeds; send fewer descriptors at once. An
    /// [account](crate::AnchovyStream::set_account) can hold at most half of the
    /// [total](crate::BudgetBuilder::fds_in_flight) of descriptors in flight.
    ///
    /// In both cases nothing was sent or closed. Bytes without descriptors can still be sent. The
    /// kind is [`io::ErrorKind::QuotaExceeded`].
    TooManyInFlight {
        /// Number of descriptors to send.
        count: usize,
    },
    /// A requested limit is out of range.
    ///
    /// The limits are unchanged. The kind is [`io::ErrorKind::InvalidInput`].
    LimitOutOfRange {
        /// The requested limit.
        limit: usize,
        /// Minimum value, given the other limits.
        least: usize,
        /// Maximum value, given the other limits and `S`.
        most: usize,
        /// `S` of the stream, a size in bytes.
        space: usize,
    },
    /// The descriptor is not a Unix stream socket.
    ///
    /// It was closed. Datagram and sequenced-packet sockets are not supported. The kind is
    /// [`io::ErrorKind::InvalidInput`].
    NotAUnixStream,
}

impl FdError {
    /// Returns the descriptor error that `error` contains, if any.
    ///
    /// # Examples
    ///
    /// ```
    /// # use anchovy::FdError;
    /// let plain = std::io::Error::from(std::io::ErrorKind::BrokenPipe);
    /// assert_eq!(FdError::from_io_error(&plain), None);
    ///
    /// let wrapped = std::io::Error::from(FdError::FdsWithoutBytes { count: 1 });
    /// assert_eq!(FdError::from_io_error(&wrapped), Some(FdError::FdsWithoutBytes { count: 1 }));
    /// ```
    pub fn from_io_error(error: &io::Error) -> Option<FdError> {
        error.get_ref()?.downcast_ref().copied()
    }

    /// Returns the [`io::ErrorKind`] of the [`io::Error`] that this error converts into.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            FdError::TooManyToSend { .. }
            | FdError::FdsWithoutBytes { .. }
            | FdError::WriteQueueNotEmpty { .. }
            | FdError::LimitOutOfRange { .. }
            | FdError::NotAUnixStream => io::ErrorKind::InvalidInput,
            FdError::TooManyReceived { .. } => io::ErrorKind::InvalidData,
            FdError::Truncated { cause, .. } => cause.io_kind(),
            FdError::ReadQueueFull { .. }
            | FdError::OverBudget { .. }
            | FdError::TooManyInFlight { .. } => io::ErrorKind::QuotaExceeded,
            FdError::RefusedByPeer { .. } => io::ErrorKind::PermissionDenied,
        }
    }
}

impl fmt::Display for FdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            FdError::TooManyToSend { count, limit, space } => write!(
                f,
                "cannot send {} in one message, limit is {limit} (S = {space} bytes); \
                 nothing was sent, use several writes",
                Descriptors(count)
            ),
            FdError::TooManyReceived { count, limit, space } => write!(
                f,
                "received {} in one message, limit is {limit} (S = {space} bytes); \
                 they were closed, drop the stream",
                Descriptors(count)
            ),
            FdError::Truncated { received, cause } => write!(
                f,
                "the kernel delivered only {} of a message: {cause}; drop the stream",
                Descriptors(received)
            ),
            FdError::OverBudget { count, available } => write!(
                f,
                "received {}, the account of the peer has room for {available}; \
                 they were closed, drop the stream",
                Descriptors(count)
            ),
            FdError::ReadQueueFull { queued, fd_limit, limit } => write!(
                f,
                "the read queue has {} and a read requires room for {fd_limit} more, \
                 limit is {limit}; nothing was read, take descriptors from the queue",
                Descriptors(queued)
            ),
            FdError::FdsWithoutBytes { count } => write!(
                f,
                "cannot send {} without a byte; nothing was sent, write more bytes",
                Descriptors(count)
            ),
            FdError::WriteQueueNotEmpty { queued } => write!(
                f,
                "the write queue has {}, which the next byte would carry; \
                 nothing was sent, send the queue first with a write or clear it",
                Descriptors(queued)
            ),
            FdError::RefusedByPeer { count } => write!(
                f,
                "the kernel refused to send {} to this peer (EPERM); nothing was sent, \
                 the peer disabled SO_PASSRIGHTS or a security module denies it",
                Descriptors(count)
            ),
            FdError::TooManyInFlight { count } => write!(
                f,
                "sending {} would exceed a limit of descriptors in flight: RLIMIT_NOFILE (ETOOMANYREFS) or \
                 the account of the peer; nothing was sent, send fewer or try again after the receivers \
                 have read",
                Descriptors(count)
            ),
            FdError::LimitOutOfRange { limit, least, most: usize::MAX, space } => write!(
                f,
                "a limit of {} is out of range, the minimum is {least} (S = {space} bytes); \
                 the limits are unchanged",
                Descriptors(limit)
            ),
            FdError::LimitOutOfRange { limit, least, most, space } => write!(
                f,
                "a limit of {} is out of range, allowed are {least} to {most} \
                 (S = {space} bytes); the limits are unchanged",
                Descriptors(limit)
            ),
            FdError::NotAUnixStream => {
                f.write_str("the descriptor is not a Unix stream socket; it was closed")
            }
        }
    }
}

impl std::error::Error for FdError {}

impl From<FdError> for io::Error {
    fn from(error: FdError) -> io::Error {
        io::Error::new(error.kind(), error)
    }
}
