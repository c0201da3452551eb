//! Converting a stream into its parts and back.

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

/// The parts of a stream, which [`AnchovyStream::into_parts`] returns.
///
/// [`AnchovyStream::from_parts`] converts them back into a stream.
#[derive(Debug)]
#[non_exhaustive]
pub struct Parts {
    /// The socket. It is non-blocking.
    ///
    /// `SO_OOBINLINE` is on, so that a queued out-of-band byte is not lost. `SO_INQ` is off, even if the
    /// option was on before the socket became a stream: this crate does not read the former value. The
    /// exception is a stream that was created with
    /// [`StreamBuilder::inq(false)`](crate::StreamBuilder::inq), which does not change the option.
    pub socket: StdUnixStream,
    /// Received descriptors that the program has not taken.
    pub read_queue: VecDeque<OwnedFd>,
    /// Descriptors that were not sent.
    pub write_queue: VecDeque<OwnedFd>,
    /// The error of the read side, if the read side has failed. In this case, received descriptors
    /// were lost.
    pub read_error: Option<FdError>,
    limits: (ReceiveLimits, SendLimits),
    inq: bool,
}

impl<const S: usize> AnchovyStream<S> {
    /// Converts the stream into its parts: the socket, the queues, the error of a failed read side
    /// and the limits. Other code can then use the socket.
    ///
    /// The [account](Self::set_account) is not kept, and what is charged for this stream is released.
    /// `SO_INQ` is disabled if this crate has enabled it.
    ///
    /// # Errors
    ///
    /// Returns an error if the socket cannot be deregistered from tokio. The socket and all queued
    /// descriptors are closed.
    ///
    /// # Examples
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
    /// parts.socket.write_all(b"plain bytes")?; // does not send the descriptor
    ///
    /// let stream = AnchovyStream::<DBUS_SCM_RIGHTS>::from_parts(parts)?;
    /// assert_eq!(stream.write_queue().len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn into_parts(self) -> io::Result<Parts> {
        let AnchovyStream { socket, receiver, sender } = self;
        let inq = socket.permits_inq();
        Ok(Parts {
            socket: socket.into_std()?,
            read_queue: receiver.queue,
            write_queue: sender.queue,
            read_error: receiver.failed.map(|error| *error),
            limits: (receiver.limits, sender.limits),
            inq,
        })
    }

    /// Converts the parts of a stream back into a stream, with its queues and limits.
    ///
    /// The stream has no [account](Self::set_account). A read side that has failed stays failed. The
    /// parts may be of a stream with another `S`: limits for one message that exceed
    /// [`FD_LIMIT`](Self::FD_LIMIT) are reduced to `FD_LIMIT`.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`new`](Self::new). The socket and all queued descriptors are
    /// closed.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O enabled.
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
                failed: parts.read_error.map(Box::new),
                ..Receiver::new(ReceiveLimits {
                    space,
                    fd_limit: receive.fd_limit.min(space.fds()),
                    ..receive
                })
            },
            sender: Sender {
                queue: parts.write_queue,
                limits: SendLimits { space, fd_limit: send.fd_limit.min(space.fds()), ..send },
            },
        })
    }
}
