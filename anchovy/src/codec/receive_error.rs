//! The error of the receiving side of a framed stream.

use std::error::Error;
use std::fmt;
use std::io;

use crate::error::descriptors::Descriptors;
use crate::error::fd_error::FdError;
use crate::error::transfer_error::TransferError;
use crate::error::truncation::Truncation;

/// Why no more frames can be received.
///
/// `E` is the codec's own error ([`Decoder::Error`](super::Decoder::Error)).
///
/// Every error ends the receiving side: all descriptors that wait are closed, all bytes that are
/// not decoded are dropped, and the stream of frames ends.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/codec/tests/lines.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// use anchovy::codec::{Framed, ReceiveError};
/// use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
///
/// let (near, mut far) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
/// far.send_with_fds(b"0no file\n", &[std::io::stdin()]).await?;
///
/// let mut near = Framed::new(near, Lines);
/// match near.next().await.expect("an error") {
///     Err(ReceiveError::UnclaimedFds { count: 1 }) => {}
///     other => panic!("{other:?}"),
/// }
/// assert!(near.next().await.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum ReceiveError<E> {
    /// The socket failed.
    Io(io::Error),
    /// The decoder asked for more descriptors than are available to the frame.
    ///
    /// As an [`io::Error`], its kind is [`InvalidData`](io::ErrorKind::InvalidData).
    MissingFds {
        /// Number of descriptors that the decoder asked for.
        declared: usize,
        /// Number of descriptors that are available to the frame.
        available: usize,
    },
    /// The decoder asked for only a part of a set (the descriptors that arrived together). A
    /// [discarded](super::ReceivedFds::discard) frame may have been sent with another part of the set. So it
    /// is not known which descriptors of the set belong to which frame.
    ///
    /// As an [`io::Error`], its kind is [`InvalidData`](io::ErrorKind::InvalidData).
    AmbiguousFds {
        /// Number of descriptors that the frame would take from the set. It is less than the number that the
        /// frame declares if the frame also takes descriptors of an earlier set.
        declared: usize,
        /// Number of descriptors of the set that no earlier frame has taken.
        available: usize,
    },
    /// Descriptors arrived that the decoder has not taken for any frame.
    ///
    /// If this is found when a frame is decoded, that frame is dropped, too, because it may have the wrong
    /// descriptors. As an [`io::Error`], its kind is [`InvalidData`](io::ErrorKind::InvalidData).
    UnclaimedFds {
        /// Number of descriptors that were not taken.
        count: usize,
    },
    /// The peer sent more descriptors in one message than the
    /// [limit of the stream](crate::AnchovyStream::read_fd_limit).
    ///
    /// As an [`io::Error`], its kind is [`InvalidData`](io::ErrorKind::InvalidData).
    TooManyFds {
        /// Number of descriptors received.
        count: usize,
        /// The most that may arrive with one message.
        limit: usize,
    },
    /// Too many descriptors wait for frames that are not complete
    /// ([`ReadPolicy::max_waiting_fds`](super::ReadPolicy::max_waiting_fds)).
    ///
    /// As an [`io::Error`], its kind is [`QuotaExceeded`](io::ErrorKind::QuotaExceeded).
    TooManyWaitingFds {
        /// Number of descriptors that wait.
        waiting: usize,
        /// The most that may wait before a read: [`max_waiting_fds`](super::ReadPolicy::max_waiting_fds)
        /// minus the [limit](crate::AnchovyStream::read_fd_limit) for one message.
        limit: usize,
    },
    /// Descriptors waited too long for the rest of their frame
    /// ([`ReadPolicy::fd_timeout`](super::ReadPolicy::fd_timeout)).
    ///
    /// As an [`io::Error`], its kind is [`TimedOut`](io::ErrorKind::TimedOut).
    FdsOverdue {
        /// Number of descriptors that wait.
        waiting: usize,
    },
    /// The rest of a frame did not arrive in time
    /// ([`ReadPolicy::frame_timeout`](super::ReadPolicy::frame_timeout)).
    ///
    /// As an [`io::Error`], its kind is [`TimedOut`](io::ErrorKind::TimedOut).
    FrameOverdue {
        /// Number of bytes of the frame that arrived.
        bytes: usize,
    },
    /// A frame is longer than allowed
    /// ([`ReadPolicy::max_frame_bytes`](super::ReadPolicy::max_frame_bytes)).
    ///
    /// As an [`io::Error`], its kind is [`InvalidData`](io::ErrorKind::InvalidData).
    FrameTooLong {
        /// Number of bytes of the frame that have arrived, or the length of the frame if the decoder itself
        /// returns this error.
        length: usize,
        /// The most bytes that a frame may have.
        limit: usize,
    },
    /// The read queue of the stream has no room for the descriptors of another message.
    ///
    /// Only descriptors that were read outside the codec are in that queue. As an [`io::Error`], its kind is
    /// [`QuotaExceeded`](io::ErrorKind::QuotaExceeded).
    ReadQueueFull {
        /// Number of descriptors in the read queue.
        queued: usize,
        /// The most that the read queue may hold.
        limit: usize,
    },
    /// The peer sent descriptors for which its [account](crate::Account) has no room left; see
    /// [`FdError::OverBudget`].
    ///
    /// As an [`io::Error`], its kind is [`QuotaExceeded`](io::ErrorKind::QuotaExceeded).
    FdsOverBudget {
        /// Number of descriptors received in one message.
        count: usize,
        /// Number of descriptors for which the account had room.
        available: usize,
    },
    /// A frame needs more memory than the [account](crate::Account) of the peer could ever have
    /// ([`Resource::Bytes`](crate::Resource::Bytes)).
    ///
    /// As an [`io::Error`], its kind is [`QuotaExceeded`](io::ErrorKind::QuotaExceeded).
    BytesOverBudget {
        /// Size in bytes of the buffer that is needed to receive more of the frame.
        bytes: usize,
    },
    /// The kernel did not deliver all descriptors of a message (`MSG_CTRUNC`).
    ///
    /// As an [`io::Error`], its kind is [`QuotaExceeded`](io::ErrorKind::QuotaExceeded) if a table was full,
    /// and [`InvalidData`](io::ErrorKind::InvalidData) otherwise.
    Truncated {
        /// The cause, as far as it is known.
        cause: Truncation,
    },
    /// The peer closed the connection inside a frame.
    ///
    /// As an [`io::Error`], its kind is [`UnexpectedEof`](io::ErrorKind::UnexpectedEof).
    ClosedInsideFrame {
        /// Number of bytes of the frame that arrived.
        bytes: usize,
    },
    /// The codec rejected the received bytes.
    Codec(E),
}

