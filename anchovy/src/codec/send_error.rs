//! The error of the sending side of a framed stream.

use std::error::Error;
use std::fmt;
use std::io;

use super::flush_error::FlushError;
use crate::error::descriptors::Descriptors;
use crate::error::transfer_error::TransferError;

/// A frame that was rejected, or a flush that failed.
///
/// If the frame was not accepted, `unsent` is the unchanged frame: no byte of it was sent, and none of its
/// descriptors was closed.
///
/// If a flush failed, what was not sent stays in the buffer. If the kernel refused the descriptors of a frame
/// in the buffer, [`take_refused`] removes that frame.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/codec/tests/lines.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// use anchovy::codec::{Framed, SendErrorKind};
/// use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
///
/// let (mut near, _far) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
/// near.set_write_fd_limit(0).expect("less than S allows");
/// let mut near = Framed::new(near, Lines);
///
/// let null = std::fs::File::open("/dev/null")?;
/// let rejected = near.send(("a file".to_owned(), vec![null.into()])).await.unwrap_err();
/// assert!(matches!(rejected.kind, SendErrorKind::TooManyFds { count: 1, limit: 0 }));
/// let (text, fds) = rejected.unsent.expect("the frame");
/// assert_eq!((&text[..], fds.len()), ("a file", 1));
/// # Ok(())
/// # }
/// ```
///
/// [`take_refused`]: crate::codec::Framed::take_refused
pub struct SendError<T, K> {
    /// The frame, if it was not accepted.
    pub unsent: Option<T>,
    /// The reason.
    pub kind: K,
}

/// Frames need not implement `Debug`, and are not shown.
impl<T, K: fmt::Debug> fmt::Debug for SendError<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unsent = self.unsent.as_ref().map(|_| format_args!(".."));
        f.debug_struct("SendError").field("unsent", &unsent).field("kind", &self.kind).finish()
    }
}

impl<T, K: fmt::Display> fmt::Display for SendError<T, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl<T, K: Error> Error for SendError<T, K> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.kind.source()
    }
}

/// Drops the frame, so that `?` works if the caller does not need it.
impl<T, K: Into<io::Error>> From<SendError<T, K>> for io::Error {
    fn from(error: SendError<T, K>) -> io::Error {
        error.kind.into()
    }
}

