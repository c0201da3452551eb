//! The baseline of all benchmarks: hand-written system calls, on the readiness of tokio.
//!
//! It does what every correct program has to do, and nothing else. It sends all descriptors with the
//! first byte of a write, closes them after the send, and receives descriptors close-on-exec with room
//! for as many as a message can have. It has no limits, no queue of several sets and no checks, except
//! that truncation panics.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest, ReadBuf};
use tokio::net::UnixStream;

use crate::contestant::Contestant;

/// Room for the control messages of one receive: 253 descriptors and the number of queued bytes.
type Control = [u64; 132];

const SO_INQ: libc::c_int = 84;
const SCM_INQ: libc::c_int = 84;

/// A stream that can pass descriptors, or a stream that cannot (`FDS` is `false`).
pub(crate) struct Baseline<const FDS: bool> {
    socket: Arc<UnixStream>,
    /// Descriptors for the next write.
    pub(crate) sending: Vec<OwnedFd>,
    /// Received descriptors, in order.
    pub(crate) received: Vec<OwnedFd>,
}

impl<const FDS: bool> Baseline<FDS> {
    pub(crate) fn new(socket: UnixStream) -> Baseline<FDS> {
        if FDS {
            let on: libc::c_int = 1;
            // Kernels before 6.17 do not have this option. Then, a wake-up ends with EAGAIN.
            // SAFETY: the option is an int, and the call reads one.
            unsafe {
                libc::setsockopt(
                    socket.as_raw_fd(),
                    libc::SOL_SOCKET,
                    SO_INQ,
                    (&raw const on).cast(),
                    size_of_val(&on) as libc::socklen_t,
                );
            }
        }
        Baseline { socket: Arc::new(socket), sending: Vec::new(), received: Vec::new() }
    }

    /// Returns a second owner of the socket, so that one task can read and another one write.
    pub(crate) fn other_half(&self) -> Baseline<FDS> {
        Baseline { socket: self.socket.clone(), sending: Vec::new(), received: Vec::new() }
    }

    /// Sends bytes with descriptors that stay open.
    pub(crate) async fn send_borrowed(&self, bytes: &[u8], fds: &[OwnedFd]) -> io::Result<usize> {
        self.socket.async_io(Interest::WRITABLE, || self.send(bytes, fds)).await
    }

    fn send(&self, bytes: &[u8], fds: &[OwnedFd]) -> io::Result<usize> {
        let socket = self.socket.as_raw_fd();
        if fds.is_empty() {
            // SAFETY: the pointer and the length are those of a slice.
            return checked(unsafe {
                libc::send(socket, bytes.as_ptr().cast(), bytes.len(), libc::MSG_NOSIGNAL)
            });
        }
        let mut control = MaybeUninit::<Control>::uninit();
        let data = size_of_val(fds) as libc::c_uint;
        let mut part = libc::iovec { iov_base: bytes.as_ptr() as *mut _, iov_len: bytes.len() };
        let mut message = empty_message();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        // SAFETY: these compute lengths.
        let (space, length) = unsafe { (libc::CMSG_SPACE(data), libc::CMSG_LEN(data)) };
        assert!(space as usize <= size_of::<Control>(), "253 descriptors at most");
        message.msg_controllen = space as usize;
        // SAFETY: the buffer is aligned and has room for a header and the descriptors.
        unsafe {
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = length as usize;
            let ints = libc::CMSG_DATA(header).cast::<RawFd>();
            for (index, fd) in fds.iter().enumerate() {
                ints.add(index).write(fd.as_raw_fd());
            }
        }
        // SAFETY: the message points to a slice and to a control message.
        checked(unsafe { libc::sendmsg(socket, &raw const message, libc::MSG_NOSIGNAL) })
    }
}

/// Receives once. Returns the number of bytes, and whether the socket is known to be empty.
fn receive(
    socket: &UnixStream,
    fds: Option<&mut Vec<OwnedFd>>,
    buf: &mut [MaybeUninit<u8>],
) -> io::Result<(usize, bool)> {
    let socket = socket.as_raw_fd();
    let Some(fds) = fds else {
        // SAFETY: the pointer and the length are those of a slice.
        let count = checked(unsafe { libc::recv(socket, buf.as_mut_ptr().cast(), buf.len(), 0) })?;
        // As tokio decides. Only control messages could end a read early.
        return Ok((count, count > 0 && count < buf.len()));
    };
    let mut control = MaybeUninit::<Control>::uninit();
    let mut part = libc::iovec { iov_base: buf.as_mut_ptr().cast(), iov_len: buf.len() };
    let mut message = empty_message();
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of::<Control>();
    // SAFETY: the message points to a slice and to the control buffer.
    let count =
        checked(unsafe { libc::recvmsg(socket, &raw mut message, libc::MSG_CMSG_CLOEXEC) })?;
    assert_eq!(message.msg_flags & libc::MSG_CTRUNC, 0, "there is room for 253 descriptors");
    let mut drained = false;
    // SAFETY: the kernel wrote the control messages, and each descriptor is new and owned once.
    unsafe {
        let mut header = libc::CMSG_FIRSTHDR(&raw const message);
        while let Some(found) = header.as_ref() {
            let ints = libc::CMSG_DATA(header).cast::<RawFd>();
            let length = found.cmsg_len - libc::CMSG_LEN(0) as usize;
            match found.cmsg_type {
                libc::SCM_RIGHTS => {
                    let received = (0..length / size_of::<RawFd>()).map(|index| ints.add(index));
                    fds.extend(received.map(|fd| OwnedFd::from_raw_fd(fd.read())));
                }
                SCM_INQ => drained = count > 0 && ints.read() == 0,
                _ => {}
            }
            header = libc::CMSG_NXTHDR(&raw const message, header);
        }
    }
    Ok((count, drained))
}

