//! The common code of the tests: the harness of the workspace, and functions for streams.

use std::os::unix::net::UnixStream as StdUnixStream;

use anchovy::{
    AnchovyStream, AncillarySpace, DBUS_SCM_RIGHTS, FdError, ValidSpace, WAYLAND_SCM_RIGHTS,
};

pub(crate) use interop_tests::*;

pub(crate) type Dbus = AnchovyStream<DBUS_SCM_RIGHTS>;
pub(crate) type Wayland = AnchovyStream<WAYLAND_SCM_RIGHTS>;

pub(crate) fn fd_error(error: std::io::Error) -> FdError {
    FdError::from_io_error(&error)
        .unwrap_or_else(|| panic!("an error about descriptors, not {error:?}"))
}

/// Returns a stream, and a foreign blocking socket at its other end.
pub(crate) fn with_foreign<const S: usize>() -> (AnchovyStream<S>, StdUnixStream)
where
    AncillarySpace<S>: ValidSpace,
{
    let (near, far) = StdUnixStream::pair().expect("a pair");
    (AnchovyStream::new(near).expect("a stream"), far)
}
