//! A stream taken apart, and put together again.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;

use super::anchovy_stream::AnchovyStream;
use crate::error::fd_error::FdError;
use crate::receive::{ReceiveLimits, Receiver};
use crate::send::{SendLimits, Sender};
use crate::socket::Socket;
use crate::space::Space;
use crate::valid_space::{AncillarySpace, ValidSpace};

/// A stream taken apart; nothing of it is lost.
///
/// [`AnchovyStream::from_parts`] puts it together again.
#[derive(Debug)]
#[non_exhaustive]
pub struct Parts {
    /// The socket, non-blocking, with `SO_OOBINLINE` on, so that an out-of-band byte that is queued is
    /// not lost, and with `SO_INQ` off if this crate had it on. (The kernel does
    /// not tell whether it was on before; [`StreamBuilder::inq`](crate::StreamBuilder::inq) keeps
    /// it off.)
    pub socket: StdUnixStream,
    /// Descriptors that arrived and were not taken.
    pub read_queue: VecDeque<OwnedFd>,
    /// Descriptors that have not left.
    pub write_queue: VecDeque<OwnedFd>,
    /// Why the read side had failed, if it had: descriptors are missing from the read queue.
    pub read_error: Option<FdError>,
    limits: (ReceiveLimits, SendLimits),
    inq: bool,
}

impl<const S: usize> AnchovyStream<S> {
    /// Takes the stream apart, losing nothing, to give the socket to somebody else.
    ///
    /// `SO_INQ` is switched off, if this crate had it on.
    ///
    /// # Errors
    ///
    /// Those of the system, if the socket cannot be taken from tokio; everything is closed then.
    ///
    /// ```
    /// # use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// use std::io::Write;
    ///
    /// let (mut stream, _peer) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
    /// stream.write_queue_mut().push_back(std::fs::File::open("/dev/null")?.into());
    ///
    /// let mut parts = stream.into_parts()?;
    /// assert_eq!(parts.write_queue.len(), 1);
    /// parts.socket.write_all(b"plain bytes")?; // The descriptor has not left.
    ///
    /// let stream = AnchovyStream::<DBUS_SCM_RIGHTS>::from_parts(parts)?;
    /// assert_eq!(stream.write_queue().len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_parts(self) -> io::Result<Parts> {
        let AnchovyStream { socket, receiver, sender } = self;
        let inq = socket.has_inq();
        Ok(Parts {
            socket: socket.into_std()?,
            read_queue: receiver.queue,
            write_queue: sender.queue,
            read_error: receiver.failed,
            limits: (receiver.limits, sender.limits),
            inq,
        })
    }

    /// Puts a stream together that was taken apart, with its limits and its queues.
    ///
    /// A read side that had failed stays failed. Where the stream had another `S`, the limits are
    /// cut to what this one allows.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new); everything is closed then.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O enabled.
    pub fn from_parts(parts: Parts) -> io::Result<Self>
    where
        AncillarySpace<S>: ValidSpace,
    {
        let space = const { Space::from_bytes(S) };
        let (receive, send) = parts.limits;
        let socket = Socket::new(parts.socket)?;
        Ok(AnchovyStream {
            socket: if parts.inq { socket.with_inq() } else { socket },
            receiver: Receiver {
                queue: parts.read_queue,
                failed: parts.read_error,
                ..Receiver::new(ReceiveLimits {
                    space,
                    fd_limit: receive.fd_limit.min(space.fds),
                    ..receive
                })
            },
            sender: Sender {
                queue: parts.write_queue,
                limits: SendLimits { space, fd_limit: send.fd_limit.min(space.fds), ..send },
            },
        })
    }
}
