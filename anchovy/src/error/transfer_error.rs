//! The error of one read or write, with its type kept.

use std::io;

use super::fd_error::FdError;

/// Why a read or a write failed.
///
/// It becomes an [`io::Error`] in the public methods only, so that the codec can tell the causes
/// apart without a downcast. The [`FdError`] is boxed to keep a `Poll<Result<usize, _>>` as small
/// as that of an [`io::Error`].
#[derive(Debug)]
pub(crate) enum TransferError {
    /// The system call failed, or would have blocked.
    Io(io::Error),
    /// Descriptors are the cause.
    Fd(Box<FdError>),
}

impl From<io::Error> for TransferError {
    fn from(error: io::Error) -> TransferError {
        TransferError::Io(error)
    }
}

impl From<FdError> for TransferError {
    fn from(error: FdError) -> TransferError {
        TransferError::Fd(Box::new(error))
    }
}

impl From<TransferError> for io::Error {
    #[inline]
    fn from(error: TransferError) -> io::Error {
        match error {
            TransferError::Io(error) => error,
            TransferError::Fd(error) => io::Error::from(*error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use super::*;

    #[test]
    fn a_result_is_as_small_as_with_an_io_error() {
        let size = size_of::<Poll<Result<usize, TransferError>>>();
        assert_eq!(size, size_of::<Poll<io::Result<usize>>>());
    }
}
