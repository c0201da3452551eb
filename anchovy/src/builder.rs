//! Creating streams with limits and options.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use crate::connect::{ConnectError, connect};
use crate::error::fd_error::FdError;
use crate::into_stream::IntoUnixStream;
use crate::reactor::Stream;
use crate::receive::{ReceiveLimits, Receiver};
use crate::send::{SendLimits, Sender};
use crate::sender_credentials::set_passcred;
use crate::socket::Socket;
use crate::space::Space;
use crate::stream::anchovy_stream::AnchovyStream;
use crate::valid_space::{AncillarySpace, ValidSpace};

/// A builder for [`AnchovyStream`]; see [`AnchovyStream::builder`].
///
/// Options that are not set have the same values as for [`AnchovyStream::new`].
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
///
/// // Limits for an untrusted client of a message bus.
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
    sender_credentials: Option<bool>,
}

impl<const S: usize> AnchovyStream<S> {
    /// Converts the `UnixStream` of std or of tokio, or another `AnchovyStream`. Some properties of an
    /// `AnchovyStream` are kept; see [`IntoUnixStream`].
    ///
    /// A stream of std is made non-blocking. A stream of tokio is registered with the runtime again,
    /// because tokio may have recorded the socket as not readable although bytes are queued. This happens
    /// if a read of tokio ended early because of descriptors.
    ///
    /// A read without a control buffer (read(2), recv(2)) makes the kernel close the descriptors
    /// that were sent with those bytes. So do not read from the socket before the conversion.
    ///
    /// # Errors
    ///
    /// Returns [`FdError::NotAUnixStream`], or the error of a system call. The socket is closed.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O enabled, as tokio's `from_std` does.
    ///
    /// # Examples
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

    /// Returns a builder that sets limits and options of the stream.
    pub fn builder() -> StreamBuilder<S>
    where
        AncillarySpace<S>: ValidSpace,
    {
        StreamBuilder::new()
    }