impl<E> ReceiveError<E> {
    fn io_kind(&self) -> io::ErrorKind {
        match self {
            ReceiveError::Io(error) => error.kind(),
            ReceiveError::MissingFds { .. }
            | ReceiveError::AmbiguousFds { .. }
            | ReceiveError::UnclaimedFds { .. }
            | ReceiveError::TooManyFds { .. }
            | ReceiveError::FrameTooLong { .. }
            | ReceiveError::Codec(_) => io::ErrorKind::InvalidData,
            ReceiveError::TooManyWaitingFds { .. }
            | ReceiveError::ReadQueueFull { .. }
            | ReceiveError::FdsOverBudget { .. }
            | ReceiveError::BytesOverBudget { .. } => io::ErrorKind::QuotaExceeded,
            ReceiveError::FdsOverdue { .. } | ReceiveError::FrameOverdue { .. } => {
                io::ErrorKind::TimedOut
            }
            ReceiveError::Truncated { cause } => cause.io_kind(),
            ReceiveError::ClosedInsideFrame { .. } => io::ErrorKind::UnexpectedEof,
        }
    }
}

impl<E> fmt::Display for ReceiveError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReceiveError::Io(_) => f.write_str("receiving from the socket failed"),
            ReceiveError::MissingFds { declared, available } => {
                write!(f, "a frame declares {}, {available} are available", Descriptors(*declared))
            }
            ReceiveError::AmbiguousFds { declared, available } => write!(
                f,
                "a frame declares {declared} of {} that arrived together, some of which may belong to a \
                 discarded frame",
                Descriptors(*available)
            ),
            ReceiveError::UnclaimedFds { count } => {
                write!(f, "received {} that no frame claimed", Descriptors(*count))
            }
            ReceiveError::TooManyFds { count, limit } => {
                write!(f, "received {} in one message, limit is {limit}", Descriptors(*count))
            }
            ReceiveError::TooManyWaitingFds { waiting, limit } => {
                let waiting = Descriptors(*waiting);
                write!(f, "{waiting} wait for their frames, limit is {limit}")
            }
            ReceiveError::FdsOverdue { waiting } => {
                let waiting = Descriptors(*waiting);
                write!(f, "the timeout expired while {waiting} waited for the rest of a frame")
            }
            ReceiveError::FrameOverdue { bytes } => {
                write!(f, "only {bytes} bytes of a frame arrived before the timeout")
            }
            ReceiveError::FrameTooLong { length, limit } => {
                write!(f, "a frame has {length} bytes or more, limit is {limit}")
            }
            ReceiveError::ReadQueueFull { queued, limit } => write!(
                f,
                "the read queue of the stream has {} and no room for another message, limit is \
                 {limit}",
                Descriptors(*queued)
            ),
            ReceiveError::FdsOverBudget { count, available } => write!(
                f,
                "received {}, the account of the peer has room for {available}",
                Descriptors(*count)
            ),
            ReceiveError::BytesOverBudget { bytes } => write!(
                f,
                "a frame needs {bytes} bytes of memory, more than the account of the peer can ever hold"
            ),
            ReceiveError::Truncated { cause } => {
                write!(f, "the kernel did not deliver all descriptors of a message: {cause}")
            }
            ReceiveError::ClosedInsideFrame { bytes } => {
                write!(f, "the peer closed the connection {bytes} bytes into a frame")
            }
            ReceiveError::Codec(_) => f.write_str("the codec rejected the received bytes"),
        }
    }
}

