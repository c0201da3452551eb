//! A stream: a socket, a receiving side and a sending side.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::path::Path;

use tokio::net::UnixStream;

use crate::builder::Builder;
use crate::connect::ConnectError;
use crate::error::fd_error::FdError;
use crate::receive::{ReceiveLimits, Receiver};
use crate::send::{SendLimits, Sender};
use crate::socket::Socket;
use crate::space::Space;
use crate::split::{self, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};

/// A Unix stream socket that carries descriptors beside bytes.
///
/// - **Sending**: push [`OwnedFd`]s to the [write queue](Self::write_queue_mut), then write. All of
///   them leave in one message with the first byte of that write, and the queue is empty. Or lend
///   them to [`send_with_fds`](Self::send_with_fds).
/// - **Receiving**: read. The descriptors that came with a read are at the back of the [read
///   queue](Self::read_queue_mut) when it returns, owned and close-on-exec.
///
/// `S` is the ancillary space, in bytes, of the most descriptors that one message may carry:
/// [`DBUS_SCM_RIGHTS`](crate::DBUS_SCM_RIGHTS), [`WAYLAND_SCM_RIGHTS`](crate::WAYLAND_SCM_RIGHTS),
/// or [`cmsg_space!(ScmRights(N))`](crate::cmsg_space) for N from 1 to 253. No other value builds:
///
/// ```compile_fail,E0080
/// // 28 descriptors were meant, but 28 bytes have room for none.
/// # let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
/// anchovy::AnchovyStream::<28>::new(socket);
/// ```
///
/// Counts that are sizes as well (32 or 40 bytes have room for 2 and 4) cannot be told apart, so
/// Debug and the errors of the limit name both, and so does [`FD_LIMIT`](Self::FD_LIMIT).
///
/// Dropping a stream closes what is left in its queues.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// let (mut left, mut right) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
///
/// left.write_queue_mut().push_back(std::fs::File::open("/dev/null")?.into());
/// left.write_all(b"have a file").await?;
///
/// let mut buf = [0; 11];
/// right.read_exact(&mut buf).await?;
/// let file = std::fs::File::from(right.read_queue_mut().pop_front().expect("it came along"));
/// assert_eq!(file.metadata()?.len(), 0);
/// # Ok(())
/// # }
/// ```
pub struct AnchovyStream<const S: usize> {
    socket: Socket,
    receiver: Receiver,
    sender: Sender,
}

/// A socket that can become an [`AnchovyStream`]: the `UnixStream` of std or of tokio, or an
/// `AnchovyStream` itself, also of another `S`.
///
/// An `AnchovyStream` keeps its queues and a failed read side, and gets new limits. A descriptor
/// becomes a `UnixStream` of std with `From<OwnedFd>`.
///
/// The trait is sealed.
pub trait IntoUnixStream: sealed::Sealed {}

impl IntoUnixStream for StdUnixStream {}
impl IntoUnixStream for UnixStream {}
impl<const S: usize> IntoUnixStream for AnchovyStream<S> {}

pub(crate) mod sealed {
    use super::*;

    pub trait Sealed {
        /// Takes the socket from its former owner, with what is queued beside it.
        fn into_taken(self, inq: bool) -> io::Result<Taken>;
    }

    /// A socket and what is queued beside it.
    #[derive(Debug)]
    pub struct Taken {
        pub(crate) socket: Socket,
        pub(crate) read_queue: VecDeque<OwnedFd>,
        pub(crate) write_queue: VecDeque<OwnedFd>,
        pub(crate) read_error: Option<FdError>,
    }

    impl Sealed for StdUnixStream {
        fn into_taken(self, inq: bool) -> io::Result<Taken> {
            Ok(Taken {
                socket: Socket::new(self, inq)?,
                read_queue: VecDeque::new(),
                write_queue: VecDeque::new(),
                read_error: None,
            })
        }
    }

    impl Sealed for UnixStream {
        fn into_taken(self, inq: bool) -> io::Result<Taken> {
            self.into_std()?.into_taken(inq)
        }
    }

    impl<const S: usize> Sealed for AnchovyStream<S> {
        fn into_taken(self, inq: bool) -> io::Result<Taken> {
            Ok(Taken {
                socket: self.socket.with_inq(inq)?,
                read_queue: self.receiver.queue,
                write_queue: self.sender.queue,
                read_error: self.receiver.failed,
            })
        }
    }
}