/// Why a frame was rejected, or a flush failed.
///
/// `E` is the codec's own error ([`Encoder::Error`](super::Encoder::Error)).
#[derive(Debug)]
#[non_exhaustive]
pub enum SendErrorKind<E> {
    /// The socket failed.
    Io(io::Error),
    /// The frame has more descriptors than the
    /// [limit of the stream](crate::AnchovyStream::write_fd_limit).
    ///
    /// As an [`io::Error`], its kind is [`InvalidInput`](io::ErrorKind::InvalidInput).
    TooManyFds {
        /// Number of descriptors of the frame.
        count: usize,
        /// The most that may be sent with one message.
        limit: usize,
    },
    /// The frame has descriptors but no bytes.
    ///
    /// As an [`io::Error`], its kind is [`InvalidInput`](io::ErrorKind::InvalidInput).
    FdsWithoutBytes {
        /// Number of descriptors of the frame.
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
    /// In the first case, the same frame can be sent after receivers have read. As an [`io::Error`], its kind
    /// is [`QuotaExceeded`](io::ErrorKind::QuotaExceeded).
    TooManyFdsInFlight {
        /// Number of descriptors of the frame.
        count: usize,
    },
    /// The frame borrows descriptors ([`Encoder::borrowed_fds`](super::Encoder::borrowed_fds)), so
    /// it cannot be kept in the buffer.
    ///
    /// [`Framed::send`](super::Framed::send) accepts it; `feed` and the `Sink` do not. As an
    /// [`io::Error`], its kind is [`InvalidInput`](io::ErrorKind::InvalidInput).
    BorrowedFds {
        /// Number of descriptors that the frame borrows.
        count: usize,
    },
    /// The frame borrows descriptors and owns others, and they would have to be sent in one message.
    ///
    /// An encoder for such frames returns all of them from
    /// [`borrowed_fds`](super::Encoder::borrowed_fds). As an [`io::Error`], its kind is
    /// [`InvalidInput`](io::ErrorKind::InvalidInput).
    OwnedAndBorrowedFds {
        /// Number of descriptors that the frame owns.
        owned: usize,
        /// Number of descriptors that the frame borrows.
        borrowed: usize,
    },
    /// The codec rejected the frame.
    Codec(E),
}

impl<E> SendErrorKind<E> {
    fn io_kind(&self) -> io::ErrorKind {
        match self {
            SendErrorKind::Io(error) => error.kind(),
            SendErrorKind::TooManyFds { .. }
            | SendErrorKind::FdsWithoutBytes { .. }
            | SendErrorKind::WriteQueueNotEmpty { .. }
            | SendErrorKind::BorrowedFds { .. }
            | SendErrorKind::OwnedAndBorrowedFds { .. }
            | SendErrorKind::Codec(_) => io::ErrorKind::InvalidInput,
            SendErrorKind::FdsRefusedByPeer { .. } => io::ErrorKind::PermissionDenied,
            SendErrorKind::TooManyFdsInFlight { .. } => io::ErrorKind::QuotaExceeded,
        }
    }
}

impl<E> fmt::Display for SendErrorKind<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = match *self {
            SendErrorKind::Io(_) => return f.write_str("sending to the socket failed"),
            SendErrorKind::BorrowedFds { count } => {
                return write!(
                    f,
                    "a frame that borrows {} cannot wait in the buffer; use the `send` method of \
                     the framed stream",
                    Descriptors(count)
                );
            }
            SendErrorKind::OwnedAndBorrowedFds { owned, borrowed } => {
                return write!(
                    f,
                    "a frame owns {} and borrows {borrowed}; return all of them from `borrowed_fds`",
                    Descriptors(owned)
                );
            }
            SendErrorKind::Codec(_) => return f.write_str("the codec rejected the frame"),
            SendErrorKind::TooManyFds { count, limit } => FlushError::TooManyFds { count, limit },
            SendErrorKind::FdsWithoutBytes { count } => FlushError::FdsWithoutBytes { count },
            SendErrorKind::WriteQueueNotEmpty { queued } => {
                FlushError::WriteQueueNotEmpty { queued }
            }
            SendErrorKind::FdsRefusedByPeer { count } => FlushError::FdsRefusedByPeer { count },
            SendErrorKind::TooManyFdsInFlight { count } => FlushError::TooManyFdsInFlight { count },
        };
        shared.fmt(f)
    }
}

impl<E: Error + 'static> Error for SendErrorKind<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            SendErrorKind::Io(error) => Some(error),
            SendErrorKind::Codec(error) => Some(error),
            _ => None,
        }
    }
}

/// Returns the error of the socket as it is, and converts the error of the codec with `Into`. The
/// [`io::Error`] contains any other error ([`io::Error::get_ref`]).
impl<E> From<SendErrorKind<E>> for io::Error
where
    E: Into<io::Error> + Error + Send + Sync + 'static,
{
    fn from(error: SendErrorKind<E>) -> io::Error {
        match error {
            SendErrorKind::Io(error) => error,
            SendErrorKind::Codec(error) => error.into(),
            error => io::Error::new(error.io_kind(), error),
        }
    }
}

impl<E> From<FlushError> for SendErrorKind<E> {
    fn from(error: FlushError) -> SendErrorKind<E> {
        match error {
            FlushError::Io(error) => SendErrorKind::Io(error),
            FlushError::TooManyFds { count, limit } => SendErrorKind::TooManyFds { count, limit },
            FlushError::FdsWithoutBytes { count } => SendErrorKind::FdsWithoutBytes { count },
            FlushError::WriteQueueNotEmpty { queued } => {
                SendErrorKind::WriteQueueNotEmpty { queued }
            }
            FlushError::FdsRefusedByPeer { count } => SendErrorKind::FdsRefusedByPeer { count },
            FlushError::TooManyFdsInFlight { count } => SendErrorKind::TooManyFdsInFlight { count },
        }
    }
}

impl<E> From<TransferError> for SendErrorKind<E> {
    fn from(error: TransferError) -> SendErrorKind<E> {
        FlushError::from(error).into()
    }
}
