//! A non-blocking socket that waits with tokio, and transfers bytes and descriptors with one
//! system call each. No module above this one makes a system call for I/O.
//!
//! A read that knows that it has drained the socket saves the next one a system call that finds
//! nothing: it clears the readiness ([`Transfer::exhausts`]). A short read does not suffice for that. It
//! also ends after a descriptor set, and before an out-of-band byte. More bytes may be queued then, no new
//! edge announces them, and the next read would wait although they are there. tokio's own `UnixStream` has
//! this problem.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::iter;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::{
    self, AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    SocketType,
};
use tokio::io::{Interest, ReadBuf};
use tokio::net::UnixStream;

use crate::budget::{Account, Charge};
use crate::error::fd_error::FdError;
use crate::error::transfer_error::TransferError;
use crate::error::truncation::Truncation;
use crate::faults;
use crate::inq::Inq;
use crate::limits::DBUS_SCM_RIGHTS;
use crate::peer_account::PeerAccount;
use crate::reactor::{Stream, Transfer, TryIo};
use crate::receive_mode::{Access, Call, ReceiveMode};
use crate::sender_credentials::set_passcred;
use crate::space::SCM_MAX_FD;
use crate::sys::options;
use crate::sys::receive::{self, Arrival};

/// Maximum number of slices in one system call: `UIO_MAXIOV` on Linux, `IOV_MAX` elsewhere.
pub(crate) const MAX_SLICES: usize = 1024;

/// The reason why `io` is always `Some`.
const HERE: &str = "the socket is given away only with its owner";

/// Makes a write to a closed peer an error and never a signal.
#[cfg(not(target_vendor = "apple"))]
const SEND: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
const SEND: SendFlags = SendFlags::empty();

#[derive(Debug)]
pub(crate) struct Socket {
    /// `None` only after the socket was given away, or kept for its charges.
    io: Option<Stream>,
    /// The call that receives.
    mode: ReceiveMode,
    /// Whether this crate has enabled `SO_INQ`, or will.
    inq: Inq,
    /// The account that the peer's descriptors and memory are charged to, if any.
    peer: Option<Box<PeerAccount>>,
}

impl Socket {
    /// Converts a socket that is not registered with tokio.
    pub(crate) fn new(stream: StdUnixStream) -> Result<Socket, TransferError> {
        check_is_unix_stream(&stream)?;
        stream.set_nonblocking(true)?;
        Ok(Socket::registered(Stream::new(stream)?, false)?)
    }

    /// Converts a socket of tokio, and registers it again.
    ///
    /// The existing registration may have lost the readiness of bytes that are still queued (see
    /// above). Registering the socket again causes a new edge. A socket of tokio is non-blocking
    /// already.
    pub(crate) fn from_tokio(stream: UnixStream) -> Result<Socket, TransferError> {
        let stream = stream.into_std()?;
        check_is_unix_stream(&stream)?;
        Ok(Socket::registered(Stream::new(stream)?, false)?)
    }

    /// Converts a socket that is registered and was never read from. `refused` tells whether the kernel
    /// has refused descriptors since the connection exists.
    #[inline]
    pub(crate) fn registered(io: Stream, refused: bool) -> io::Result<Socket> {
        #[cfg(target_vendor = "apple")]
        net::sockopt::set_socket_nosigpipe(&io, true)?;

        Ok(Socket { io: Some(io), mode: ReceiveMode::new(refused), inq: Inq::never(), peer: None })
    }

    /// Enables `SO_INQ` when it is first of use, so that every receive then reports the number of bytes
    /// that are still queued.
    #[inline]
    pub(crate) fn with_inq(mut self) -> Socket {
        self.inq.permit();
        self
    }

    /// Disables `SO_INQ` if this crate has enabled it.
    #[inline]
    pub(crate) fn without_inq(mut self) -> io::Result<Socket> {
        if std::mem::replace(&mut self.inq, Inq::never()).is_on() {
            options::set_inq(self.io().as_fd(), false)?;
        }
        Ok(self)
    }

