//! Unix sockets that send and receive file descriptors along with bytes, for [tokio].
//!
//! This example sends an open file to a peer, which reads it:
//!
//! ```
//! use std::fs::File;
//! use std::io::Read;
//!
//! use anchovy::UnixStream;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let (mut sender, mut receiver) = UnixStream::pair()?;
//!
//! // Sends the descriptor of the file with the bytes of a message.
//! let file = File::open("Cargo.toml")?;
//! sender.send_with_fds(b"read this", &[&file]).await?;
//!
//! // Receives the bytes and the descriptor.
//! let (mut buf, mut fds) = ([0; 64], Vec::new());
//! let received = receiver.recv_with_fds(&mut buf, &mut fds).await?;
//! assert_eq!(&buf[..received.bytes], b"read this");
//!
//! let mut text = String::new();
//! File::from(fds.remove(0)).read_to_string(&mut text)?;
//! assert!(text.contains("[package]"));
//! # Ok(())
//! # }
//! ```
//!
//! [`AnchovyStream`] also implements [`AsyncRead`] and [`AsyncWrite`]. Each stream has two queues: the
//! write queue with the descriptors to send with the next byte, and the read queue with the
//! descriptors that have been received.
//!
//! ```
//! use std::fs::File;
//!
//! use anchovy::UnixStream;
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let (mut sender, mut receiver) = UnixStream::pair()?;
//!
//! sender.write_queue_mut().push_back(File::open("Cargo.toml")?.into());
//! sender.write_all(b"a file").await?;
//!
//! receiver.read_exact(&mut [0; 6]).await?;
//! assert_eq!(receiver.read_queue().len(), 1);
//! # Ok(())
//! # }
//! ```
//!
//! [`UnixStream`] sends and receives up to 253 descriptors in one message (one `sendmsg`), the maximum of
//! the kernel. For a protocol with a smaller maximum, use [`AnchovyStream<S>`](AnchovyStream). `S` is the
//! size, in bytes, of a control buffer (cmsg(3)) for this maximum: [`WAYLAND_SCM_RIGHTS`] for 28
//! descriptors, [`cmsg_space!`] for any other number.
//!
//! | Task | Method |
//! |---|---|
//! | Send descriptors and close them | [`write_queue_mut`](AnchovyStream::write_queue_mut), then any write |
//! | Send descriptors and keep them | [`send_with_fds`](AnchovyStream::send_with_fds) |
//! | Receive bytes and descriptors | [`recv_with_fds`](AnchovyStream::recv_with_fds) |
//! | Receive with `AsyncRead` | any read, then [`read_queue_mut`](AnchovyStream::read_queue_mut) |
//! | Count the descriptors that one receive added to the read queue | [`recv`](AnchovyStream::recv) |
//! | Read and write concurrently | [`split`](AnchovyStream::split), [`into_split`](AnchovyStream::into_split) |
//! | Pass descriptors alongside an RPC library | [`exchange`] |
//! | Copy from one stream to another | [`copy()`], [`copy_bidirectional`] |
//! | Limit what a peer may send | [`builder`](AnchovyStream::builder), [`set_fd_passing`](AnchovyStream::set_fd_passing) |
//! | Find the cause of an error | [`FdError::from_io_error`] |
//! | Identify the peer | [`peer_cred`](AnchovyStream::peer_cred), [`peer_pidfd`](AnchovyStream::peer_pidfd) |
//! | Identify the process that sent bytes | [`StreamBuilder::sender_credentials`] |
//! | Convert the stream back into a socket | [`into_parts`](AnchovyStream::into_parts) |
//! | Accept connections | [`AnchovyListener`], [`UnixListener`] |
//! | Share resources fairly among clients | [`Budget`] |
//!
//! Guides with complete programs are in the directory `docs` of the repository: sending and receiving,
//! framing, RPC, servers, restarts, sandboxes, proxies, performance, a list of all errors, and how to
//! change from other crates.
//!
//! # Order of bytes and descriptors
//!
//! In the limits and errors of this crate, a *message* is what one `sendmsg` sends: bytes and
//! descriptors. Messages that a protocol defines, such as those of D-Bus and Wayland, are called
//! *protocol messages* if the difference matters, and *frames* in the module `codec`.
//!
//! A stream socket has no message boundaries. The kernel records only which bytes and descriptors
//! one `sendmsg` sent together. On Linux, a read can return bytes of earlier sends, followed by bytes
//! of a `sendmsg` with descriptors. The read does not continue after the last byte of that `sendmsg`
//! (unix(7)). It returns at most the first 36,544 bytes of that `sendmsg` (measured on Linux 6.18),
//! in addition to the bytes of earlier sends:
//!
//! ```text
//! sent      AAAA       BBBB + 2 descriptors       CCCC
//! read 1    AAAABBBB   2 descriptors
//! read 2    CCCC
//! ```
//!
//! So descriptors arrive with the read that returns the first byte of their `sendmsg`, and never
//! later. This crate sends the descriptors of a protocol message with the first byte of that message.
//! If the peer does the same, a program that reads the header and then the body receives all descriptors
//! of the message with the header. If a read returns bytes of several protocol messages, only the
//! protocol can tell to which of these messages the descriptors belong.
//!
//! Do not write several protocol messages with descriptors at once through a `BufWriter` or through
//! the `Framed` of tokio-util: all descriptors would be sent with the first of these messages. The
//! feature `codec` provides a `Framed` that sends the descriptors of each message with that message.
//!
//! An out-of-band byte (`MSG_OOB`) is received in order like any other byte, with its descriptors. A
//! read that would reach it ends before it, and the next read begins with it.
//!
//! # Limits
//!
//! An operation that exceeds a limit fails with an [`FdError`], which the [`io::Error`] contains. An
//! operation that exceeds a limit of an account usually waits instead. An *account* counts and limits what
//! a group of peers makes this process hold. By default, all peers with the same uid are one group; see
//! [`Budget`].
//!
//! | Limit | Default | Set with | Error |
//! |---|---|---|---|
//! | Descriptors in one sent message | `FD_LIMIT` | [`set_write_fd_limit`](AnchovyStream::set_write_fd_limit) | [`TooManyToSend`](FdError::TooManyToSend): nothing was sent |
//! | Descriptors in one received message | `FD_LIMIT` | [`set_read_fd_limit`](AnchovyStream::set_read_fd_limit) | [`TooManyReceived`](FdError::TooManyReceived): the read side fails permanently |
//! | Descriptors in the read queue | 1024 + `FD_LIMIT` | [`set_read_queue_limit`](AnchovyStream::set_read_queue_limit) | [`ReadQueueFull`](FdError::ReadQueueFull) if the queue has no room for the descriptors of one more message: nothing was read |
//! | Descriptors in the table of the process or of the system | `RLIMIT_NOFILE`, `fs.file-max` | – | [`Truncated`](FdError::Truncated): the read side fails permanently |
//! | Descriptors in flight: sent by all processes of this user, and not received yet | `RLIMIT_NOFILE` | – | [`TooManyInFlight`](FdError::TooManyInFlight): nothing was sent |
//! | Received descriptors that are charged to an account | no account | [`set_account`](AnchovyStream::set_account) | Reads wait for room in the account. If the account holds only the sockets of connections and what this stream has received, waiting cannot help. In this case, the read uses the room that is left, and if more descriptors arrive, the read side fails permanently with [`OverBudget`](FdError::OverBudget) |
//! | Descriptors in flight that are charged to an account | no account | [`set_account`](AnchovyStream::set_account) | Sends with descriptors wait for room in the account. If the account could never have room for the descriptors, the send fails with [`TooManyInFlight`](FdError::TooManyInFlight): nothing was sent |
//!
//! [`FD_LIMIT`](AnchovyStream::FD_LIMIT) is the maximum number of descriptors in one message for the `S`
//! of the stream. The limit for one sent message and the limit for one received message are at most
//! `FD_LIMIT`. The limit for one received message is also at most the limit of the read queue. Setting a
//! limit to a value out of range fails with [`LimitOutOfRange`](FdError::LimitOutOfRange), and the limit
//! is unchanged.
//!
//! # Child processes
//!
//! Received descriptors are close-on-exec, and so are all sockets that this crate creates. So a
//! program that is started with exec(2), as [`std::process::Command`] does, does not inherit them.
//!
//! # Platform-specific behavior
//!
//! This crate is tested on Linux. It compiles on FreeBSD, macOS and Android, and is not tested
//! there.
//!
//! - On systems derived from BSD, a read ends *before* the first byte of the next `sendmsg` with
//!   descriptors.
//! - macOS cannot set close-on-exec atomically. A process that is forked at the same moment
//!   inherits the descriptor.
//! - macOS closes descriptors in flight if their sender closes its socket before they are
//!   received.
//!
//! # Features
//!
//! | Feature | Contents |
//! |---|---|
//! | `codec` | Framing in which each frame has its own descriptors; see the module `codec`. |
//! | `serde` | Conversion of [`exchange::FdId`] into a string and back, for serde. |
//! | `tracing` | One TRACE event for each send and each receive, with the numbers of bytes and descriptors. A receive with too many descriptors ([`TooManyReceived`](FdError::TooManyReceived), [`OverBudget`](FdError::OverBudget)) or missing ones ([`Truncated`](FdError::Truncated)) has a DEBUG event instead. One DEBUG event for each [`exchange`] whose read side fails. |
//!
//! [`io::Error`]: std::io::Error
//! [`AsyncRead`]: tokio::io::AsyncRead
//! [`AsyncWrite`]: tokio::io::AsyncWrite

