//! Allocations of the codec.

use std::fmt::Debug;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use anchovy::codec::{
    Decoder, Encoder, Framed, ReadPolicy, ReceiveError, ReceivedFds, WritePolicy,
};
use bytes::{Buf, BufMut, BytesMut};
use tokio::runtime::Runtime;

use super::*;

/// Frames of eight bytes, the last of which is the number of descriptors.
struct Eights;

impl Decoder for Eights {
    type Item = Vec<OwnedFd>;
    type Error = io::Error;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<Vec<OwnedFd>>, ReceiveError<io::Error>> {
        if bytes.len() < 8 {
            return Ok(None);
        }
        let fds = fds.take(8, bytes[7].into())?.into_vec();
        bytes.advance(8);
        Ok(Some(fds))
    }
}

impl Encoder<Vec<OwnedFd>> for Eights {
    type Error = io::Error;

    fn encode(&mut self, item: &Vec<OwnedFd>, bytes: &mut BytesMut) -> io::Result<()> {
        bytes.put_bytes(0, 7);
        bytes.put_u8(item.len() as u8);
        Ok(())
    }

    fn fds<'a>(&mut self, item: &'a mut Vec<OwnedFd>) -> Option<&'a mut Vec<OwnedFd>> {
        Some(item)
    }
}

fn framed(stream: Stream) -> Framed<DBUS_SCM_RIGHTS, Eights> {
    Framed::new(stream, Eights)
}

/// Number of frames whose allocations [`allocations`] counts.
pub(crate) const FRAMES: u64 = 64 * 20;

/// Returns the allocations for [`FRAMES`] frames, which are sent 64 at a time.
///
/// Received frames are sent again, so that none is created while allocations are counted.
pub(crate) fn allocations<C, F>(
    framed: impl Fn(Stream) -> Framed<DBUS_SCM_RIGHTS, C>,
    frame: impl Fn() -> F,
) -> u64
where
    C: Decoder<Item = F, Error: Debug> + Encoder<F, Error: Debug>,
    F: Debug,
{
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_io().build().expect("a runtime");
    let (mut near, mut far) = runtime.block_on(async {
        let (near, far) = Stream::pair().expect("a pair");
        (framed(near), framed(far))
    });
    let mut frames: Vec<_> = (0..64).map(|_| frame()).collect();
    count(&runtime, async || {
        for frame in frames.drain(..) {
            near.feed(frame).await.unwrap();
        }
        near.flush().await.unwrap();
        for _ in 0..64 {
            frames.push(far.next().await.unwrap().unwrap());
        }
    })
}

/// Runs a round until queues and buffers have reached their size, and then returns the allocations for
/// 20 rounds.
pub(crate) fn count(runtime: &Runtime, mut round: impl AsyncFnMut()) -> u64 {
    let mut rounds = |count| {
        runtime.block_on(async {
            for _ in 0..count {
                round().await;
            }
        });
    };
    // A run of tokio may allocate once to yield. The allocations of further rounds are those
    // of frames.
    rounds(20);
    let few = measure(|| rounds(20)).count_total;
    measure(|| rounds(20 + FRAMES / 64)).count_total - few
}

#[test]
fn frames_without_descriptors_allocate_nothing() {
    assert_eq!(allocations(framed, Vec::new), 0);
}

#[test]
fn frames_with_descriptors_allocate_only_their_list() {
    assert_eq!(allocations(framed, || nulls(1)), FRAMES);
    assert_eq!(allocations(framed, || nulls(3)), FRAMES);
}

#[test]
fn a_frame_that_borrows_its_descriptors_allocates_nothing() {
    /// Eight bytes, and descriptors that the caller keeps.
    struct Lent<'a>(&'a [OwnedFd]);

    impl Encoder<Lent<'_>> for Eights {
        type Error = io::Error;

        fn encode(&mut self, frame: &Lent<'_>, bytes: &mut BytesMut) -> io::Result<()> {
            bytes.put_bytes(0, 7);
            bytes.put_u8(frame.0.len() as u8);
            Ok(())
        }

        fn borrowed_fds<'a>(
            &mut self,
            frame: &'a Lent<'_>,
        ) -> impl Iterator<Item = BorrowedFd<'a>> + Clone {
            frame.0.iter().map(AsFd::as_fd)
        }
    }

    for fds in [1, 28, 253] {
        let fds = nulls(fds);
        let mut buf = [0; 256];
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_io().build().expect("a runtime");
        let (near, mut far) = runtime.block_on(async { Stream::pair().expect("a pair") });
        let mut near = Framed::new(near, Eights);
        let mut rounds = |count| {
            runtime.block_on(async {
                for _ in 0..count {
                    near.send(Lent(&fds)).await.unwrap();
                    assert_eq!(far.recv(&mut buf).await.unwrap().fds, fds.len());
                    far.read_queue_mut().clear();
                }
            });
        };
        rounds(100);
        let few = measure(|| rounds(20)).count_total;
        assert_eq!(measure(|| rounds(1_000)).count_total - few, 0, "{} descriptors", fds.len());
    }
}

#[test]
fn a_timeout_for_frames_that_arrive_in_parts_allocates_one_timer() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_io().enable_time().build().expect("a runtime");
    let timeout = Some(std::time::Duration::from_secs(600));
    let policy = ReadPolicy { frame_timeout: timeout, ..ReadPolicy::default() };
    let (mut near, mut far) = runtime.block_on(async {
        let (near, far) = Stream::pair().expect("a pair");
        (near, Framed::with_policies(far, Eights, policy, WritePolicy::default()))
    });
    let mut rounds = |count| {
        runtime.block_on(async {
            for _ in 0..count {
                for _ in 0..2 {
                    // Waits between frames, and within each of them.
                    tokio::task::yield_now().await;
                    tokio::select! {
                        biased;
                        _ = far.next() => panic!("there is no whole frame"),
                        () = tokio::task::yield_now() => {}
                    }
                    near.write_all(&[0; 4]).await.unwrap();
                }
                far.next().await.unwrap().unwrap();
            }
        });
    };
    rounds(100);
    let few = measure(|| rounds(20)).count_total;
    assert_eq!(measure(|| rounds(1_000)).count_total - few, 0);
}