    /// Sets whether the kernel reports the sender of received bytes.
    pub(crate) fn set_sender_credentials(&mut self, on: bool) -> io::Result<()> {
        set_passcred(self.io().as_fd(), on)?;
        if on {
            // `recv` reports no sender.
            self.mode = ReceiveMode::new(false);
        }
        Ok(())
    }

    /// Sets whether peers can send descriptors to this socket.
    pub(crate) fn set_fd_passing(&self, on: bool) -> io::Result<()> {
        self.mode.set_fd_passing(&self.io().as_fd(), on)
    }

    /// Converts the socket into a stream of std. It is non-blocking and keeps `SO_OOBINLINE`,
    /// because the next owner would otherwise lose an out-of-band byte that is queued.
    ///
    /// `SO_INQ` is disabled. Otherwise a `recvmsg` of the next owner with an exact or no control
    /// buffer would report `MSG_CTRUNC`.
    pub(crate) fn into_std(self) -> io::Result<StdUnixStream> {
        self.mode.prepare_socket(&self.io().as_fd());
        self.without_inq()?.io.take().expect(HERE).into_std()
    }

    /// Returns whether this crate may enable `SO_INQ`.
    pub(crate) fn permits_inq(&self) -> bool {
        self.inq.is_permitted()
    }

    /// Returns the registered socket, for readiness and addresses.
    #[inline]
    pub(crate) fn io(&self) -> &Stream {
        self.io.as_ref().expect(HERE)
    }

    /// Charges descriptors and memory of the peer to an account from now on.
    pub(crate) fn set_account(&mut self, account: Account, socket: Option<Charge>) {
        let former = self.peer.take();
        let peer = self.peer.insert(Box::new(PeerAccount::new(account, socket)));
        if let Some(former) = former {
            peer.take_over(*former);
        }
    }

    /// Returns the account that the peer's descriptors and memory are charged to.
    #[inline]
    pub(crate) fn account(&self) -> Option<&Account> {
        Some(self.peer.as_ref()?.account())
    }

    /// Charges `count` descriptors that are about to be sent, or waits until the account has room.
    pub(crate) fn poll_admit_fds(
        &self,
        cx: &mut Context<'_>,
        count: usize,
    ) -> Poll<Result<(), FdError>> {
        let Some(peer) = &self.peer else { return Poll::Ready(Ok(())) };
        peer.in_flight().poll_admit(cx, count, || self.is_drained())
    }

    /// Charges as [`poll_admit_fds`](Self::poll_admit_fds) does, or returns `WouldBlock`.
    pub(crate) fn try_admit_fds(&self, count: usize) -> io::Result<()> {
        let Some(peer) = &self.peer else { return Ok(()) };
        let admitted = peer.in_flight().try_admit(count, || self.is_drained());
        if admitted { Ok(()) } else { Err(ErrorKind::WouldBlock.into()) }
    }

    /// Releases the charge of `count` descriptors that were not sent.
    pub(crate) fn retract_fds(&self, count: usize) {
        if let Some(peer) = &self.peer {
            peer.in_flight().retract(count);
        }
    }

    /// Returns whether the peer has read everything that was sent to it.
    fn is_drained(&self) -> bool {
        options::unsent_bytes(self.io().as_fd()).is_ok_and(|unsent| unsent == 0)
    }

    /// Returns whether nothing is left to receive, so that the next byte causes a new edge.
    ///
    /// With `SO_INQ` the kernel reports it, for 5 percent of the time in which 64 bytes are sent and
    /// received. So the option is enabled only when reads begin to end early: at a control message.
    /// Descriptors, credentials and pidfds make a read end there. An out-of-band byte also ends a read;
    /// then only a read that finds nothing is a proof.
    ///
    /// On systems other than Linux a read also ends *before* a control message, so nothing is
    /// known.
    #[inline(always)]
    fn is_read_empty(&self, arrival: &Arrival) -> bool {
        if arrival.bytes == 0 {
            return false; // The end of the stream: it stays readable.
        }
        match arrival.queued {
            Some(queued) => queued == 0,
            None if arrival.barrier => {
                self.inq.enable(self.io().as_fd());
                false
            }
            None => arrival.bytes < arrival.room && !self.io().has_priority(),
        }
    }

