//! System calls and the readiness of their socket.

use std::io::{self, ErrorKind};

use tokio::io::Interest;

/// A transfer that has succeeded.
#[derive(Debug)]
pub(crate) struct Transfer<R> {
    pub(crate) value: R,
    /// Whether another transfer would have to wait. Then the readiness is cleared, and the next event
    /// sets it again.
    pub(crate) exhausts: bool,
}

/// A socket that knows whether it is ready.
pub(crate) trait TryIo {
    /// Calls `io` if the socket is ready, and returns `WouldBlock` otherwise. Clears the readiness if `io`
    /// returns `WouldBlock`.
    fn try_io<R>(&self, interest: Interest, io: impl FnOnce() -> io::Result<R>) -> io::Result<R>;

    /// Transfers as [`try_io`](Self::try_io) does. Also clears the readiness if the transfer exhausts it.
    fn try_transfer<R>(
        &self,
        interest: Interest,
        io: impl FnOnce() -> io::Result<Transfer<R>>,
    ) -> io::Result<R> {
        let mut last = None;
        let outcome = self.try_io(interest, || {
            let Transfer { value, exhausts } = io()?;
            if exhausts {
                last = Some(value);
                return Err(ErrorKind::WouldBlock.into());
            }
            Ok(value)
        });
        last.map_or(outcome, Ok)
    }
}