// On docs.rs, an item shows the feature that it needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

mod budget;
mod builder;
#[cfg(feature = "codec")]
pub mod codec;
mod connect;
mod copy;
mod error;
pub mod exchange;
#[cfg(anchovy_faults)]
#[doc(hidden)]
pub mod faults;
#[cfg(not(anchovy_faults))]
#[path = "no_faults.rs"]
mod faults;
#[cfg(fuzzing)]
#[doc(hidden)]
pub mod fuzzing;
mod held_fds;
mod in_flight;
mod inq;
mod into_stream;
mod limits;
mod listen;
#[cfg(all(test, feature = "codec"))]
mod messages;
mod passing;
mod path;
mod path_guard;
mod peer_account;
mod peer_credentials;
mod reactor;
mod receive;
mod receive_mode;
mod send;
mod sender_credentials;
mod socket;
mod space;
mod split;
mod stream;
mod sync;
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
pub use peer_credentials::PeerCredentials;
pub use receive::Received;
/// Returns the size, in bytes, of a control buffer (cmsg(3)) with room for a number of descriptors.
/// This is the value of `S` in [`AnchovyStream<S>`](AnchovyStream).
///
/// It is a re-export of [`rustix::cmsg_space!`].
///
/// # Examples
///
/// ```
/// use anchovy::{AnchovyStream, cmsg_space};
///
/// // An expression as `S` requires braces.
/// assert_eq!(AnchovyStream::<{ cmsg_space!(ScmRights(4)) }>::FD_LIMIT, 4);
/// ```
pub use rustix::cmsg_space;
pub use sender_credentials::SenderCredentials;
pub use split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
pub use stream::{AnchovyStream, Parts};
pub use valid_space::{AncillarySpace, ValidSpace};

/// An [`AnchovyStream`] with the kernel's limit: 253 descriptors in one message.
///
/// To set a lower limit at run time, use [`builder`](AnchovyStream::builder) or
/// [`set_read_fd_limit`](AnchovyStream::set_read_fd_limit).
///
/// # Examples
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
/// # Examples
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
