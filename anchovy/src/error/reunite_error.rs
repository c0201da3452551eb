//! The error of `reunite`.

use std::error::Error;
use std::fmt;

/// The error of `reunite` if the two halves belong to different streams.
///
/// It contains both halves: `R` is the read half and `W` the write half. They are the halves of
/// [`AnchovyStream::into_split`](crate::AnchovyStream::into_split), of a framed stream, or of a
/// connection of anchovy-dbus or anchovy-wayland.
pub struct ReuniteError<R, W>(pub R, pub W);

/// Omits the halves, which need not implement `Debug`.
impl<R, W> fmt::Debug for ReuniteError<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReuniteError").finish_non_exhaustive()
    }
}

impl<R, W> fmt::Display for ReuniteError<R, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the two halves belong to different streams")
    }
}

impl<R, W> Error for ReuniteError<R, W> {}