/// A stream taken apart; nothing of it is lost.
///
/// [`AnchovyStream::from_parts`] puts it together again.
#[derive(Debug)]
#[non_exhaustive]
pub struct Parts {
    /// The socket, non-blocking, and with `SO_INQ` off if this crate had it on. (The kernel does
    /// not tell whether it was on before; a [`Builder`] that is told to keep off it leaves it so.)
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
    /// Takes over the `UnixStream` of std or of tokio, or a stream of another `S`.
    ///
    /// One of std is made non-blocking. One of tokio is registered anew, for a read that ended
    /// behind a set of descriptors may have made it forget that more is queued; descriptors that
    /// such a read met are lost already.
    ///
    /// # Errors
    ///
    /// [`FdError::NotAUnixStream`], and those of the system. The socket is closed then.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O enabled, as tokio's own `from_std` does.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// use anchovy::{AnchovyStream, WAYLAND_SCM_RIGHTS};
    ///
    /// let (socket, _peer) = std::os::unix::net::UnixStream::pair()?;
    /// let stream = AnchovyStream::<WAYLAND_SCM_RIGHTS>::new(socket)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(stream: impl IntoUnixStream) -> io::Result<Self> {
        Self::builder().build(stream)
    }

    /// Limits and switches, before there is a stream.
    pub fn builder() -> Builder<S> {
        Builder::new()
    }

    /// Connects to the socket at `path`. A path that begins with a NUL byte is an abstract name
    /// (Linux), as for tokio's [`UnixStream::connect`].
    ///
    /// While the backlog of the listener is full, this waits as a blocking connect(2) does, for as
    /// long as that takes: use a timeout where the server may hang.
    ///
    /// # Errors
    ///
    /// [`ConnectError`], which tells a missing server from a missing permission.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the socket is closed.
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
    ///
    /// let bus = AnchovyStream::<DBUS_SCM_RIGHTS>::connect("/run/dbus/system_bus_socket").await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(path: impl AsRef<Path>) -> Result<Self, ConnectError> {
        Self::builder().connect(path).await
    }

    /// Two streams that are connected to each other.
    ///
    /// # Errors
    ///
    /// Those of socketpair(2).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O enabled.
    pub fn pair() -> io::Result<(Self, Self)> {
        Self::builder().pair()
    }

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
    pub fn from_parts(parts: Parts) -> io::Result<Self> {
        let space = const { Space::of(S) };
        let (receive, send) = parts.limits;
        Ok(AnchovyStream {
            socket: Socket::new(parts.socket, parts.inq)?,
            receiver: Receiver {
                queue: parts.read_queue,
                failed: parts.read_error,
                ..Receiver::new(ReceiveLimits { space, set: receive.set.min(space.fds), ..receive })
            },
            sender: Sender {
                queue: parts.write_queue,
                limits: SendLimits { space, set: send.set.min(space.fds) },
            },
        })
    }

    /// Borrows the two halves, to read and write at once in one task.
    ///
    /// ```
    /// # use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    ///
    /// let (mut stream, mut peer) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
    /// let (mut read, mut write) = stream.split();
    /// let mut buf = [0; 4];
    /// tokio::try_join!(write.write_all(b"ping"), peer.write_all(b"pong"), read.read_exact(&mut buf))?;
    /// assert_eq!(&buf, b"pong");
    /// # Ok(())
    /// # }
    /// ```
    pub fn split(&mut self) -> (ReadHalf<'_, S>, WriteHalf<'_, S>) {
        split::borrowed(&self.socket, &mut self.receiver, &mut self.sender)
    }

    /// Takes the stream apart into two halves that can be in two tasks.
    ///
    /// Each has its own queue. [`OwnedReadHalf::reunite`] makes them one stream again.
    ///
    /// ```
    /// # use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    ///
    /// let (stream, mut peer) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
    /// let (mut read, mut write) = stream.into_split();
    /// let writer = tokio::spawn(async move {
    ///     write.send_with_fds(b"ping", &[std::io::stdin()]).await
    /// }); // The write half is dropped there, and with it the write side shut down.
    ///
    /// let mut all = Vec::new();
    /// peer.read_to_end(&mut all).await?;
    /// assert_eq!((&all[..], peer.read_queue().len()), (&b"ping"[..], 1));
    /// peer.write_all(b"pong").await?;
    /// read.read_exact(&mut [0; 4]).await?;
    /// # writer.await?.map(drop)
    /// # }
    /// ```
    pub fn into_split(self) -> (OwnedReadHalf<S>, OwnedWriteHalf<S>) {
        split::owned(self.socket, self.receiver, self.sender)
    }

    pub(crate) fn assemble(socket: Socket, receiver: Receiver, sender: Sender) -> Self {
        AnchovyStream { socket, receiver, sender }
    }

    fn socket(&self) -> &Socket {
        &self.socket
    }

    fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    pub(crate) fn reading(&mut self) -> (&Socket, &mut Receiver) {
        (&self.socket, &mut self.receiver)
    }

    fn sender(&self) -> &Sender {
        &self.sender
    }

    pub(crate) fn writing(&mut self) -> (&Socket, &mut Sender) {
        (&self.socket, &mut self.sender)
    }
}

socket_face!([const S: usize] AnchovyStream<S>);
read_face!([const S: usize] AnchovyStream<S>);
write_face!([const S: usize] AnchovyStream<S>);

impl<const S: usize> fmt::Debug for AnchovyStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("AnchovyStream");
        debug.field("fd", &self.as_raw_fd()).field("S", &S).field("FD_LIMIT", &Self::FD_LIMIT);
        self.receiver.debug(&mut debug);
        self.sender.debug(&mut debug);
        debug.finish()
    }
}