    /// Waits until there is room, and sends bytes of one buffer in one system call. The buffer holds at
    /// least one byte.
    #[inline]
    pub(crate) fn poll_send_buf(
        &self,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.io().poll_write_io(cx, || {
            let sent = self.send_slices(&[IoSlice::new(buf)])?;
            Ok(Transfer { value: sent, exhausts: sent < buf.len() })
        })
    }

    /// Waits until there is room, and sends bytes in one system call.
    ///
    /// The slices hold at least one byte. There are at most [`MAX_SLICES`] slices.
    #[inline(never)]
    pub(crate) fn poll_send_bytes(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.io().poll_write_io(cx, || self.transfer(slices, iter::empty()))
    }

    /// Sends as [`poll_send_bytes`](Self::poll_send_bytes) does, with a descriptor set of at most
    /// [`SCM_MAX_FD`] descriptors.
    ///
    /// The descriptors are borrowed. They were sent if and only if the result is `Ok`.
    #[inline]
    pub(crate) fn poll_send<'fd>(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
        fds: impl ExactSizeIterator<Item = BorrowedFd<'fd>> + Clone,
    ) -> Poll<Result<usize, TransferError>> {
        let count = fds.len();
        let sent = ready!(self.io().poll_write_io(cx, || self.transfer(slices, fds.clone())));
        Poll::Ready(sent.map_err(|error| send_error(error, count)))
    }

    /// Sends as [`poll_send`](Self::poll_send) does, or returns `WouldBlock`.
    pub(crate) fn try_send<'fd>(
        &self,
        slices: &[IoSlice<'_>],
        fds: impl ExactSizeIterator<Item = BorrowedFd<'fd>>,
    ) -> Result<usize, TransferError> {
        let count = fds.len();
        let sent = self.io().try_transfer(Interest::WRITABLE, || self.transfer(slices, fds));
        sent.map_err(|error| send_error(error, count))
    }

    #[inline(always)]
    fn transfer<'fd>(
        &self,
        slices: &[IoSlice<'_>],
        fds: impl ExactSizeIterator<Item = BorrowedFd<'fd>>,
    ) -> io::Result<Transfer<usize>> {
        let sent = self.send(slices, fds)?;
        // After a part, the socket is full: the peer must read first, which causes an edge.
        Ok(Transfer { value: sent, exhausts: sent < total(slices) })
    }

    #[inline(always)]
    fn send<'fd>(
        &self,
        slices: &[IoSlice<'_>],
        fds: impl ExactSizeIterator<Item = BorrowedFd<'fd>>,
    ) -> io::Result<usize> {
        match fds.len() {
            0 => {}
            // Saves the initialization of the large array in the usual case.
            1..=8 => return self.send_set::<8>(slices, fds),
            _ => return self.send_set::<SCM_MAX_FD>(slices, fds),
        }
        self.send_slices(slices)
    }

    /// Sends bytes without descriptors.
    #[inline(always)]
    fn send_slices(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let socket = self.io().as_fd();
        // With one buffer and no descriptors, `send` is cheaper than `sendmsg`.
        uninterrupted(|| {
            faults::sending(socket, slices, 0, |slices| {
                let sent = match slices {
                    [slice] => net::send(socket, slice, SEND),
                    _ => net::sendmsg(socket, slices, &mut SendAncillaryBuffer::default(), SEND),
                };
                Ok(sent?)
            })
        })
    }

    /// Sends a descriptor set of at most `MOST` descriptors.
    fn send_set<'fd, const MOST: usize>(
        &self,
        slices: &[IoSlice<'_>],
        fds: impl ExactSizeIterator<Item = BorrowedFd<'fd>>,
    ) -> io::Result<usize> {
        // rustix requires a slice. The descriptor of this socket fills its unused elements.
        let mut set = [self.io().as_fd(); MOST];
        // If the iterator yields fewer descriptors than its length, the fill elements must not be sent.
        let mut count = 0;
        for (slot, fd) in set.iter_mut().zip(fds) {
            *slot = fd;
            count += 1;
        }

        let mut space = [const { std::mem::MaybeUninit::uninit() }; DBUS_SCM_RIGHTS];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fits = control.push(SendAncillaryMessage::ScmRights(&set[..count]));
        assert!(fits, "the control buffer holds the largest set");

        uninterrupted(|| {
            faults::sending(self.io().as_fd(), slices, count, |slices| {
                Ok(net::sendmsg(self.io(), slices, &mut control, SEND)?)
            })
        })
    }

    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        Ok(net::shutdown(self.io(), net::Shutdown::Write)?)
    }

    /// Checks whether a table is full, by requesting one more descriptor.
    ///
    /// This works only while the descriptors of the truncated set are still open.
    pub(crate) fn why_truncated(&self) -> Truncation {
        match rustix::io::fcntl_dupfd_cloexec(self.io(), 0) {
            Err(Errno::MFILE) => Truncation::ProcessTableFull,
            Err(Errno::NFILE) => Truncation::SystemTableFull,
            _ => Truncation::Unknown,
        }
    }
}

