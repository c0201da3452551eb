//! Methods of a stream that concern the socket: readiness, addresses, credentials, options.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use tokio::io::{Interest, Ready};
use tokio::net::unix::{SocketAddr, UCred};

use super::anchovy_stream::AnchovyStream;
use crate::budget::Account;
use crate::passing;
use crate::space::Space;
use crate::sys::options;

impl<const S: usize> AnchovyStream<S> {
    /// The most descriptors that `S` has room for in one message.
    ///
    /// Padding makes the spaces of an odd count and of the even one after it equal (on 64-bit
    /// Linux), so this is the larger of the two: 28 for `cmsg_space!(ScmRights(27))`. An exact odd
    /// limit is set at run time.
    pub const FD_LIMIT: usize = Space::from_bytes(S).fds;

    /// Charges what the peer makes this process hold to an account, from now on: received descriptors
    /// that were not taken, and sent ones that the peer has not read. A listener with a
    /// [budget](crate::ListenerBuilder::budget) does so for each stream.
    ///
    /// At its bound, reads and sends of descriptors wait; bytes still pass.
    pub fn set_account(&mut self, account: Account) {
        self.socket.set_account(account, None);
    }

    /// Returns the account that the peer is charged to, if there is one.
    pub fn account(&self) -> Option<&Account> {
        self.socket.account()
    }

    /// Waits until the socket is ready for what `interest` names, as tokio's
    /// [`UnixStream::ready`](tokio::net::UnixStream::ready) does.
    ///
    /// Readiness can be a false alarm; the `try_` methods then return `WouldBlock` and clear it.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: readiness that was missed is found again by the next call.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.socket.io().ready(interest).await
    }

    /// Runs non-blocking I/O of your own on the socket, as tokio's
    /// [`UnixStream::try_io`](tokio::net::UnixStream::try_io) does: not at all if the socket is not
    /// known to be ready, and `WouldBlock` from it clears the readiness.
    ///
    /// What the closure sends and receives bypasses queues and limits, and a plain read loses the
    /// descriptors of the bytes that it takes (unix(7)).
    ///
    /// # Errors
    ///
    /// `WouldBlock`, or what the closure returns.
    pub fn try_io<R>(
        &self,
        interest: Interest,
        io: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        self.socket.io().try_io(interest, io)
    }

    /// Runs non-blocking I/O of your own on the socket until it does not return `WouldBlock`; see
    /// [`try_io`](Self::try_io) for what that bypasses.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe if the closure is all there is to an operation: it is only dropped while it
    /// waits for the socket.
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        io: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        self.socket.io().async_io(interest, io).await
    }

    /// Returns the address that this end is bound to.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().local_addr()
    }

    /// Returns the address that the other end is bound to.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().peer_addr()
    }

    /// Returns the user, group and process that the other end had when it connected, listened or
    /// made the pair (`SO_PEERCRED` on Linux, unix(7)).
    ///
    /// The process number may be somebody else's by now; where that matters, use
    /// [`peer_pidfd`](Self::peer_pidfd).
    ///
    /// ```
    /// # use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let (stream, _peer) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
    /// assert_eq!(stream.peer_cred()?.pid(), Some(std::process::id() as i32));
    /// # Ok(())
    /// # }
    /// ```
    pub fn peer_cred(&self) -> io::Result<UCred> {
        self.socket.io().peer_cred()
    }

    /// Returns a descriptor of the process at the other end, which never becomes another process
    /// (`SO_PEERPIDFD`, pidfd_open(2)). It is close-on-exec.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](std::io::ErrorKind::Unsupported) before Linux 6.5 and on other systems.
    /// Before Linux 6.16, an error too once that process is gone.
    pub fn peer_pidfd(&self) -> io::Result<OwnedFd> {
        options::peer_pidfd(self.as_fd())
    }

    /// Returns whether peers can send descriptors to this socket (`SO_PASSRIGHTS`).
    ///
    /// # Errors
    ///
    /// Those of the system; a kernel that knows no such option answers yes.
    pub fn fd_passing(&self) -> io::Result<bool> {
        passing::fd_passing(self.as_fd())
    }

    /// Lets the kernel refuse descriptors that peers send to this socket, or carry them again
    /// (`SO_PASSRIGHTS`).
    ///
    /// While it is off, a peer's `sendmsg` with descriptors fails with `EPERM`, and this process
    /// never has them in its table. Bytes pass, and so do descriptors that were on their way
    /// before.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](std::io::ErrorKind::Unsupported) where the kernel cannot refuse (before
    /// Linux 6.16, other systems). A read limit of 0 then fails the read side instead, once
    /// descriptors have arrived.
    ///
    /// ```
    /// # use anchovy::{AnchovyStream, FdError, DBUS_SCM_RIGHTS};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let (stream, mut peer) = AnchovyStream::<DBUS_SCM_RIGHTS>::pair()?;
    /// if stream.set_fd_passing(false).is_ok() {
    ///     let sent = peer.send_with_fds(b"here", &[std::io::stdin()]).await;
    ///     let refused = FdError::from_io_error(&sent.unwrap_err());
    ///     assert_eq!(refused, Some(FdError::RefusedByPeer { count: 1 }));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_fd_passing(&self, on: bool) -> io::Result<()> {
        passing::set_fd_passing(self, on)
    }

    /// Takes the pending error of the socket (`SO_ERROR`).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.io().take_error()
    }
}

/// Borrows the socket itself, for options and the like.
///
/// Reading from it or writing to it bypasses queues and limits. Where the kernel knows `SO_INQ` it
/// is switched on, so that a foreign `recvmsg` with a control buffer that has no room for it shows
/// `MSG_CTRUNC`, on a duplicate of the descriptor as well;
/// [`StreamBuilder::inq`](crate::StreamBuilder::inq) keeps it off, and
/// [`into_parts`](crate::AnchovyStream::into_parts) switches it off again.
impl<const S: usize> AsFd for AnchovyStream<S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.io().as_fd()
    }
}

impl<const S: usize> AsRawFd for AnchovyStream<S> {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.io().as_raw_fd()
    }
}