impl<E: Error + 'static> Error for ReceiveError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ReceiveError::Io(error) => Some(error),
            ReceiveError::Codec(error) => Some(error),
            _ => None,
        }
    }
}

/// Returns the error of the socket as it is, and converts the error of the codec with `Into`. The
/// [`io::Error`] contains any other error ([`io::Error::get_ref`]).
impl<E> From<ReceiveError<E>> for io::Error
where
    E: Into<io::Error> + Error + Send + Sync + 'static,
{
    fn from(error: ReceiveError<E>) -> io::Error {
        match error {
            ReceiveError::Io(error) => error,
            ReceiveError::Codec(error) => error.into(),
            error => io::Error::new(error.io_kind(), error),
        }
    }
}

impl<E> From<TransferError> for ReceiveError<E> {
    fn from(error: TransferError) -> ReceiveError<E> {
        let error = match error {
            TransferError::Io(error) => return ReceiveError::Io(error),
            TransferError::Fd(error) => *error,
        };
        match error {
            FdError::TooManyReceived { count, limit, space: _ } => {
                ReceiveError::TooManyFds { count, limit }
            }
            FdError::Truncated { cause, received: _ } => ReceiveError::Truncated { cause },
            FdError::ReadQueueFull { queued, limit, fd_limit: _ } => {
                ReceiveError::ReadQueueFull { queued, limit }
            }
            FdError::OverBudget { count, available } => {
                ReceiveError::FdsOverBudget { count, available }
            }
            // None of these is about receiving.
            FdError::TooManyToSend { .. }
            | FdError::FdsWithoutBytes { .. }
            | FdError::WriteQueueNotEmpty { .. }
            | FdError::RefusedByPeer { .. }
            | FdError::TooManyInFlight { .. }
            | FdError::LimitOutOfRange { .. }
            | FdError::NotAUnixStream => ReceiveError::Io(error.into()),
        }
    }
}
