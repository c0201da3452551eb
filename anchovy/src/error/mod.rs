//! Errors of the stream.
//!
//! The traits of tokio return [`io::Error`](std::io::Error). If descriptors are the cause, it
//! carries an [`FdError`], which [`FdError::from_io_error`] returns.

pub(crate) mod descriptors;
pub(crate) mod fd_error;
pub(crate) mod reunite_error;
pub(crate) mod transfer_error;
pub(crate) mod truncation;

pub use fd_error::FdError;
pub use reunite_error::ReuniteError;
pub use truncation::Truncation;
