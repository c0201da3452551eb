//! Making streams, with limits and options of their own.

use std::io;
use std::path::Path;

use tokio::net::UnixStream;

use crate::connect::{ConnectError, connect};
use crate::error::fd_error::FdError;
use crate::into_stream::IntoUnixStream;
use crate::receive::{ReceiveLimits, Receiver};
use crate::send::{SendLimits, Sender};
use crate::socket::Socket;
use crate::space::Space;
use crate::stream::anchovy_stream::AnchovyStream;
use crate::valid_space::{AncillarySpace, ValidSpace};

/// A builder for [`AnchovyStream`]; see [`AnchovyStream::builder`].
///
/// What is not set is as for [`AnchovyStream::new`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
///
/// // What a message bus takes from a stranger.
/// let (socket, _peer) = std::os::unix::net::UnixStream::pair()?;
/// let stream = AnchovyStream::<DBUS_SCM_RIGHTS>::builder()
///     .read_fd_limit(16)
///     .read_queue_limit(64)
///     .build(socket)?;
/// assert_eq!(stream.read_fd_limit(), 16);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct StreamBuilder<const S: usize> {
    read_fd_limit: Option<usize>,
    read_queue_limit: Option<usize>,
    write_fd_limit: Option<usize>,
    spread_fds: bool,
    inq: bool,
}

impl<const S: usize> AnchovyStream<S> {
    /// Takes over the `UnixStream` of std or of tokio, or another stream, which keeps its queues.
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
    pub fn new(stream: impl IntoUnixStream) -> io::Result<Self>
    where
        AncillarySpace<S>: ValidSpace,
    {
        Self::builder().build(stream)
    }

    /// Creates a builder, which sets limits and options of the stream.
    pub fn builder() -> StreamBuilder<S>
    where
        AncillarySpace<S>: ValidSpace,
    {
        StreamBuilder::new()
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
    pub async fn connect(path: impl AsRef<Path>) -> Result<Self, ConnectError>
    where
        AncillarySpace<S>: ValidSpace,
    {
        Self::builder().connect(path).await
    }

    /// Creates a pair of connected streams.
    ///
    /// # Errors
    ///
    /// Those of socketpair(2).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O enabled.
    pub fn pair() -> io::Result<(Self, Self)>
    where
        AncillarySpace<S>: ValidSpace,
    {
        Self::builder().pair()
    }
}

impl<const S: usize> StreamBuilder<S> {
    pub(crate) fn new() -> Self {
        StreamBuilder {
            read_fd_limit: None,
            read_queue_limit: None,
            write_fd_limit: None,
            spread_fds: false,
            inq: true,
        }
    }

    /// Sets the most descriptors that may arrive with one message; exact, and 0 for none at all.
    ///
    /// By default [`AnchovyStream::FD_LIMIT`], which is also the most that it can be.
    pub fn read_fd_limit(mut self, limit: usize) -> Self {
        self.read_fd_limit = Some(limit);
        self
    }

    /// Sets the most descriptors that may wait in the read queue, at least those of one message; see
    /// [`AnchovyStream::set_read_queue_limit`].
    ///
    /// By default [`AnchovyStream::DEFAULT_READ_QUEUE_LIMIT`].
    pub fn read_queue_limit(mut self, limit: usize) -> Self {
        self.read_queue_limit = Some(limit);
        self
    }

    /// Sets the most descriptors that may leave with one write; 0 for none at all.
    ///
    /// By default [`AnchovyStream::FD_LIMIT`], which is also the most that it can be.
    pub fn write_fd_limit(mut self, limit: usize) -> Self {
        self.write_fd_limit = Some(limit);
        self
    }

    /// Sets whether a write queue with more descriptors than one message may carry is spread over
    /// several messages. Default: `false`, and such a write is [`FdError::TooManyToSend`].
    ///
    /// With `true`, a full set of [`write_fd_limit`](Self::write_fd_limit) descriptors leaves with each
    /// of the first bytes of a write, in order, and the rest of the queue with the bytes after those. A
    /// write with fewer bytes than sets is [`FdError::FdsWithoutBytes`]; nothing is sent then.
    ///
    /// This is for protocols that take descriptors first in, first out, whichever bytes they came
    /// with, and do not use a message before it is whole. Wayland is one: the 8 bytes of a header have
    /// room for 224 descriptors. It is not the default because it must not be used where descriptors
    /// belong to the bytes or to the message that they came with, as in D-Bus: a receiver that looks
    /// for them at the first byte finds the first set only.
    ///
    /// If the socket is full between two sets, or the [account](AnchovyStream::set_account) has no room
    /// for the next one, the write returns the number of bytes that have left. The descriptors that
    /// have left with them are closed on this side, the [write queue](AnchovyStream::write_queue) holds
    /// the others, and the next write goes on with them; `write_all` does so by itself. The same holds
    /// if a `write_all` is dropped half way.
    ///
    /// [`send_with_fds`](AnchovyStream::send_with_fds) sends one message, with this switch as well.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// use anchovy::{AnchovyStream, WAYLAND_SCM_RIGHTS};
    /// use tokio::io::{AsyncReadExt, AsyncWriteExt};
    ///
    /// let builder = AnchovyStream::<WAYLAND_SCM_RIGHTS>::builder().spread_fds(true);
    /// let (mut client, mut compositor) = builder.pair()?;
    /// for _ in 0..60 {
    ///     client.write_queue_mut().push_back(std::fs::File::open("/dev/null")?.into());
    /// }
    /// client.write_all(b"a header").await?; // 28, 28 and 4 descriptors
    ///
    /// compositor.read_exact(&mut [0; 8]).await?;
    /// assert_eq!(compositor.read_queue().len(), 60);
    /// # Ok(())
    /// # }
    /// ```
    pub fn spread_fds(mut self, spread: bool) -> Self {
        self.spread_fds = spread;
        self
    }

