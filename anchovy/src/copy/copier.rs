//! One direction of a copy, which can be stopped and continued.

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
use crate::socket::{Socket, Source};

/// Maximum number of bytes of one read, as in tokio's `copy`. If `SO_SNDBUF` is 16 KiB or more, the kernel
/// accepts a write of this length whole or not at all (unix_stream_sendmsg).
const BUFFER: usize = 8 << 10;

/// One direction of a copy, which can be stopped and continued.
///
/// It contains the bytes and descriptors that were read and not written, and counts what was copied.
/// [`copy`](crate::copy()) and [`copy_bidirectional`](crate::copy_bidirectional) use it internally.
/// Use it directly to continue a copy after it was canceled or has failed, or to find out what was not
/// written.
///
/// The first read allocates a buffer of 8 KiB.
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
/// // Nothing was lost when the future was dropped, so the copy can continue.
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
    /// Descriptors to send with the first byte of that range.
    fds: VecDeque<OwnedFd>,
    /// The charge for these descriptors, to the account of the peer that sent them.
    charge: Option<Charge>,
    copied: Copied,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Copying,
    /// The source has ended. The rest of the buffer is written, and then the destination is shut down.
    SourceEnded,
    ShutDown,
}

/// Bytes and descriptors that a [`Copier`] has read and not written.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Unsent {
    /// Bytes, in order.
    pub bytes: Vec<u8>,
    /// Descriptors to send with the first of the bytes.
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

    /// Copies until the source ends, and then shuts down the write side of the destination. Returns
    /// how much this copier has copied, in all calls together.
    ///
    /// Pass the same source and the same destination to each call.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`copy`](crate::copy()). Bytes and descriptors that were read and not
    /// written stay in the copier. After [`TooManyToSend`](FdError::TooManyToSend), for example, raise
    /// the limit of the destination and call `copy` again.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, a later call continues where this one
    /// stopped.
    pub async fn copy(
        &mut self,
        reader: &mut impl FdReader,
        writer: &mut impl FdWriter,
    ) -> io::Result<Copied> {
        poll_fn(|cx| self.poll_copy(reader, writer, cx)).await
    }

    /// Polls [`copy`](Self::copy). Only the last task that polled is woken.
    pub fn poll_copy(
        &mut self,
        reader: &mut impl FdReader,
        writer: &mut impl FdWriter,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Copied>> {
        self.poll(reader.receiving(), writer.sending(), cx).map_err(io::Error::from)
    }

    /// Returns how many bytes and descriptors this copier has written.
    pub fn copied(&self) -> Copied {
        self.copied
    }

    /// Returns the bytes and descriptors that were read and not written.
    ///
    /// A destination with [`spread_fds`](crate::StreamBuilder::spread_fds) sends many descriptors in
    /// several messages. If some of these messages were already sent, only the other descriptors are
    /// returned.
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
        let received = ready!(receiver.poll_receive(Source::shared(socket), cx, &mut buf))?;
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
        // They are in the queue during the call only, so that those that are not sent stay here.
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
