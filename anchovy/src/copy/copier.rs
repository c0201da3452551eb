//! One direction of a copy, as a value that can stop and go on.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::mem;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use tokio::io::ReadBuf;

use super::copied::Copied;
use super::sides::sealed::{Receiving, Sending};
use super::sides::{FdReader, FdWriter};
use crate::budget::Charge;
use crate::error::fd_error::FdError;
use crate::error::transfer_error::TransferError;
use crate::receive::Receiver;
use crate::send::Sender;
use crate::socket::Socket;

/// Bytes that one read takes, as in tokio's `copy`. A write of so many is one message of the kernel,
/// which takes all of it or nothing, down to an `SO_SNDBUF` of 16 KiB (unix_stream_sendmsg).
const BUFFER: usize = 8 << 10;

/// One direction of a copy: what was read and has not been written, and how much was copied.
///
/// [`copy`](crate::copy()) and [`copy_bidirectional`](crate::copy_bidirectional) own one or two of
/// them. A program that has to stop a copy and go on with it, or that wants to know what was not
/// written, owns one itself.
///
/// A buffer of 8 KiB is allocated by the first read.
///
/// ```
/// use anchovy::{Copier, UnixStream};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let (mut client, mut front) = UnixStream::pair()?;
/// let (mut back, mut server) = UnixStream::pair()?;
/// client.send_with_fds(b"request", &[std::io::stdin()]).await?;
///
/// let mut copier = Copier::new();
/// let mut buf = [0; 7];
/// tokio::select! {
///     copied = copier.copy(&mut front, &mut back) => panic!("the client is still there: {copied:?}"),
///     read = server.read_exact(&mut buf) => read?,
/// };
/// assert_eq!((&buf, server.read_queue().len()), (b"request", 1));
///
/// // Nothing was lost when the future was dropped, so the copy can go on.
/// client.shutdown().await?;
/// let copied = copier.copy(&mut front, &mut back).await?;
/// assert_eq!((copied.bytes, copied.fds), (7, 1));
/// # Ok(())
/// # }
/// ```
pub struct Copier {
    buffer: Box<[u8]>,
    /// Range of the buffer that has not been written.
    start: usize,
    end: usize,
    /// Descriptors that leave with the first byte of that range.
    fds: VecDeque<OwnedFd>,
    /// What they are charged to the account of the peer that sent them.
    charge: Option<Charge>,
    copied: Copied,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Copying,
    /// The source has ended; what was read is written, and then the destination is shut down.
    SourceEnded,
    ShutDown,
}

/// Bytes and descriptors that a [`Copier`] has read and not written.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Unsent {
    /// Bytes, in order.
    pub bytes: Vec<u8>,
    /// Descriptors that belong with the first of the bytes.
    pub fds: VecDeque<OwnedFd>,
}

impl Default for Copier {
    fn default() -> Copier {
        Copier::new()
    }
}

impl Copier {
    /// Creates a copier that has read nothing.
    pub fn new() -> Copier {
        Copier {
            buffer: Box::default(),
            start: 0,
            end: 0,
            fds: VecDeque::new(),
            charge: None,
            copied: Copied::default(),
            phase: Phase::Copying,
        }
    }

    /// Copies until the source ends, and shuts the write side of the destination down then. Returns
    /// how much was copied in all.
    ///
    /// Source and destination have to be the same ones each time.
    ///
    /// # Errors
    ///
    /// As for [`copy`](crate::copy()). What was read and not written stays in the copier: after
    /// [`TooManyToSend`](FdError::TooManyToSend), for example, with a higher limit of the destination
    /// the copy goes on.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a later call goes on where this one stopped.
    pub async fn copy(
        &mut self,
        reader: &mut impl FdReader,
        writer: &mut impl FdWriter,
    ) -> io::Result<Copied> {
        poll_fn(|cx| self.poll_copy(reader, writer, cx)).await
    }

    /// As [`copy`](Self::copy); only the last task that polled is woken.
    pub fn poll_copy(
        &mut self,
        reader: &mut impl FdReader,
        writer: &mut impl FdWriter,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Copied>> {
        self.poll(reader.receiving(), writer.sending(), cx).map_err(io::Error::from)
    }

    /// Returns how much has been written.
    pub fn copied(&self) -> Copied {
        self.copied
    }

    /// Takes out what was read and has not been written.
    ///
    /// A set of which a part has left (a destination with
    /// [`spread_fds`](crate::StreamBuilder::spread_fds) sends a large set in several messages) is
    /// here without that part.
    pub fn into_parts(mut self) -> Unsent {
        let bytes = self.buffer[self.start..self.end].to_vec();
        Unsent { bytes, fds: mem::take(&mut self.fds) }
    }

    fn poll(
        &mut self,
        Receiving(source, receiver): Receiving<'_>,
        Sending(destination, sender): Sending<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Copied, TransferError>> {
        loop {
            while self.start < self.end {
                ready!(self.poll_write(destination, sender, cx))?;
            }
            match self.phase {
                Phase::Copying => ready!(self.poll_read(source, receiver, cx))?,
                Phase::SourceEnded => {
                    sender.shutdown(destination)?;
                    self.phase = Phase::ShutDown;
                }
                Phase::ShutDown => return Poll::Ready(Ok(self.copied)),
            }
        }
    }

    fn poll_read(
        &mut self,
        socket: &Socket,
        receiver: &mut Receiver,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransferError>> {
        if self.buffer.is_empty() {
            self.buffer = vec![0; BUFFER].into();
        }
        let mut buf = ReadBuf::new(&mut self.buffer);
        let received = ready!(receiver.poll_receive(socket, cx, &mut buf))?;
        (self.start, self.end) = (0, received.bytes);
        if received.fds > 0 {
            self.charge = receiver.take_newest(received.fds, &mut self.fds);
        }
        if received.bytes == 0 {
            self.phase = Phase::SourceEnded;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(
        &mut self,
        socket: &Socket,
        sender: &mut Sender,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), TransferError>> {
        let slices = [IoSlice::new(&self.buffer[self.start..self.end])];
        let written = if self.fds.is_empty() {
            ready!(sender.poll_send::<OwnedFd>(socket, cx, &slices, &[]))?
        } else {
            ready!(self.poll_write_fds(socket, sender, cx))?
        };
        self.start += written;
        self.copied.bytes += written as u64;
        Poll::Ready(Ok(()))
    }

    fn poll_write_fds(
        &mut self,
        socket: &Socket,
        sender: &mut Sender,
        cx: &mut Context<'_>,
    ) -> Poll<Result<usize, TransferError>> {
        let queued = sender.queue.len();
        if queued > 0 {
            return Poll::Ready(Err(FdError::WriteQueueNotEmpty { queued }.into()));
        }
        let before = self.fds.len();
        let slices = [IoSlice::new(&self.buffer[self.start..self.end])];
        // They are in the queue during the call only, so that what does not leave stays here.
        mem::swap(&mut self.fds, &mut sender.queue);
        let written = sender.poll_write(socket, cx, &slices);
        mem::swap(&mut self.fds, &mut sender.queue);
        self.copied.fds += (before - self.fds.len()) as u64;
        if self.fds.is_empty() {
            self.charge = None;
        }
        written
    }
}

impl fmt::Debug for Copier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Copier")
            .field("unsent_bytes", &(self.end - self.start))
            .field("unsent_fds", &self.fds.len())
            .field("copied", &self.copied)
            .field("phase", &self.phase)
            .finish()
    }
}
