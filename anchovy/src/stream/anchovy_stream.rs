//! The stream type.

use std::fmt;
use std::os::fd::AsRawFd;

use crate::receive::Receiver;
use crate::send::Sender;
use crate::socket::Socket;

/// A Unix stream socket that sends and receives descriptors along with bytes.
///
/// - **Sending**: push each [`OwnedFd`](std::os::fd::OwnedFd) to the [write
///   queue](Self::write_queue_mut), then write. All descriptors in the queue are sent with the first
///   byte of that write, in one `sendmsg`. The queue is empty afterwards, and the descriptors are closed
///   on this side. To keep them open, use [`send_with_fds`](Self::send_with_fds) instead.
/// - **Receiving**: read. Each read appends the descriptors that it received to the
///   [read queue](Self::read_queue_mut). They are owned and close-on-exec. To receive them into a
///   vector, use [`recv_with_fds`](Self::recv_with_fds) instead.
///
/// Dropping a stream closes the descriptors in its queues.
///
/// # The size `S`
///
/// `S` is the size, in bytes, of a control buffer (cmsg(3)) for the maximum number of descriptors in one
/// message: [`DBUS_SCM_RIGHTS`](crate::DBUS_SCM_RIGHTS), [`WAYLAND_SCM_RIGHTS`](crate::WAYLAND_SCM_RIGHTS),
/// or [`cmsg_space!(ScmRights(N))`](crate::cmsg_space) for N from 1 to 253. An expression as `S`
/// requires braces:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// use anchovy::{AnchovyStream, cmsg_space};
///
/// let (left, right) = AnchovyStream::<{ cmsg_space!(ScmRights(4)) }>::pair()?;
/// assert_eq!(left.read_fd_limit(), 4);
/// # Ok(())
/// # }
/// ```
///
/// A stream with any other `S` does not compile (see [`ValidSpace`](crate::ValidSpace)):
///
/// ```compile_fail,E0277
/// // A mistake: 28 is a number of descriptors and not a size that `cmsg_space!` returns.
/// # let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
/// anchovy::AnchovyStream::<28>::new(socket);
/// ```
///
/// Some numbers of descriptors are also valid sizes: 32 is `cmsg_space!(ScmRights(2))`, and 40 is
/// `cmsg_space!(ScmRights(4))`. ([`rustix::cmsg_space!`] returns the CMSG_SPACE of cmsg(3) plus 8
/// bytes for alignment.) If such a number is passed instead of the size, the compiler cannot detect the
/// mistake. [`FD_LIMIT`](Self::FD_LIMIT) is the maximum number of descriptors for `S`, and the `Debug`
/// output of a stream contains both. Errors such as
/// [`TooManyToSend`](crate::FdError::TooManyToSend) contain `S` and the limit.
///
/// # Platform-specific behavior
///
/// On Linux, a peer can send an out-of-band byte (`MSG_OOB`, unix(7)). Every stream sets
/// `SO_OOBINLINE` before its first receive, so this byte and its descriptors are received in order like
/// any others. Without that option, the kernel drops the byte and closes the descriptors. A read ends
/// before an out-of-band byte, and the next read starts with it. After a peer has sent such a byte, each
/// read that does not fill its buffer is followed by one that finds nothing.
///
/// # Examples
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
/// let file = std::fs::File::from(right.read_queue_mut().pop_front().expect("one descriptor"));
/// assert_eq!(file.metadata()?.len(), 0);
/// # Ok(())
/// # }
/// ```
pub struct AnchovyStream<const S: usize> {
    pub(crate) socket: Socket,
    pub(crate) receiver: Receiver,
    pub(crate) sender: Sender,
}

impl<const S: usize> fmt::Debug for AnchovyStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("AnchovyStream");
        debug.field("fd", &self.as_raw_fd()).field("S", &S).field("FD_LIMIT", &Self::FD_LIMIT);
        self.receiver.debug(&mut debug);
        self.sender.debug(&mut debug);
        debug.finish()
    }
}
