//! The type of a stream.

use std::fmt;
use std::os::fd::AsRawFd;

use crate::receive::Receiver;
use crate::send::Sender;
use crate::socket::Socket;

/// A Unix stream socket that carries descriptors beside bytes.
///
/// - **Sending**: push each [`OwnedFd`](std::os::fd::OwnedFd) to the
///   [write queue](Self::write_queue_mut), then write. All of them leave in one message with the
///   first byte of that write, and the queue is empty. Or lend them to
///   [`send_with_fds`](Self::send_with_fds).
/// - **Receiving**: read. The descriptors that came with a read are at the back of the [read
///   queue](Self::read_queue_mut) when it returns, owned and close-on-exec.
///
/// `S` is the ancillary space, in bytes, of the most descriptors that one message may carry:
/// [`DBUS_SCM_RIGHTS`](crate::DBUS_SCM_RIGHTS), [`WAYLAND_SCM_RIGHTS`](crate::WAYLAND_SCM_RIGHTS),
/// or [`cmsg_space!(ScmRights(N))`](crate::cmsg_space) for N from 1 to 253. An expression in the
/// place of `S` needs braces:
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
/// A stream of another `S` cannot be constructed ([`ValidSpace`](crate::ValidSpace)):
///
/// ```compile_fail,E0277
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
/// # Platform-specific behavior
///
/// A peer on Linux can send an out-of-band byte (`MSG_OOB`, unix(7)). It is received in order like any
/// other byte, and the descriptors that are sent with it too: every stream has `SO_OOBINLINE` on. Without
/// that option, the kernel drops the byte and closes the descriptors. A read ends before an out-of-band
/// byte, and the next one goes on with it.
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
/// let file = std::fs::File::from(right.read_queue_mut().pop_front().expect("it came along"));
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
