//! Streams and halves that send or receive, with every method that they have for it.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::os::fd::OwnedFd;

use anchovy::{
    DBUS_SCM_RIGHTS, OwnedReadHalf, OwnedWriteHalf, ReadHalf, Received, UnixStream, WriteHalf,
};
use fault_tests::{Faults, Rng, Traffic, cancel};
use interop_tests::{identities, memfds};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The methods of a receiving side that this module uses.
pub(crate) trait Receives: AsyncRead + Unpin {
    fn queue(&mut self) -> &mut VecDeque<OwnedFd>;
    async fn receive(&mut self, buf: &mut [u8]) -> io::Result<Received>;
    async fn receive_into(
        &mut self,
        buf: &mut [u8],
        fds: &mut Vec<OwnedFd>,
    ) -> io::Result<Received>;
    fn try_receive(&mut self, buf: &mut [u8]) -> io::Result<usize>;
    fn try_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize>;
    async fn wait_readable(&self) -> io::Result<()>;
}

/// The methods of a sending side that this module uses.
pub(crate) trait Sends: AsyncWrite + Unpin {
    fn queue(&mut self) -> &mut VecDeque<OwnedFd>;
    async fn send(&mut self, slices: &[IoSlice<'_>], fds: &[OwnedFd]) -> io::Result<usize>;
    fn try_send(&mut self, buf: &[u8], fds: &[OwnedFd]) -> io::Result<usize>;
    fn try_write_queue(&mut self, buf: &[u8]) -> io::Result<usize>;
    async fn wait_writable(&self) -> io::Result<()>;
    fn fd_limit(&self) -> usize;
}

macro_rules! receives {
    ($($side:ty),*) => { $(
        impl Receives for $side {
            fn queue(&mut self) -> &mut VecDeque<OwnedFd> {
                self.read_queue_mut()
            }

            async fn receive(&mut self, buf: &mut [u8]) -> io::Result<Received> {
                self.recv(buf).await
            }

            async fn receive_into(
                &mut self,
                buf: &mut [u8],
                fds: &mut Vec<OwnedFd>,
            ) -> io::Result<Received> {
                self.recv_with_fds(buf, fds).await
            }

            fn try_receive(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.try_read(buf)
            }

            fn try_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                self.try_read_vectored(bufs)
            }

            async fn wait_readable(&self) -> io::Result<()> {
                self.readable().await
            }
        }
    )* };
}

macro_rules! sends {
    ($($side:ty),*) => { $(
        impl Sends for $side {
            fn queue(&mut self) -> &mut VecDeque<OwnedFd> {
                self.write_queue_mut()
            }

            async fn send(&mut self, slices: &[IoSlice<'_>], fds: &[OwnedFd]) -> io::Result<usize> {
                match slices {
                    [slice] => self.send_with_fds(slice, fds).await,
                    _ => self.send_vectored_with_fds(slices, fds).await,
                }
            }

            fn try_send(&mut self, buf: &[u8], fds: &[OwnedFd]) -> io::Result<usize> {
                self.try_send_with_fds(buf, fds)
            }

            fn try_write_queue(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.try_write(buf)
            }

            async fn wait_writable(&self) -> io::Result<()> {
                self.writable().await
            }

            fn fd_limit(&self) -> usize {
                self.write_fd_limit()
            }
        }
    )* };
}

receives!(UnixStream, ReadHalf<'_, DBUS_SCM_RIGHTS>, OwnedReadHalf<DBUS_SCM_RIGHTS>);
sends!(UnixStream, WriteHalf<'_, DBUS_SCM_RIGHTS>, OwnedWriteHalf<DBUS_SCM_RIGHTS>);

#[derive(Clone, Copy, Debug)]
enum ReceiveWay {
    Read,
    Receive,
    ReceiveInto,
    Try,
    TryVectored,
}

#[derive(Clone, Copy, Debug)]
enum SendWay {
    Queued,
    QueuedVectored,
    TryQueued,
    Lent,
    LentVectored,
    TryLent,
}

/// Receives until the stream ends, and checks each read. Returns the error that ended it, if one
/// did.
pub(crate) async fn receive_all(
    mut rng: Rng,
    side: &mut impl Receives,
    traffic: &RefCell<Traffic>,
) -> Option<io::Error> {
    use ReceiveWay::*;
    loop {
        let size = rng.pick(&[1, 3, 16, 100, 4096, 65536, 65536]);
        let mut buf = vec![0; size];
        let mut fds = Vec::new();
        let outcome = match rng.pick(&[Read, Receive, Receive, ReceiveInto, Try, TryVectored]) {
            Read => cancel(&mut rng, side.read(&mut buf)).await,
            Receive => {
                let received = cancel(&mut rng, side.receive(&mut buf)).await;
                received.map(|received| {
                    let Received { bytes, fds, .. } = received?;
                    assert_eq!(fds, side.queue().len(), "the descriptors of this receive");
                    Ok(bytes)
                })
            }
            ReceiveInto => {
                let received = cancel(&mut rng, side.receive_into(&mut buf, &mut fds)).await;
                received.map(|received| {
                    let received = received?;
                    assert_eq!(received.fds, fds.len(), "the descriptors of this receive");
                    Ok(received.bytes)
                })
            }
            Try => Some(side.try_receive(&mut buf)),
            TryVectored => {
                let (first, rest) = buf.split_at_mut(rng.below(size + 1));
                Some(side.try_vectored(&mut [IoSliceMut::new(first), IoSliceMut::new(rest)]))
            }
        };
        fds.extend(side.queue().drain(..));
        match outcome {
            Some(Ok(0)) => {
                assert!(fds.is_empty(), "descriptors came with the end of the stream");
                return None;
            }
            Some(Ok(count)) => traffic.borrow_mut().received(&buf[..count], fds),
            None => assert!(fds.is_empty(), "a dropped receive has received"),
            Some(Err(error)) => {
                assert!(fds.is_empty(), "a failed receive has received");
                if error.kind() == ErrorKind::WouldBlock {
                    if let Some(Err(error)) = cancel(&mut rng, side.wait_readable()).await {
                        return Some(error);
                    }
                } else if !Faults::is_transient(&error) {
                    return Some(error);
                }
            }
        }
    }
}

/// Sends bytes and descriptors in every way, and shuts the side down. Returns the error that ended
/// it, if one did.
pub(crate) async fn send_all(
    mut rng: Rng,
    side: &mut impl Sends,
    traffic: &RefCell<Traffic>,
) -> Option<io::Error> {
    for _ in 0..rng.pick(&[1, 4, 12, 30]) {
        let large = rng.pick(&[5000, 40_000, 300_000]);
        let length = rng.pick(&[1, 2, 7, 30, 100, 300, 1000, large]);
        let count = rng.pick(&[0, 0, 0, 1, 1, 2, 3, 5, 30]);
        if let Some(error) = send_one(&mut rng, side, traffic, length, count).await {
            return Some(error);
        }
    }
    side.shutdown().await.err()
}

/// Sends a part of `length` bytes, and all of `count` descriptors; or nothing, if the future was
/// dropped.
async fn send_one(
    rng: &mut Rng,
    side: &mut impl Sends,
    traffic: &RefCell<Traffic>,
    length: usize,
    count: usize,
) -> Option<io::Error> {
    use SendWay::*;
    let way = rng.pick(&[Queued, QueuedVectored, TryQueued, Lent, LentVectored, TryLent]);
    let is_lent = matches!(way, Lent | LentVectored | TryLent);
    // A lower limit than that of the kernel is one with `spread_fds`, for the queue.
    let most = if is_lent { side.fd_limit() } else { side.fd_limit() * length };
    let mut lent = memfds(count.min(most));
    let mut expected = identities(&lent);
    if !is_lent {
        side.queue().extend(lent.drain(..));
    }
    let mut bytes = traffic.borrow().next(length);
    loop {
        let (first, rest) = bytes.split_at(rng.below(length + 1));
        let slices = [IoSlice::new(first), IoSlice::new(rest)];
        let outcome = match way {
            Queued => cancel(rng, side.write(bytes)).await,
            QueuedVectored => cancel(rng, side.write_vectored(&slices)).await,
            TryQueued => Some(side.try_write_queue(bytes)),
            Lent => cancel(rng, side.send(&[IoSlice::new(bytes)], &lent)).await,
            LentVectored => cancel(rng, side.send(&slices, &lent)).await,
            TryLent => Some(side.try_send(bytes, &lent)),
        };
        if let Some(Ok(sent)) = outcome {
            assert!(sent > 0 && sent <= length, "{sent} of {length} bytes were sent");
            let left = identities(side.queue().iter());
            let gone = expected.len() - left.len();
            assert_eq!(left, expected[gone..], "the rest of the queue stays in order");
            traffic.borrow_mut().sent_in_groups(sent, &expected[..gone], side.fd_limit());
            if left.is_empty() {
                return None;
            }
            // With `spread_fds`, the next write sends the rest of the queue.
            expected = left;
            bytes = traffic.borrow().next(length);
            continue;
        }
        if !is_lent {
            assert_eq!(identities(side.queue().iter()), expected, "nothing was sent");
        }
        match outcome {
            Some(Err(error)) if error.kind() == ErrorKind::WouldBlock => {
                if let Some(Err(error)) = cancel(rng, side.wait_writable()).await {
                    return Some(error);
                }
            }
            Some(Err(error)) if !Faults::is_transient(&error) => {
                side.queue().clear();
                return Some(error);
            }
            _ => {}
        }
        if rng.percent(20) {
            side.queue().clear();
            return None;
        }
    }
}
