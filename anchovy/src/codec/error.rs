//! What goes wrong between bytes and items.

use std::error::Error;
use std::fmt;
use std::io;

use crate::error::Truncation;

/// Why items cannot be told from the stream any more.
///
/// It travels inside an [`io::Error`], as [`FdError`](crate::FdError) does, and [`CodecError::of`]
/// takes it out. Each ends the receiving side: all descriptors that wait are closed, all bytes that
/// are not decoded are dropped, and the stream of items is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CodecError {
    /// Descriptors came with bytes whose items did not claim them.
    ///
    /// The item that was decoded last is not handed over either, for it may have claimed the wrong
    /// ones. [`io::ErrorKind::InvalidData`].
    Unclaimed {
        /// Descriptors that nothing claimed.
        count: usize,
    },
    /// An item declares more descriptors than came with its bytes.
    ///
    /// [`io::ErrorKind::InvalidData`].
    Missing {
        /// Descriptors that the item declares.
        declared: usize,
        /// Descriptors that came with its bytes and were not claimed by an earlier item.
        arrived: usize,
        /// Why the kernel cut a set that came with its bytes, if it did.
        truncated: Option<Truncation>,
    },
    /// More descriptors wait than may, and no item is complete to claim them.
    ///
    /// [`io::ErrorKind::QuotaExceeded`].
    TooManyWaiting {
        /// Descriptors that wait.
        waiting: usize,
        /// The most that may wait, less one full set.
        limit: usize,
    },
    /// An item is longer than it may be.
    ///
    /// [`io::ErrorKind::InvalidData`].
    TooLong {
        /// Bytes of the item, as far as they are known.
        length: usize,
        /// The most bytes that an item may have.
        limit: usize,
    },
    /// Descriptors waited too long for the rest of their item.
    ///
    /// [`io::ErrorKind::TimedOut`].
    Overdue {
        /// Descriptors that wait.
        waiting: usize,
    },
    /// The stream ended inside an item.
    ///
    /// [`io::ErrorKind::UnexpectedEof`].
    EndInsideItem {
        /// Bytes of the item that did arrive.
        bytes: usize,
    },
}

impl CodecError {
    /// The error of the codec inside `error`, if there is one.
    ///
    /// ```
    /// use anchovy::codec::CodecError;
    ///
    /// let error = std::io::Error::from(CodecError::Unclaimed { count: 2 });
    /// assert_eq!(CodecError::of(&error), Some(CodecError::Unclaimed { count: 2 }));
    /// ```
    pub fn of(error: &io::Error) -> Option<CodecError> {
        error.get_ref()?.downcast_ref().copied()
    }

    /// The [`io::ErrorKind`] of the [`io::Error`] that carries this.
    pub fn kind(&self) -> io::ErrorKind {
        match self {
            CodecError::Unclaimed { .. }
            | CodecError::Missing { .. }
            | CodecError::TooLong { .. } => io::ErrorKind::InvalidData,
            CodecError::TooManyWaiting { .. } => io::ErrorKind::QuotaExceeded,
            CodecError::Overdue { .. } => io::ErrorKind::TimedOut,
            CodecError::EndInsideItem { .. } => io::ErrorKind::UnexpectedEof,
        }
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            CodecError::Unclaimed { count } => {
                write!(f, "{count} descriptors came with items that did not claim them")?;
            }
            CodecError::Missing { declared, arrived, truncated } => {
                write!(f, "an item declares {declared} descriptors, {arrived} came with it")?;
                if let Some(cause) = truncated {
                    write!(f, " (the kernel cut a set: {cause})")?;
                }
            }
            CodecError::TooManyWaiting { waiting, limit } => {
                write!(f, "{waiting} descriptors wait for one item, which may have {limit}")?;
            }
            CodecError::TooLong { length, limit } => {
                write!(f, "an item has {length} bytes or more, the limit is {limit}")?;
            }
            CodecError::Overdue { waiting } => {
                write!(f, "{waiting} descriptors waited too long for the rest of their item")?;
            }
            CodecError::EndInsideItem { bytes } => {
                write!(f, "the stream ended {bytes} bytes into an item")?;
            }
        }
        f.write_str("; what had arrived was closed and the stream of items is over")
    }
}

impl Error for CodecError {}

impl From<CodecError> for io::Error {
    fn from(error: CodecError) -> io::Error {
        io::Error::new(error.kind(), error)
    }
}

/// An item that was refused, or a flush that failed.
///
/// What `start_send` refuses comes back whole: nothing of it was sent or closed, and the sink takes
/// other items. What a flush could not send is still there, and can be [taken back]
/// where its descriptors are the cause.
///
/// ```
/// # include!(concat!(env!("CARGO_MANIFEST_DIR"), "/src/codec/lines.rs"));
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> io::Result<()> {
/// use anchovy::codec::Framed;
/// use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
/// use futures_util::SinkExt;
///
/// let (mut near, _far) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
/// near.set_write_fd_limit(0).expect("less than S allows");
/// let mut near = Framed::new(near, Lines);
///
/// let null = std::fs::File::open("/dev/null")?;
/// let refused = near.send(("a file".to_owned(), vec![null.into()])).await.unwrap_err();
/// let (text, fds) = refused.item.expect("it was refused");
/// assert_eq!((&text[..], fds.len()), ("a file", 1));
/// # Ok(())
/// # }
/// ```
///
/// [taken back]: crate::codec::Framed::take_refused
#[derive(Debug)]
pub struct SendError<Item, E> {
    /// The item, if it was refused.
    pub item: Option<Item>,
    /// Why.
    pub error: E,
}

impl<Item, E: fmt::Display> fmt::Display for SendError<Item, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<Item: fmt::Debug, E: Error + 'static> Error for SendError<Item, E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

/// Drops the item, so that `?` works where nobody wants it back.
impl<Item> From<SendError<Item, io::Error>> for io::Error {
    fn from(error: SendError<Item, io::Error>) -> io::Error {
        error.error
    }
}
