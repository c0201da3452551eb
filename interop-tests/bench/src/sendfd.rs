//! The crates sendfd and tokio-seqpacket, which pass descriptors too.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use sendfd::{RecvWithFd, SendWithFd};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_seqpacket::UnixSeqpacket;
use tokio_seqpacket::ancillary::{AncillaryMessageWriter, OwnedAncillaryMessage};

use crate::contestant::{Contestant, Tokio};
use crate::work::{null, run, together};

/// A stream that calls sendfd.
pub(crate) struct Sendfd {
    socket: Tokio,
    sending: Vec<OwnedFd>,
    received: Vec<OwnedFd>,
}

impl AsyncRead for Sendfd {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            ready!(this.socket.poll_read_ready(cx))?;
            let mut fds = [-1; 253];
            match this.socket.recv_with_fd(buf.initialize_unfilled(), &mut fds) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
                Ok((bytes, count)) => {
                    buf.advance(bytes);
                    // SAFETY: each descriptor is new and owned once.
                    let owned = fds[..count].iter().map(|fd| unsafe { OwnedFd::from_raw_fd(*fd) });
                    this.received.extend(owned);
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }
}

impl AsyncWrite for Sendfd {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        loop {
            ready!(this.socket.poll_write_ready(cx))?;
            let fds: Vec<RawFd> = this.sending.iter().map(AsRawFd::as_raw_fd).collect();
            match this.socket.send_with_fd(bytes, &fds) {
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

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().socket).poll_shutdown(cx)
    }
}

impl Contestant for Sendfd {
    fn pair() -> (Self, Self) {
        let (near, far) = Tokio::pair().expect("a pair");
        let stream = |socket| Sendfd { socket, sending: Vec::new(), received: Vec::new() };
        (stream(near), stream(far))
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

const MESSAGE: [u8; 64] = [7; 64];

/// The ping-pong of streams, on packets: one end sends a message of 64 bytes and `fds` descriptors, and
/// the other one returns them.
pub(crate) fn ping_pong_of_packets(fds: usize) -> impl Fn() -> Duration {
    let rounds = if fds > 28 { 100 } else { 2_500 };
    move || {
        run(async {
            let (near, far) = UnixSeqpacket::pair().expect("a pair");
            let echo = async move {
                let mut received = Vec::new();
                while receive(&far, &mut received).await {
                    send(&far, &mut received).await;
                }
            };
            let drive = async move {
                let mut queue: Vec<OwnedFd> = (0..fds).map(|_| null()).collect();
                let start = Instant::now();
                for _ in 0..rounds {
                    send(&near, &mut queue).await;
                    assert!(receive(&near, &mut queue).await, "it echoes");
                }
                assert_eq!(queue.len(), fds);
                start.elapsed() / rounds
            };
            together(echo, drive).await
        })
    }
}

async fn send(socket: &UnixSeqpacket, fds: &mut Vec<OwnedFd>) {
    let mut space = [0; 1056];
    let mut ancillary = AncillaryMessageWriter::new(&mut space);
    if !fds.is_empty() {
        ancillary.add_fds(&*fds).expect("room for 253 descriptors");
    }
    let sent = socket.send_with_ancillary(&MESSAGE, &mut ancillary).await;
    assert_eq!(sent.expect("the peer is there"), MESSAGE.len());
    fds.clear();
}

/// Returns `false` if the peer has disconnected.
async fn receive(socket: &UnixSeqpacket, fds: &mut Vec<OwnedFd>) -> bool {
    let (mut buf, mut space) = ([0; 4096], [0; 1056]);
    let received = socket.recv_with_ancillary(&mut buf, &mut space).await;
    let (info, ancillary) = received.expect("a packet");
    for message in ancillary.into_messages() {
        if let OwnedAncillaryMessage::FileDescriptors(received) = message {
            fds.extend(received);
        }
    }
    info.bytes_read() > 0
}