impl<const FDS: bool> AsyncRead for Baseline<FDS> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            ready!(this.socket.poll_read_ready(cx))?;
            let mut received = None;
            let outcome = this.socket.try_io(Interest::READABLE, || {
                // SAFETY: the call initializes bytes only.
                let unfilled = unsafe { buf.unfilled_mut() };
                let (count, drained) =
                    receive(&this.socket, FDS.then_some(&mut this.received), unfilled)?;
                received = Some(count);
                // This clears the readiness, so that the next read does not end with EAGAIN.
                if drained { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(()) }
            });
            match (received, outcome) {
                (Some(count), _) => {
                    // SAFETY: the kernel wrote these bytes.
                    unsafe { buf.assume_init(count) };
                    buf.advance(count);
                    return Poll::Ready(Ok(()));
                }
                (None, Err(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
                (None, outcome) => return Poll::Ready(outcome),
            }
        }
    }
}

impl<const FDS: bool> AsyncWrite for Baseline<FDS> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        loop {
            ready!(this.socket.poll_write_ready(cx))?;
            let send = || this.send(bytes, &this.sending);
            match this.socket.try_io(Interest::WRITABLE, send) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                outcome => {
                    if outcome.is_ok() {
                        this.sending.clear();
                    }
                    return Poll::Ready(outcome);
                }
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // SAFETY: the call takes no pointer.
        let result = unsafe { libc::shutdown(self.socket.as_raw_fd(), libc::SHUT_WR) };
        Poll::Ready(checked(result as isize).map(drop))
    }
}

impl<const FDS: bool> Contestant for Baseline<FDS> {
    fn pair() -> (Self, Self) {
        let (left, right) = UnixStream::pair().expect("a pair");
        (Baseline::new(left), Baseline::new(right))
    }

    fn bounce(&mut self) {
        self.sending.append(&mut self.received);
    }

    fn queue(&mut self, fds: Vec<OwnedFd>) {
        self.sending.extend(fds);
    }

    fn close_received(&mut self) {
        self.received.clear();
    }
}

/// Collects received bytes, and cuts them into messages by length.
pub(crate) struct Messages<const FDS: bool> {
    pub(crate) stream: Baseline<FDS>,
    buf: Vec<u8>,
    /// Where the next message begins.
    start: usize,
    /// Returns the length of a message that begins with these bytes, if it is known yet.
    length: fn(&[u8]) -> Option<usize>,
}

impl<const FDS: bool> Messages<FDS> {
    pub(crate) fn new(stream: Baseline<FDS>, length: fn(&[u8]) -> Option<usize>) -> Messages<FDS> {
        Messages { stream, buf: Vec::with_capacity(READ), start: 0, length }
    }

    /// Returns the next message, or `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<&[u8]> {
        loop {
            let rest = &self.buf[self.start..];
            if let Some(length) = (self.length)(rest).filter(|length| *length <= rest.len()) {
                let message = self.start..self.start + length;
                self.start = message.end;
                return Some(&self.buf[message]);
            }
            self.buf.drain(..self.start);
            self.start = 0;
            if self.stream.read_buf(&mut self.buf).await.expect("a read") == 0 {
                return None;
            }
        }
    }
}

/// Number of bytes that are read at a time, as anchovy's codec does.
const READ: usize = 8 * 1024;

/// Forwards bytes and descriptors in both directions, each in a task.
pub(crate) fn proxy(left: Baseline<true>, right: Baseline<true>) {
    tokio::spawn(forward(left.other_half(), right.other_half()));
    tokio::spawn(forward(right, left));
}

async fn forward(mut from: Baseline<true>, mut to: Baseline<true>) {
    let mut buf = vec![0; READ];
    loop {
        let count = from.read(&mut buf).await.expect("a read");
        if count == 0 {
            break;
        }
        to.sending.append(&mut from.received);
        // If the other end has disconnected, reading from it ends next.
        let _ = to.write_all(&buf[..count]).await;
    }
    let _ = to.shutdown().await;
}

fn empty_message() -> libc::msghdr {
    // SAFETY: a message header without parts consists of zeros.
    unsafe { std::mem::zeroed() }
}

fn checked(result: isize) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}
