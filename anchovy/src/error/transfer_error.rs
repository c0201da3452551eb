//! The typed error of one read or write.

use std::io;

use super::fd_error::FdError;

/// The error of a read or a write.
///
/// Only the public methods convert it into an [`io::Error`], so the codec can distinguish the
/// causes without a downcast. The [`FdError`] is boxed so that `Poll<Result<usize, _>>` is as
/// small as with an [`io::Error`].
#[derive(Debug)]
pub(crate) enum TransferError {
    /// The system call failed, or would have blocked.
    Io(io::Error),
    /// The operation failed because of descriptors.
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