    /// Sets whether to enable `SO_INQ`, if the kernel knows it (Linux 6.17). Enabled by default.
    ///
    /// It makes every receive say how many bytes are still queued, which saves reads that find
    /// nothing. Without it, a read that does not fill its buffer costs another system call (`FIONREAD`).
    ///
    /// It belongs to the socket, not to the descriptor: where the socket is shared with others that
    /// receive from it (a duplicate, another process), it makes their `recvmsg` with an exact or no
    /// control buffer show `MSG_CTRUNC`, and is better kept off.
    pub fn inq(mut self, on: bool) -> Self {
        self.inq = on;
        self
    }

    /// Takes over the `UnixStream` of std or of tokio, or another stream, which keeps its queues.
    ///
    /// # Errors
    ///
    /// [`FdError::LimitOutOfRange`], [`FdError::NotAUnixStream`], and those of the system. The
    /// socket is closed then.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O enabled, as tokio's own `from_std` does.
    pub fn build(&self, stream: impl IntoUnixStream) -> io::Result<AnchovyStream<S>> {
        let (mut receiver, mut sender) = self.sides()?;
        let taken = stream.into_taken()?;
        (receiver.queue, receiver.failed) = (taken.read_queue, taken.read_error);
        sender.queue = taken.write_queue;
        let socket = self.with_options(taken.socket)?;
        Ok(AnchovyStream { socket, receiver, sender })
    }

    /// Connects to the socket at `path`; see [`AnchovyStream::connect`].
    ///
    /// # Errors
    ///
    /// [`ConnectError`], with [`Limit`](ConnectError::Limit) before anything is connected.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time enabled.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the socket is closed.
    pub async fn connect(&self, path: impl AsRef<Path>) -> Result<AnchovyStream<S>, ConnectError> {
        self.check()?;
        let path = path.as_ref();
        let stream = connect(path).await?;
        self.registered(stream).map_err(|error| ConnectError::Io { path: path.to_owned(), error })
    }

    /// Creates a pair of connected streams, both with these limits.
    ///
    /// # Errors
    ///
    /// [`FdError::LimitOutOfRange`], and those of socketpair(2).
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O enabled.
    pub fn pair(&self) -> io::Result<(AnchovyStream<S>, AnchovyStream<S>)> {
        self.check()?;
        let (left, right) = UnixStream::pair()?;
        Ok((self.registered(left)?, self.registered(right)?))
    }

    /// Checks the limits.
    pub(crate) fn check(&self) -> Result<(), FdError> {
        self.sides().map(drop)
    }

    /// Makes a stream of a socket that tokio has made and never read from.
    pub(crate) fn registered(&self, stream: UnixStream) -> io::Result<AnchovyStream<S>> {
        let (receiver, sender) = self.sides()?;
        let socket = self.with_options(Socket::registered(stream)?)?;
        Ok(AnchovyStream { socket, receiver, sender })
    }

    fn with_options(&self, socket: Socket) -> io::Result<Socket> {
        if self.inq { Ok(socket.with_inq()) } else { socket.without_inq() }
    }

    fn sides(&self) -> Result<(Receiver, Sender), FdError> {
        let space = const { Space::from_bytes(S) };

        let mut receive = ReceiveLimits::new(space);
        if let Some(limit) = self.read_fd_limit {
            receive = receive.with_fd_limit(limit)?;
        }
        if let Some(limit) = self.read_queue_limit {
            receive = receive.with_queue_limit(limit)?;
        }

        let mut send = SendLimits { spread_fds: self.spread_fds, ..SendLimits::new(space) };
        if let Some(limit) = self.write_fd_limit {
            send = send.with_fd_limit(limit)?;
        }
        Ok((Receiver::new(receive), Sender::new(send)))
    }
}
