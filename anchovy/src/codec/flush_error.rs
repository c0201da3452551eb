//! The error of a flush.

use std::error::Error;
use std::fmt;
use std::io;

use crate::error::descriptors::Descriptors;
use crate::error::fd_error::FdError;
use crate::error::transfer_error::TransferError;

/// Why a flush failed; from the `flush` and `close` methods of [`Framed`](super::Framed) and
/// [`FramedWrite`](super::FramedWrite).
///
/// What was not sent stays in the buffer. If the kernel refused the descriptors of a frame,
/// [`take_refused`](super::Framed::take_refused) removes that frame.
///
/// It converts into [`SendErrorKind<E>`](super::SendErrorKind) for every `E`, and into
/// [`io::Error`].
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/codec/tests/lines.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// use anchovy::UnixStream;
/// use anchovy::codec::{FlushError, Framed};
///
/// let (near, far) = UnixStream::pair()?;
/// if far.set_fd_passing(false).is_ok() {
///     let mut near = Framed::new(near, Lines);
///     let null = std::fs::File::open("/dev/null")?;
///     near.feed(("a file".to_owned(), vec![null.into()])).await?;
///     match near.flush().await {
///         Err(FlushError::FdsRefusedByPeer { count: 1 }) => drop(near.take_refused()),
///         other => panic!("{other:?}"),
///     }
///     near.flush().await?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum FlushError {
    /// The socket failed.
    Io(io::Error),
    /// A frame has more descriptors than the
    /// [limit of the stream](crate::AnchovyStream::write_fd_limit), which was lowered after the frame
    /// was accepted.
    ///
    /// As an [`io::Error`], its kind is [`InvalidInput`](io::ErrorKind::InvalidInput).
    TooManyFds {
        /// Number of descriptors of the frame.
        count: usize,
        /// The most that may be sent with one message.
        limit: usize,
    },
    /// There are descriptors, and no bytes to send them with.
    ///
    /// Either the framed stream is closed while the write queue of its stream has descriptors and no frame is
    /// in the buffer, or an [`FdSet`](super::FdSet) that was passed to
    /// [`Framed::from_parts`](super::Framed::from_parts) has an empty range.
    ///
    /// As an [`io::Error`], its kind is [`InvalidInput`](io::ErrorKind::InvalidInput).
    FdsWithoutBytes {
        /// Number of descriptors.
        count: usize,
    },
    /// Descriptors wait in the write queue of the stream, and would be sent with the frame.
    ///
    /// As an [`io::Error`], its kind is [`InvalidInput`](io::ErrorKind::InvalidInput).
    WriteQueueNotEmpty {
        /// Number of descriptors in the write queue.
        queued: usize,
    },
    /// The kernel refused to send descriptors to this peer (`EPERM`).
    ///
    /// The peer disabled them on its socket (`SO_PASSRIGHTS`), or a security module denied them. As
    /// an [`io::Error`], its kind is [`PermissionDenied`](io::ErrorKind::PermissionDenied).
    FdsRefusedByPeer {
        /// Number of descriptors of the frame.
        count: usize,
    },
    /// The user of this process has more descriptors in flight than `RLIMIT_NOFILE` (`ETOOMANYREFS`,
    /// unix(7)). Or the frame has more descriptors than the account of the peer could ever hold in flight;
    /// see [`FdError::TooManyInFlight`](crate::FdError::TooManyInFlight). Descriptors are in flight from the
    /// call that sends them until the peer receives them.
    ///
    /// In the first case, a later flush can send the same frame, after receivers have read. As an
    /// [`io::Error`], its kind is [`QuotaExceeded`](io::ErrorKind::QuotaExceeded).
    TooManyFdsInFlight {
        /// Number of descriptors of the frame.
        count: usize,
    },
}

impl FlushError {
    pub(super) fn io_kind(&self) -> io::ErrorKind {
        match self {
            FlushError::Io(error) => error.kind(),
            FlushError::TooManyFds { .. }
            | FlushError::FdsWithoutBytes { .. }
            | FlushError::WriteQueueNotEmpty { .. } => io::ErrorKind::InvalidInput,
            FlushError::FdsRefusedByPeer { .. } => io::ErrorKind::PermissionDenied,
            FlushError::TooManyFdsInFlight { .. } => io::ErrorKind::QuotaExceeded,
        }
    }
}

impl fmt::Display for FlushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FlushError::Io(_) => f.write_str("sending to the socket failed"),
            FlushError::TooManyFds { count, limit } => {
                write!(f, "a frame has {}, limit is {limit}", Descriptors(*count))
            }
            FlushError::FdsWithoutBytes { count } => {
                write!(f, "a frame has {} and no bytes", Descriptors(*count))
            }
            FlushError::WriteQueueNotEmpty { queued } => {
                let queued = Descriptors(*queued);
                write!(
                    f,
                    "{queued} in the write queue of the stream would be sent with the frame; write \
                     the queue first"
                )
            }
            FlushError::FdsRefusedByPeer { count } => {
                write!(f, "the kernel refused to send {} to this peer (EPERM)", Descriptors(*count))
            }
            FlushError::TooManyFdsInFlight { count } => write!(
                f,
                "sending {} would exceed the limit of descriptors in flight, RLIMIT_NOFILE \
                 (ETOOMANYREFS); try again after the receivers have read",
                Descriptors(*count)
            ),
        }
    }
}

impl Error for FlushError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            FlushError::Io(error) => Some(error),
            _ => None,
        }
    }
}

/// Returns the error of the socket as it is. The [`io::Error`] contains any other error
/// ([`io::Error::get_ref`]).
impl From<FlushError> for io::Error {
    fn from(error: FlushError) -> io::Error {
        match error {
            FlushError::Io(error) => error,
            error => io::Error::new(error.io_kind(), error),
        }
    }
}

impl From<TransferError> for FlushError {
    fn from(error: TransferError) -> FlushError {
        let error = match error {
            TransferError::Io(error) => return FlushError::Io(error),
            TransferError::Fd(error) => *error,
        };
        match error {
            FdError::TooManyToSend { count, limit, space: _ } => {
                FlushError::TooManyFds { count, limit }
            }
            FdError::FdsWithoutBytes { count } => FlushError::FdsWithoutBytes { count },
            FdError::WriteQueueNotEmpty { queued } => FlushError::WriteQueueNotEmpty { queued },
            FdError::RefusedByPeer { count } => FlushError::FdsRefusedByPeer { count },
            FdError::TooManyInFlight { count } => FlushError::TooManyFdsInFlight { count },
            // None of these is about sending.
            FdError::TooManyReceived { .. }
            | FdError::Truncated { .. }
            | FdError::ReadQueueFull { .. }
            | FdError::OverBudget { .. }
            | FdError::LimitOutOfRange { .. }
            | FdError::NotAUnixStream => FlushError::Io(error.into()),
        }
    }
}