    /// Connects to the socket at `path`. A path that begins with a NUL byte is an abstract name
    /// (Linux only), as for tokio's [`UnixStream::connect`](tokio::net::UnixStream::connect).
    ///
    /// While the backlog of the listener is full, this method waits without a time limit, as a
    /// blocking connect(2) does. Use a timeout if the server may hang.
    ///
    /// # Errors
    ///
    /// Returns a [`ConnectError`], whose variants distinguish causes such as a missing server and
    /// a missing permission.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, the socket is closed.
    ///
    /// # Examples
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
    /// Returns the error of socketpair(2).
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O enabled.
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
            sender_credentials: None,
        }
    }

    /// Sets the maximum number of descriptors in one received message; see
    /// [`AnchovyStream::set_read_fd_limit`]. With 0, a message must not have descriptors.
    ///
    /// `limit` can be any number up to [`AnchovyStream::FD_LIMIT`], also an odd one. Default:
    /// `FD_LIMIT`.
    pub fn read_fd_limit(mut self, limit: usize) -> Self {
        self.read_fd_limit = Some(limit);
        self
    }

    /// Sets the maximum number of descriptors in the read queue; see
    /// [`AnchovyStream::set_read_queue_limit`].
    ///
    /// `limit` must be at least [`read_fd_limit`](Self::read_fd_limit). Default:
    /// [`AnchovyStream::DEFAULT_READ_QUEUE_LIMIT`].
    pub fn read_queue_limit(mut self, limit: usize) -> Self {
        self.read_queue_limit = Some(limit);
        self
    }

    /// Sets the maximum number of descriptors in one sent message; see
    /// [`AnchovyStream::set_write_fd_limit`]. With 0, a write with descriptors fails.
    ///
    /// `limit` can be any number up to [`AnchovyStream::FD_LIMIT`], also an odd one. Default:
    /// `FD_LIMIT`.
    pub fn write_fd_limit(mut self, limit: usize) -> Self {
        self.write_fd_limit = Some(limit);
        self
    }

    /// Sets whether a write queue with more than [`write_fd_limit`](Self::write_fd_limit)
    /// descriptors is sent in several messages. Default: `false`.
    ///
    /// With `false`, a write with such a queue fails with [`FdError::TooManyToSend`] and sends nothing.
    ///
    /// With `true`, the first `write_fd_limit` descriptors are sent with the first byte of the write, the
    /// next `write_fd_limit` descriptors with the second byte, and so on. The last group of descriptors,
    /// which may be smaller, is sent with all remaining bytes. A write with fewer bytes than groups fails
    /// with [`FdError::FdsWithoutBytes`] and sends nothing.
    ///
    /// This option is for protocols with two properties. Descriptors are taken first in, first out,
    /// regardless of the bytes that they arrive with. And no protocol message is processed before it is
    /// complete. Wayland is such a protocol: with [`WAYLAND_SCM_RIGHTS`](crate::WAYLAND_SCM_RIGHTS), the 8
    /// bytes of a message header suffice for 8 × 28 = 224 descriptors. Do not set the option if descriptors
    /// belong to the bytes or to the message that they arrive with, as in D-Bus: a receiver that
    /// expects all descriptors with the first byte finds only the first group.
    ///
    /// # Partial writes
    ///
    /// If a message cannot be sent after an earlier one of the same write, the write ends there. For
    /// example, the socket may be full, or the [account](AnchovyStream::set_account) may have no room for
    /// the descriptors of the message. The write returns the number of bytes sent. The descriptors that
    /// were sent are closed on this side, and the others stay in the
    /// [write queue](AnchovyStream::write_queue). The next write sends them. `write_all` writes until all
    /// bytes are sent. If its future is dropped before it completes, the descriptors that were not sent
    /// stay in the queue.
    ///
    /// [`send_with_fds`](AnchovyStream::send_with_fds) is not affected: it always sends one
    /// message.
    ///
    /// # Examples
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

    /// Sets whether to enable `SO_INQ` if the kernel supports it (Linux 6.17). Default: `true`.
    ///
    /// With this option, the kernel reports with every receive how many bytes are still queued. This
    /// saves reads that find nothing after a read that ended early. A read ends early after descriptors,
    /// and where the sender changes ([`sender_credentials`](Self::sender_credentials)). The stream enables
    /// the option after the first such read, because it makes each receive slower: by 5 percent of the
    /// time in which 64 bytes are sent and received (Linux 6.18).
    ///
    /// The option belongs to the socket, not to the descriptor. If other code receives from the same
    /// socket, through a duplicate or in another process, its `recvmsg` reports `MSG_CTRUNC` unless
    /// its control buffer has room for the control message `SCM_INQ`. Set `false` in this case.
    pub fn inq(mut self, on: bool) -> Self {
        self.inq = on;
        self
    }

    /// Sets whether each receive reports the process that sent the bytes, in
    /// [`Received::sender`](crate::Received::sender) (`SO_PASSCRED`, Linux only). By default, the option
    /// of the socket is not changed. On a new socket, the option is off.
    ///
    /// [`peer_cred`](AnchovyStream::peer_cred) returns the process that called connect(2), listen(2)
    /// or socketpair(2) for the other end of the connection. That process may have passed the other end
    /// to another process, or may share it with several. With this option, the kernel names the process
    /// that called `sendmsg`, for each receive. A receive never returns bytes of two processes. Bytes that
    /// were sent before the option was set have no sender.
    ///
    /// The option belongs to the socket, and stays set when
    /// [`into_parts`](AnchovyStream::into_parts) returns the socket.
    ///
    /// # Errors
    ///
    /// The methods that create the stream return
    /// [`Unsupported`](io::ErrorKind::Unsupported) on systems other than Linux if `on` is true.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// # if cfg!(not(target_os = "linux")) { return Ok(()); }
    /// use anchovy::UnixStream;
    /// use tokio::io::AsyncWriteExt;
    ///
    /// let (mut stream, mut peer) = UnixStream::builder().sender_credentials(true).pair()?;
    /// peer.write_all(b"who sent this").await?;
    ///
    /// let received = stream.recv(&mut [0; 64]).await?;
    /// let sender = received.sender.expect("it was sent after the option was set");
    /// assert_eq!(sender.pid, Some(std::process::id()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn sender_credentials(mut self, on: bool) -> Self {
        self.sender_credentials = Some(on);
        self
    }

    /// Converts the `UnixStream` of std or of tokio, or another `AnchovyStream`; see
    /// [`AnchovyStream::new`].
    ///
    /// # Errors
    ///
    /// Returns [`FdError::LimitOutOfRange`], [`FdError::NotAUnixStream`], or the error of a system
    /// call. The socket is closed.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O enabled, as tokio's `from_std` does.
    pub fn build(&self, stream: impl IntoUnixStream) -> io::Result<AnchovyStream<S>> {
        let (receive, send) = self.limits()?;
        let taken = stream.into_taken()?;
        let receiver = Receiver {
            queue: taken.read_queue,
            failed: taken.read_error.map(Box::new),
            ..Receiver::new(receive)
        };
        let sender = Sender { queue: taken.write_queue, ..Sender::new(send) };
        let socket = self.with_options(taken.socket)?;
        Ok(AnchovyStream { socket, receiver, sender })
    }

    /// Connects to the socket at `path`; see [`AnchovyStream::connect`].
    ///
    /// # Errors
    ///
    /// Returns a [`ConnectError`]. If a limit is out of range, the error is
    /// [`Limit`](ConnectError::Limit), and no connection is attempted.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, the socket is closed.
    pub async fn connect(&self, path: impl AsRef<Path>) -> Result<AnchovyStream<S>, ConnectError> {
        self.check()?;
        let path = path.as_ref();
        let stream = connect(path).await?;
        self.registered(stream, false)
            .map_err(|error| ConnectError::Io { path: path.to_owned(), error })
    }

    /// Creates a pair of connected streams, both with the limits and options of this builder.
    ///
    /// # Errors
    ///
    /// Returns [`FdError::LimitOutOfRange`], or the error of socketpair(2).
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O enabled.
    pub fn pair(&self) -> io::Result<(AnchovyStream<S>, AnchovyStream<S>)> {
        self.check()?;
        let (left, right) = Stream::pair()?;
        Ok((self.registered(left, false)?, self.registered(right, false)?))
    }

    /// Sets the options of a listening socket that accepted sockets inherit.
    pub(crate) fn set_inherited(&self, listener: impl AsFd) -> io::Result<()> {
        match self.sender_credentials {
            Some(on) => set_passcred(listener.as_fd(), on),
            None => Ok(()),
        }
    }

    /// Checks the limits.
    pub(crate) fn check(&self) -> Result<(), FdError> {
        self.limits().map(drop)
    }

    /// Creates a stream from a new socket. `refused` tells whether the kernel has refused descriptors
    /// since the connection exists.
    #[inline]
    pub(crate) fn registered(&self, stream: Stream, refused: bool) -> io::Result<AnchovyStream<S>> {
        let (receive, send) = self.limits()?;
        let socket = self.with_options(Socket::registered(stream, refused)?)?;
        Ok(AnchovyStream { socket, receiver: Receiver::new(receive), sender: Sender::new(send) })
    }

    #[inline]
    fn with_options(&self, mut socket: Socket) -> io::Result<Socket> {
        if let Some(on) = self.sender_credentials {
            socket.set_sender_credentials(on)?;
        }
        if self.inq { Ok(socket.with_inq()) } else { socket.without_inq() }
    }

    #[inline]
    fn limits(&self) -> Result<(ReceiveLimits, SendLimits), FdError> {
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
        Ok((receive, send))
    }
}
