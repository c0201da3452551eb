//! Failures that concern descriptors.

use std::fmt;
use std::io;

use super::truncation::Truncation;

/// Why an operation failed on account of descriptors.
///
/// It travels inside the [`io::Error`] that the operation returned; [`FdError::from_io_error`]
/// takes it out. What it says of the stream holds for both of its halves: an error of one side
/// never touches the other.
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
    /// More descriptors were to leave with one write than its limit allows.
    ///
    /// Nothing was sent and nothing was closed: take some off the write queue, or pass fewer, and
    /// write again. [`io::ErrorKind::InvalidInput`].
    TooManyToSend {
        /// Descriptors that were to leave.
        count: usize,
        /// The most that may leave with one write.
        limit: usize,
        /// `S` of the stream, in bytes of ancillary space.
        space: usize,
    },
    /// The peer sent more descriptors in one message than the limit allows.
    ///
    /// All descriptors of that message were closed, its bytes are lost, and every later read fails
    /// with this same error: the stream is out of step with its peer and wants closing.
    /// [`io::ErrorKind::InvalidData`].
    TooManyReceived {
        /// Descriptors that arrived.
        count: usize,
        /// The most that may arrive with one message.
        limit: usize,
        /// `S` of the stream, in bytes of ancillary space.
        space: usize,
    },
    /// The kernel did not hand over all descriptors of a message (`MSG_CTRUNC`).
    ///
    /// Those it did hand over were closed, the bytes they came with are lost, and every later read
    /// fails with this same error: the stream is out of step with its peer and wants closing.
    /// [`io::ErrorKind::QuotaExceeded`] for a full table, [`io::ErrorKind::InvalidData`] otherwise.
    Truncated {
        /// Descriptors that were handed over before the kernel gave up, and are closed again.
        received: usize,
        /// Why it gave up, as far as that can be told.
        cause: Truncation,
    },
    /// The peer sent descriptors for which its account has no room left.
    ///
    /// The descriptors of that message were closed, its bytes are lost, and every later read fails
    /// with this same error. Before it comes to that, reads wait while the account holds received
    /// descriptors that somebody may take. [`io::ErrorKind::QuotaExceeded`].
    OverBudget {
        /// Descriptors that arrived.
        count: usize,
        /// Descriptors for which the account had room.
        available: usize,
    },
    /// The read queue has no room for another full set of descriptors.
    ///
    /// Nothing was read, closed or lost: take descriptors off the read queue and read again.
    /// [`io::ErrorKind::QuotaExceeded`].
    ReadQueueFull {
        /// Descriptors that wait in the read queue.
        queued: usize,
        /// The most that may arrive with one message, for which there has to be room.
        fd_limit: usize,
        /// The most that may wait in the read queue.
        limit: usize,
    },
    /// Descriptors were to be sent without a byte.
    ///
    /// The kernel drops descriptors that are sent without a byte on a stream, so nothing was sent
    /// and nothing was closed: write at least one byte, or clear the write queue. With
    /// [`spread_fds`](crate::StreamBuilder::spread_fds), each set needs a byte of its own: write more
    /// bytes at once. [`io::ErrorKind::InvalidInput`].
    FdsWithoutBytes {
        /// Descriptors that were to leave, and for which there was no byte.
        count: usize,
    },
    /// A borrowed send was asked for while owned descriptors wait in the write queue.
    ///
    /// The queue leaves with the *next* byte, so the two sets would become one. Nothing was sent
    /// and nothing was closed: write the queue out, or clear it. [`io::ErrorKind::InvalidInput`].
    WriteQueueNotEmpty {
        /// Descriptors that wait in the write queue.
        queued: usize,
    },
    /// The kernel refused to carry descriptors to this peer (`EPERM`).
    ///
    /// The peer switched them off on its socket (`SO_PASSRIGHTS`), or a security module did.
    /// Nothing was sent and nothing was closed; bytes without descriptors still pass.
    /// [`io::ErrorKind::PermissionDenied`].
    RefusedByPeer {
        /// Descriptors that were to leave.
        count: usize,
    },
    /// This user has too many descriptors in flight (`ETOOMANYREFS`).
    ///
    /// The kernel bounds, per user and over all sockets, the descriptors that are sent and not yet
    /// received by the sender's `RLIMIT_NOFILE` (unix(7)). Nothing was sent and nothing was closed:
    /// the same write works once the receivers have caught up. Bytes without descriptors still
    /// pass. [`io::ErrorKind::QuotaExceeded`].
    TooManyInFlight {
        /// Descriptors that were to leave.
        count: usize,
    },
    /// A limit was asked for that the stream cannot keep.
    ///
    /// The limits stay as they were. [`io::ErrorKind::InvalidInput`].
    LimitOutOfRange {
        /// The limit that was asked for.
        limit: usize,
        /// The smallest possible value, given the other limits.
        least: usize,
        /// The largest possible value, given the other limits and `S`.
        most: usize,
        /// `S` of the stream, in bytes of ancillary space.
        space: usize,
    },
    /// What was to become a stream is no Unix stream socket.
    ///
    /// Only on stream sockets do the rules of this crate hold; the descriptor was closed.
    /// [`io::ErrorKind::InvalidInput`].
    NotAUnixStream,
}

impl FdError {
    /// Returns the descriptor error inside `error`, if there is one.
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

    /// Returns the kind of the [`io::Error`] that carries this error.
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
                "{count} descriptors for one message, the limit is {limit} (S = {space} bytes); \
                 nothing was sent or closed"
            ),
            FdError::TooManyReceived { count, limit, space } => write!(
                f,
                "the peer sent {count} descriptors in one message, the limit is {limit} \
                 (S = {space} bytes); they were closed and the read side stays failed"
            ),
            FdError::Truncated { received, cause } => write!(
                f,
                "the kernel cut a set of descriptors after {received}: {cause}; \
                 they were closed and the read side stays failed"
            ),
            FdError::OverBudget { count, available } => write!(
                f,
                "received {count} descriptors, the account of the peer has room for {available}; \
                 they were closed and the read side stays failed"
            ),
            FdError::ReadQueueFull { queued, fd_limit, limit } => write!(
                f,
                "{queued} descriptors wait in the read queue, which has no room for another {fd_limit} \
                 (its limit is {limit}); nothing was read, drain the queue"
            ),
            FdError::FdsWithoutBytes { count } => {
                write!(f, "{count} descriptors to send without a byte; nothing was sent or closed")
            }
            FdError::WriteQueueNotEmpty { queued } => write!(
                f,
                "{queued} descriptors wait in the write queue and would leave with this send; \
                 nothing was sent or closed"
            ),
            FdError::RefusedByPeer { count } => write!(
                f,
                "the kernel refused to carry {count} descriptors to this peer (EPERM: \
                 SO_PASSRIGHTS is off there, or a security module denies it); \
                 nothing was sent or closed"
            ),
            FdError::TooManyInFlight { count } => write!(
                f,
                "{count} more descriptors in flight would exceed RLIMIT_NOFILE (ETOOMANYREFS); \
                 nothing was sent or closed, try again when the receivers have caught up"
            ),
            FdError::LimitOutOfRange { limit, least, most, space } => write!(
                f,
                "a limit of {limit} descriptors is outside {least} to {most} (S = {space} bytes); \
                 the limits stay as they were"
            ),
            FdError::NotAUnixStream => {
                f.write_str("the descriptor is no Unix stream socket; it was closed")
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
