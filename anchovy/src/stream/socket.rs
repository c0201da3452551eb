//! Methods of a stream that concern the socket: readiness, addresses, credentials, options.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use tokio::io::{Interest, Ready};
use tokio::net::unix::SocketAddr;

use super::anchovy_stream::AnchovyStream;
use crate::budget::Account;
use crate::passing;
use crate::peer_credentials::PeerCredentials;
use crate::reactor::TryIo;
use crate::space::Space;
use crate::sys::options;

impl<const S: usize> AnchovyStream<S> {
    /// Maximum number of descriptors in one message for this `S`.
    ///
    /// On 64-bit systems, [`cmsg_space!`](crate::cmsg_space) rounds up, so `S` is the same for an odd
    /// number below 253 and for the next even number. `FD_LIMIT` is then the even number: 28 for
    /// `cmsg_space!(ScmRights(27))`. To set an odd limit, use [`set_read_fd_limit`](Self::set_read_fd_limit)
    /// and [`set_write_fd_limit`](Self::set_write_fd_limit).
    pub const FD_LIMIT: usize = Space::from_bytes(S).fds();

    /// Sets the account that is charged for this peer from now on.
    ///
    /// An [`Account`] limits what a group of peers makes this process hold. It is charged for received
    /// descriptors that the program has not taken, and for sent descriptors that the peer has not read. A
    /// listener with a [budget](crate::ListenerBuilder::budget) sets the account of each stream.
    ///
    /// - Reads wait while the account has no room for the descriptors of one message
    ///   ([`read_fd_limit`](Self::read_fd_limit)). If the account holds only the sockets of connections
    ///   and what this stream has received, waiting cannot help. In this case, the read uses the room that
    ///   is left, and fails with [`OverBudget`](crate::FdError::OverBudget) if more descriptors arrive.
    /// - Sends with descriptors wait while the account has no room for the descriptors. If the account
    ///   could never have room for them, the send fails with
    ///   [`TooManyInFlight`](crate::FdError::TooManyInFlight).
    /// - Sends without descriptors do not wait for the account.
    ///
    /// If the stream had another account, what is charged for the stream moves to the new account:
    ///
    /// - Sent descriptors that the peer has not read move at once. If the new account has no room for
    ///   them, they are no longer charged.
    /// - Received descriptors that the program has not taken move with the next read.
    /// - The socket, if a listener has charged it, moves at once. If the new account has no room for
    ///   the socket, the socket stays charged to the former account.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// use anchovy::{AccountKey, Budget, UnixStream};
    ///
    /// let budget = Budget::default();
    /// let (mut stream, mut peer) = UnixStream::pair()?;
    /// stream.set_account(budget.account(AccountKey::Other(7)));
    ///
    /// peer.send_with_fds(b"a file", &[std::io::stdin()]).await?;
    /// stream.recv(&mut [0; 64]).await?;
    /// assert_eq!(budget.usage_of(AccountKey::Other(7)).held_fds, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_account(&mut self, account: Account) {
        self.receiver.set_account(&account);
        self.socket.set_account(account, None);
    }

    /// Returns the account that is charged for this peer, if any.
    pub fn account(&self) -> Option<&Account> {
        self.socket.account()
    }

    /// Waits until the socket is ready for `interest`, as tokio's
    /// [`UnixStream::ready`](tokio::net::UnixStream::ready) does.
    ///
    /// The socket may be reported as ready although it is not. In this case the `try_` methods return
    /// `WouldBlock` and clear the readiness.
    ///
    /// The `try_` methods also return `WouldBlock` while the [account](Self::set_account) of the
    /// peer has no room. Then they do not clear the readiness, so a loop of `readable` and
    /// `try_recv` would not wait. For a stream with an account, use the async or the `poll_`
    /// methods, which wait until the account has room.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, the next call still reports the
    /// readiness.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        self.socket.io().ready(interest).await
    }

    /// Runs a closure that performs non-blocking I/O on the socket, as tokio's
    /// [`UnixStream::try_io`](tokio::net::UnixStream::try_io) does.
    ///
    /// If the socket is not ready, the closure is not called. If the closure returns `WouldBlock`,
    /// the readiness is cleared.
    ///
    /// I/O in the closure bypasses queues and limits. A read without a control buffer (read(2),
    /// recv(2)) makes the kernel close the descriptors that were sent with those bytes (unix(7)).
    ///
    /// # Errors
    ///
    /// Returns `WouldBlock` if the socket is not ready, and otherwise the error of the closure.
    pub fn try_io<R>(
        &self,
        interest: Interest,
        io: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        self.socket.io().try_io(interest, io)
    }

    /// Waits until the socket is ready for `interest`, and runs a closure that performs non-blocking I/O on
    /// it. Repeats both until the closure returns something other than `WouldBlock`. The closure bypasses
    /// queues and limits; see [`try_io`](Self::try_io).
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe if the closure has no effect when it returns `WouldBlock`. After any
    /// other result, the future completes without waiting again, so no result is lost if it is dropped.
    pub async fn async_io<R>(
        &self,
        interest: Interest,
        io: impl FnMut() -> io::Result<R>,
    ) -> io::Result<R> {
        self.socket.io().async_io(interest, io).await
    }

    /// Returns the local address of the socket.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().local_addr()
    }

    /// Returns the address of the peer's socket.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.io().peer_addr()
    }

    /// Returns the credentials of the peer: the user, group and process at the time of connect(2),
    /// listen(2) or socketpair(2) (`SO_PEERCRED` on Linux, unix(7)).
    ///
    /// The process id may have been reused since then. To identify the process reliably, use
    /// [`peer_pidfd`](Self::peer_pidfd).
    ///
    /// # Examples
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
    pub fn peer_cred(&self) -> io::Result<PeerCredentials> {
        self.socket.io().peer_cred()
    }

    /// Returns a pidfd of the peer's process (`SO_PEERPIDFD`, pidfd_open(2)).
    ///
    /// Unlike a process id, a pidfd never refers to another process. It is close-on-exec.
    ///
    /// # Errors
    ///
    /// Returns [`Unsupported`](std::io::ErrorKind::Unsupported) before Linux 6.5 and on other
    /// systems. Before Linux 6.16, also returns an error if the process has ended.
    pub fn peer_pidfd(&self) -> io::Result<OwnedFd> {
        options::peer_pidfd(self.as_fd())
    }

    /// Returns whether peers can send descriptors to this socket (`SO_PASSRIGHTS`). If the kernel
    /// does not have the option, returns `true`.
    ///
    /// # Errors
    ///
    /// Returns the error of getsockopt(2).
    pub fn fd_passing(&self) -> io::Result<bool> {
        passing::fd_passing(self.as_fd())
    }

    /// Sets whether peers can send descriptors to this socket (`SO_PASSRIGHTS`).
    ///
    /// If it is disabled, a peer's `sendmsg` that has descriptors fails with `EPERM`, so this
    /// process never receives them. Bytes alone can still be sent, and descriptors that are already
    /// in flight still arrive.
    ///
    /// After passing was disabled and a receive has found the socket empty, the stream receives with
    /// recv(2), which is faster than `recvmsg`. The kernel closes descriptors that arrive with it. So enable
    /// passing with this method only, not with `SO_PASSRIGHTS` on the descriptor, and do not enable
    /// `SO_PASSCRED` or `SO_PASSPIDFD` on the descriptor while passing is disabled.
    ///
    /// # Errors
    ///
    /// If `on` is false, returns [`Unsupported`](std::io::ErrorKind::Unsupported) before Linux
    /// 6.16 and on other systems. Use [`set_read_fd_limit(0)`](Self::set_read_fd_limit) there: the
    /// read side then fails when descriptors arrive.
    ///
    /// # Examples
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
        self.socket.set_fd_passing(on)
    }

    /// Returns and clears the pending error of the socket (`SO_ERROR`).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.io().take_error()
    }
}

/// Borrows the socket, for example to set options.
///
/// Reads and writes on it bypass queues and limits.
///
/// - A stream that has received descriptors has enabled `SO_INQ`, if the kernel supports it. In this
///   case a `recvmsg` of other code reports `MSG_CTRUNC` if its control buffer has no room for the
///   control message `SCM_INQ`, even on a duplicate of the descriptor. To avoid this, set
///   [`StreamBuilder::inq`](crate::StreamBuilder::inq) to `false`, or call
///   [`into_parts`](crate::AnchovyStream::into_parts), which disables the option.
/// - While [`set_fd_passing(false)`](crate::AnchovyStream::set_fd_passing) is in effect, do not enable
///   `SO_PASSRIGHTS`, `SO_PASSCRED` or `SO_PASSPIDFD` with this descriptor.
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
