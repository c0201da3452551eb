//! The benchmarks of the codec, compared with the same bytes and descriptors over the stream.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anchovy::codec::{Decoder, Encoder, Framed, ReceiveError, ReceivedFds};
use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::Ours;
use crate::baseline::{Baseline, Messages};
use crate::contestant::Contestant;
use crate::work::{null, run, together};

const LENGTH: usize = 64;
const ITEMS: u32 = 10_000;

/// Frames of 64 bytes, the last of which is the number of descriptors.
struct Items;

impl Decoder for Items {
    type Item = Vec<OwnedFd>;
    type Error = io::Error;

    #[inline]
    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<Vec<OwnedFd>>, ReceiveError<io::Error>> {
        if bytes.len() < LENGTH {
            return Ok(None);
        }
        let fds = fds.take(LENGTH, bytes[LENGTH - 1].into())?;
        bytes.advance(LENGTH);
        Ok(Some(fds.into_vec()))
    }
}

impl Encoder<Vec<OwnedFd>> for Items {
    type Error = io::Error;

    fn encode(&mut self, item: &Vec<OwnedFd>, bytes: &mut BytesMut) -> io::Result<()> {
        bytes.put_bytes(7, LENGTH - 1);
        bytes.put_u8(item.len() as u8);
        Ok(())
    }

    fn fds<'a>(&mut self, item: &'a mut Vec<OwnedFd>) -> Option<&'a mut Vec<OwnedFd>> {
        Some(item)
    }
}

fn framed_pair()
-> (Framed<{ anchovy::DBUS_SCM_RIGHTS }, Items>, Framed<{ anchovy::DBUS_SCM_RIGHTS }, Items>) {
    let (near, far) = Ours::pair().expect("a pair");
    (Framed::new(near, Items), Framed::new(far, Items))
}

/// Sends each frame with one `write_all`. The other end reads as many bytes as there are.
pub(crate) fn plain_bare() -> Duration {
    run(async {
        let (mut near, mut far) = Ours::pair().expect("a pair");
        let write = async move {
            for _ in 0..ITEMS {
                near.write_all(&[7; LENGTH]).await.expect("the far end is there");
            }
        };
        let read = async move {
            let mut buf = vec![0; 8 * 1024];
            let start = Instant::now();
            while far.read(&mut buf).await.expect("a read") > 0 {}
            start.elapsed() / ITEMS
        };
        together(write, read).await
    })
}

/// Sends the same frames through the codec, which also decodes them.
pub(crate) fn plain_framed() -> Duration {
    run(async {
        let (mut near, mut far) = framed_pair();
        let write = async move {
            for _ in 0..ITEMS {
                near.feed(Vec::new()).await.expect("the far end is there");
            }
            near.close().await.expect("the far end is there");
        };
        let read = async move {
            let start = Instant::now();
            while let Some(item) = far.next().await {
                item.expect("an item");
            }
            start.elapsed() / ITEMS
        };
        together(write, read).await
    })
}

/// Sends the same frames, as many with each call as the codec does, and cuts them by length.
pub(crate) fn plain_baseline() -> Duration {
    const BATCH: usize = 64 * 1024 / LENGTH;
    run(async {
        let (mut near, far) = Baseline::<true>::pair();
        let mut far = Messages::new(far, |_| Some(LENGTH));
        let write = async move {
            let frames = vec![7; ITEMS as usize * LENGTH];
            for batch in frames.chunks(BATCH * LENGTH) {
                near.write_all(batch).await.expect("the far end is there");
            }
        };
        let read = async move {
            let start = Instant::now();
            while far.next().await.is_some() {}
            start.elapsed() / ITEMS
        };
        together(write, read).await
    })
}

/// Number of frames in flight. Their descriptors are sent back.
const BATCH: usize = 32;
const BATCHES: u32 = 75;

/// Sends each frame with one `sendmsg` and receives it with one `recvmsg`.
pub(crate) fn with_fd_bare() -> Duration {
    run(async {
        let (mut near, mut far) = Ours::pair().expect("a pair");
        let mut items: Vec<OwnedFd> = (0..BATCH).map(|_| null()).collect();
        let mut buf = [7; LENGTH];
        let start = Instant::now();
        for _ in 0..BATCHES {
            for fd in items.drain(..) {
                near.write_queue_mut().push_back(fd);
                near.write_all(&buf).await.expect("the far end is there");
            }
            for _ in 0..BATCH {
                far.read_exact(&mut buf).await.expect("it was sent");
                items.extend(far.read_queue_mut().pop_front());
            }
        }
        start.elapsed() / (BATCHES * BATCH as u32)
    })
}

/// Sends the same frames through the codec.
pub(crate) fn with_fd_framed() -> Duration {
    run(async {
        let (mut near, mut far) = framed_pair();
        let mut items: Vec<Vec<OwnedFd>> = (0..BATCH).map(|_| vec![null()]).collect();
        let start = Instant::now();
        for _ in 0..BATCHES {
            for item in items.drain(..) {
                near.feed(item).await.expect("the far end is there");
            }
            near.flush().await.expect("the far end is there");
            for _ in 0..BATCH {
                items.push(far.next().await.expect("it was sent").expect("an item"));
            }
        }
        start.elapsed() / (BATCHES * BATCH as u32)
    })
}

/// Sends the same frames with one system call each, and cuts them by length.
pub(crate) fn with_fd_baseline() -> Duration {
    run(async {
        let (mut near, far) = Baseline::<true>::pair();
        let mut far = Messages::new(far, |_| Some(LENGTH));
        let mut items: Vec<OwnedFd> = (0..BATCH).map(|_| null()).collect();
        let frame = [7; LENGTH];
        let start = Instant::now();
        for _ in 0..BATCHES {
            for fd in items.drain(..) {
                near.sending.push(fd);
                near.write_all(&frame).await.expect("the far end is there");
            }
            for _ in 0..BATCH {
                far.next().await.expect("it was sent");
            }
            items.append(&mut far.stream.received);
            assert_eq!(items.len(), BATCH);
        }
        start.elapsed() / (BATCHES * BATCH as u32)
    })
}