/// A socket to receive from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source<'a> {
    socket: &'a Socket,
    access: Access,
}

impl<'a> Source<'a> {
    /// Receives while no other task can use the socket, which the borrow proves.
    #[inline]
    pub(crate) fn exclusive(socket: &'a mut Socket) -> Source<'a> {
        Source { socket, access: Access::Exclusive }
    }

    /// Receives while other tasks may change the options of the socket.
    #[inline]
    pub(crate) fn shared(socket: &'a Socket) -> Source<'a> {
        Source { socket, access: Access::Shared }
    }

    #[inline]
    pub(crate) fn socket(self) -> &'a Socket {
        self.socket
    }

    /// Waits until there is something to receive. Receives bytes into the unfilled part of `buf`,
    /// without advancing it, and appends descriptors to `queue`.
    ///
    /// Stores the result in `arrival`, which must be the default value.
    #[inline(always)]
    pub(crate) fn poll_receive(
        self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        queue: &mut VecDeque<OwnedFd>,
        arrival: &mut Arrival,
    ) -> Poll<io::Result<()>> {
        self.socket.io().poll_read_io(cx, || self.receive(buf, queue, arrival))
    }

    /// Receives as [`poll_receive`](Self::poll_receive) does, or returns `WouldBlock`.
    pub(crate) fn try_receive(
        self,
        buf: &mut ReadBuf<'_>,
        queue: &mut VecDeque<OwnedFd>,
        arrival: &mut Arrival,
    ) -> io::Result<()> {
        self.socket.io().try_transfer(Interest::READABLE, || self.receive(buf, queue, arrival))
    }

    /// Receives as [`try_receive`](Self::try_receive) does, into several buffers.
    pub(crate) fn try_receive_vectored(
        self,
        bufs: &mut [IoSliceMut<'_>],
        queue: &mut VecDeque<OwnedFd>,
        arrival: &mut Arrival,
    ) -> io::Result<()> {
        self.socket.io().try_transfer(Interest::READABLE, || {
            self.receive_with(arrival, |socket, _, arrival| {
                receive::receive_vectored(socket, bufs, queue, arrival)
            })
        })
    }

    /// Receives once.
    #[inline(always)]
    fn receive(
        self,
        buf: &mut ReadBuf<'_>,
        queue: &mut VecDeque<OwnedFd>,
        arrival: &mut Arrival,
    ) -> io::Result<Transfer<()>> {
        self.receive_with(arrival, |socket, call, arrival| match call {
            Call::Message => receive::receive(socket, buf, queue, arrival),
            Call::Bytes => receive::receive_bytes(socket, buf, arrival),
        })
    }

    #[inline(always)]
    fn receive_with(
        self,
        arrival: &mut Arrival,
        mut receive: impl FnMut(BorrowedFd<'_>, Call, &mut Arrival) -> io::Result<()>,
    ) -> io::Result<Transfer<()>> {
        let fd = self.socket.io().as_fd();
        self.socket.mode.receive(self.access, &fd, |call| {
            uninterrupted(|| receive(fd, call, arrival))?;
            Ok(Transfer { value: (), exhausts: self.socket.is_read_empty(arrival) })
        })
    }
}

/// Fails unless this is a stream socket of the Unix domain, which `From<OwnedFd>` does not check.
fn check_is_unix_stream(stream: &StdUnixStream) -> Result<(), TransferError> {
    let local = net::getsockname(stream);
    let unix = local.is_ok_and(|local| local.address_family() == AddressFamily::UNIX);
    let is_stream = || net::sockopt::socket_type(stream).map(|kind| kind == SocketType::STREAM);
    if !unix || !is_stream().map_err(io::Error::from)? {
        return Err(FdError::NotAUnixStream.into());
    }
    Ok(())
}

impl Drop for Socket {
    fn drop(&mut self) {
        let (Some(io), Some(mut peer)) = (self.io.take(), self.peer.take()) else { return };
        let in_flight = peer.in_flight().take_charge();
        let unread = || options::unsent_bytes(io.as_fd()).is_ok_and(|unsent| unsent > 0);
        if in_flight.amount() > 0 && unread() {
            // For the peer, the connection is closed.
            let _ = net::shutdown(&io, net::Shutdown::Both);
            discard_received(&io);
            if let Ok(socket) = io.into_std() {
                let held = peer.socket.take().filter(|held| peer.account().has(held));
                in_flight.linger(socket.into(), held);
            }
        }
    }
}

/// Reads all bytes that have arrived, without room for their descriptors, which the kernel then closes.
///
/// The socket must be shut down, so that no more can arrive.
fn discard_received(io: &Stream) {
    let mut bytes = [0; 4096];
    let mut recv = || Ok(net::recv(io, &mut bytes, RecvFlags::DONTWAIT)?.0);
    while uninterrupted(&mut recv).is_ok_and(|count| count > 0) {}
}

/// Returns the error of a send with `count` descriptors.
fn send_error(error: io::Error, count: usize) -> TransferError {
    match Errno::from_io_error(&error) {
        Some(Errno::PERM) if count > 0 => FdError::RefusedByPeer { count }.into(),
        Some(Errno::TOOMANYREFS) if count > 0 => FdError::TooManyInFlight { count }.into(),
        _ => error.into(),
    }
}

#[inline]
fn total(slices: &[IoSlice<'_>]) -> usize {
    slices.iter().map(|slice| slice.len()).sum()
}

#[inline(always)]
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_send_without_descriptors_is_an_io_error() {
        for errno in [Errno::PERM, Errno::TOOMANYREFS] {
            let TransferError::Io(error) = send_error(errno.into(), 0) else { panic!("{errno}") };
            assert_eq!(Errno::from_io_error(&error), Some(errno));
            assert!(!matches!(send_error(errno.into(), 1), TransferError::Io(_)));
        }
    }

    #[test]
    fn an_interrupted_call_is_repeated() {
        let mut calls = 0;
        let outcome = uninterrupted(|| {
            calls += 1;
            if calls < 3 { Err(ErrorKind::Interrupted.into()) } else { Ok(calls) }
        });
        assert_eq!(outcome.unwrap(), 3);
    }
}
