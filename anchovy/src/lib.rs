//! Unix sockets that carry file descriptors beside bytes, for [tokio].
//!
//! [`AnchovyStream`] is [`AsyncRead`] and [`AsyncWrite`], with two queues: descriptors that are to
//! leave with the next byte, and descriptors that have arrived.
//!
//! ```
//! use anchovy::UnixStream;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let (mut ours, mut theirs) = UnixStream::pair()?;
//!
//! ours.write_queue_mut().push_back(std::fs::File::open("/dev/null")?.into());
//! ours.write_all(b"a file").await?;
//!
//! theirs.read_exact(&mut [0; 6]).await?;
//! assert_eq!(theirs.read_queue().len(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! Descriptors can also be lent, and received into memory of the caller:
//!
//! ```
//! use std::os::fd::AsFd;
//!
//! use anchovy::UnixStream;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let (mut ours, mut theirs) = UnixStream::pair()?;
//! let file = std::fs::File::open("/dev/null")?;
//! let tcp = std::net::TcpListener::bind("127.0.0.1:0")?;
//! ours.send_with_fds(b"a file and a listener", &[file.as_fd(), tcp.as_fd()]).await?;
//!
//! let (mut buf, mut fds) = ([0; 64], Vec::new());
//! let received = theirs.recv_with_fds(&mut buf, &mut fds).await?;
//! assert_eq!((received.bytes, fds.len()), (21, 2));
//! # Ok(())
//! # }
//! ```
//!
//! [`UnixStream`] is the stream for programs that need no other limit than that of the kernel. `S` of
//! an [`AnchovyStream<S>`](AnchovyStream) sets another one, such as that of a protocol.
//!
//! | to | use |
//! |---|---|
//! | send descriptors that you own | [`write_queue_mut`](AnchovyStream::write_queue_mut), then any write |
//! | send descriptors that you keep | [`send_with_fds`](AnchovyStream::send_with_fds) |
//! | receive bytes and descriptors | [`recv_with_fds`](AnchovyStream::recv_with_fds) |
//! | receive with any reader | any read, then [`read_queue_mut`](AnchovyStream::read_queue_mut) |
//! | know what one receive added to the read queue | [`recv`](AnchovyStream::recv) |
//! | read and write at once | [`split`](AnchovyStream::split), [`into_split`](AnchovyStream::into_split) |
//! | bound what a peer may send | [`builder`](AnchovyStream::builder), [`set_fd_passing`](AnchovyStream::set_fd_passing) |
//! | know what went wrong | [`FdError::from_io_error`] |
//! | know who is there | [`peer_cred`](AnchovyStream::peer_cred), [`peer_pidfd`](AnchovyStream::peer_pidfd) |
//! | give the socket back | [`into_parts`](AnchovyStream::into_parts) |
//!
//! # Where descriptors ride
//!
//! A stream socket knows no messages. What the kernel knows is which bytes one `sendmsg` wrote, and
//! that descriptors came with them. Linux merges bytes that came before with the first bytes of such
//! a send into one read, and ends a read with the last bytes of it (unix(7)):
//!
//! ```text
//! sent      AAAA       BBBB + 2 descriptors       CCCC
//! read 1    AAAABBBB   2 descriptors
//! read 2    CCCC
//! ```
//!
//! So descriptors come with the read that has the first byte of their message, never later: whoever
//! reads a header first gets the descriptors of the whole message with it. Which of the bytes of that
//! read they belong to, only the protocol knows. Whatever joins several messages into one write (a
//! `BufWriter`, the `Framed` of tokio-util) gives the descriptors of all of them to the first; the
//! feature `codec` has what keeps them apart.
//!
//! An out-of-band byte (`MSG_OOB`) arrives in order like any other, with its descriptors, and a read
//! ends before it.
//!
//! Systems that descend from BSD end a read *before* the next descriptors instead. This crate is
//! proven on Linux; on FreeBSD, macOS and Android it compiles, and is not tested.
//!
//! # Children
//!
//! What arrives is close-on-exec, and so is every socket that this crate makes. macOS cannot do that
//! atomically: a process that is forked at that very moment inherits the descriptor there. It also
//! closes descriptors that are under way when their sender closes before they are received.
//!
//! # Features
//!
//! `codec`: frames, each with its own descriptors; see the module `codec`.
//!
//! `tracing`: one event for each send and each receive, with its byte and descriptor counts, at the
//! level TRACE, and one at DEBUG when a read side fails.
//!
//! [`AsyncRead`]: tokio::io::AsyncRead
//! [`AsyncWrite`]: tokio::io::AsyncWrite

mod budget;
mod builder;
#[cfg(feature = "codec")]
pub mod codec;
mod connect;
mod copy;
mod error;
mod held_fds;
mod in_flight;
mod into_stream;
mod limits;
mod listen;
mod passing;
mod path;
mod path_guard;
mod peer_account;
mod receive;
mod send;
mod socket;
mod space;
mod split;
mod stream;
mod sys;
mod valid_space;

pub use budget::{
    Account, AccountKey, Budget, BudgetBuilder, Charge, ChargeRequest, Resource, Usage,
};
pub use builder::StreamBuilder;
pub use connect::ConnectError;
pub use copy::{Copied, Copier, FdReader, FdWriter, Unsent, copy, copy_bidirectional};
pub use error::{FdError, ReuniteError, Truncation};
pub use into_stream::IntoUnixStream;
pub use limits::{DBUS_FD_LIMIT, DBUS_SCM_RIGHTS, WAYLAND_FD_LIMIT, WAYLAND_SCM_RIGHTS};
#[cfg(feature = "codec")]
pub use listen::Incoming;
pub use listen::{AnchovyListener, IntoUnixListener, ListenError, ListenerBuilder};
pub use passing::set_fd_passing;
pub use path::PathError;
pub use path_guard::PathGuard;
pub use receive::Received;
/// The ancillary space, in bytes, for a number of descriptors: what `S` of an
/// [`AnchovyStream`] is. The same as [`rustix::cmsg_space!`].
///
/// ```
/// use anchovy::{AnchovyStream, cmsg_space};
///
/// // Braces, for `S` is an expression here.
/// assert_eq!(AnchovyStream::<{ cmsg_space!(ScmRights(4)) }>::FD_LIMIT, 4);
/// ```
pub use rustix::cmsg_space;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
pub use stream::{AnchovyStream, Parts};
pub use valid_space::{AncillarySpace, ValidSpace};

/// An [`AnchovyStream`] on which one message may carry as many descriptors as the kernel allows: 253.
///
/// A lower limit is set at run time, with [`builder`](AnchovyStream::builder) or
/// [`set_read_fd_limit`](AnchovyStream::set_read_fd_limit).
///
/// ```
/// use anchovy::UnixStream;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let (left, _right) = UnixStream::pair()?;
/// assert_eq!(left.read_fd_limit(), 253);
/// # Ok(())
/// # }
/// ```
pub type UnixStream = AnchovyStream<DBUS_SCM_RIGHTS>;

/// An [`AnchovyListener`] that accepts a [`UnixStream`] for each client.
///
/// ```
/// use anchovy::{UnixListener, UnixStream};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let path = std::env::temp_dir().join(format!("anchovy-alias-{}", std::process::id()));
/// let listener = UnixListener::bind(&path)?;
/// let client = UnixStream::connect(&path).await?;
/// let (server, _) = listener.accept().await?;
/// # Ok(())
/// # }
/// ```
pub type UnixListener = AnchovyListener<DBUS_SCM_RIGHTS>;
