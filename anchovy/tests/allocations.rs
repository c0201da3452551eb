//! Allocations in the steady state, counted by the allocator of this process.

use std::os::fd::OwnedFd;

use allocation_counter::measure;
use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS, StreamBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

type Stream = AnchovyStream<DBUS_SCM_RIGHTS>;

/// Runs `round` until queues and tables have reached their size, and then counts allocations.
///
/// The allocations of the runtime are included.
fn allocations(round: impl AsyncFnMut(&mut Stream, &mut Stream)) -> u64 {
    allocations_of(&Stream::builder(), round)
}

fn allocations_of(
    builder: &StreamBuilder<DBUS_SCM_RIGHTS>,
    mut round: impl AsyncFnMut(&mut Stream, &mut Stream),
) -> u64 {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_io().build().expect("a runtime");
    let (mut near, mut far) = runtime.block_on(async { builder.pair().expect("a pair") });
    let mut rounds = |count| {
        runtime.block_on(async {
            for _ in 0..count {
                round(&mut near, &mut far).await;
            }
        });
    };
    rounds(100);
    measure(|| rounds(1_000)).count_total
}

fn nulls(count: usize) -> Vec<OwnedFd> {
    let null = || std::fs::File::open("/dev/null").expect("a null device").into();
    (0..count).map(|_| null()).collect()
}

#[test]
fn the_allocation_counter_counts() {
    let counted = measure(|| drop(std::hint::black_box(vec![0u8; 100])));
    assert_eq!(counted.count_total, 1);
}

#[test]
fn reading_and_writing_bytes_allocates_nothing() {
    let mut buf = [0; 256];
    let count = allocations(async |near, far| {
        near.write_all(b"a message").await.unwrap();
        assert_eq!(far.read(&mut buf).await.unwrap(), 9);
        let answer = [std::io::IoSlice::new(b"an"), std::io::IoSlice::new(b"answer")];
        assert_eq!(far.write_vectored(&answer).await.unwrap(), 8);
        assert_eq!(near.read(&mut buf).await.unwrap(), 8);
    });
    assert_eq!(count, 0);
}

#[test]
fn exchanging_descriptors_allocates_nothing() {
    for fds in [1, 28, 253] {
        let (mut buf, mut first) = ([0; 256], Some(nulls(fds)));
        let count = allocations(async |near, far| {
            near.write_queue_mut().extend(first.take().unwrap_or_default());
            near.write_all(b"a message").await.unwrap();
            far.recv(&mut buf).await.unwrap();
            while let Some(fd) = far.read_queue_mut().pop_front() {
                far.write_queue_mut().push_back(fd);
            }
            far.write_all(b"an answer").await.unwrap();
            near.recv(&mut buf).await.unwrap();
            while let Some(fd) = near.read_queue_mut().pop_front() {
                near.write_queue_mut().push_back(fd);
            }
        });
        assert_eq!(count, 0, "{fds} descriptors");
    }
}

#[test]
fn spreading_descriptors_allocates_nothing() {
    let (mut buf, mut first) = ([0; 9], Some(nulls(60)));
    let builder = Stream::builder().write_fd_limit(28).spread_fds(true);
    let count = allocations_of(&builder, async |near, far| {
        near.write_queue_mut().extend(first.take().unwrap_or_default());
        near.write_all(b"a message").await.unwrap();
        far.read_exact(&mut buf).await.unwrap();
        while let Some(fd) = far.read_queue_mut().pop_front() {
            near.write_queue_mut().push_back(fd);
        }
        assert_eq!(near.write_queue().len(), 60);
    });
    assert_eq!(count, 0);
}

#[test]
fn lending_descriptors_allocates_nothing() {
    for fds in [1, 28, 253] {
        let (mut buf, fds) = ([0; 256], nulls(fds));
        let count = allocations(async |near, far| {
            near.send_with_fds(b"a message", &fds).await.unwrap();
            let received = far.recv(&mut buf).await.unwrap();
            assert_eq!(received.fds, fds.len());
            far.read_queue_mut().clear();
        });
        assert_eq!(count, 0, "{} descriptors", fds.len());
    }
}

#[test]
fn receiving_into_a_vector_allocates_nothing() {
    for fds in [1, 28, 253] {
        let (mut buf, fds, mut received) = ([0; 256], nulls(fds), Vec::new());
        let count = allocations(async |near, far| {
            near.send_with_fds(b"a message", &fds).await.unwrap();
            far.recv_with_fds(&mut buf, &mut received).await.unwrap();
            assert_eq!(received.drain(..).count(), fds.len());
        });
        assert_eq!(count, 0, "{} descriptors", fds.len());
    }
}

#[cfg(feature = "codec")]
mod codec {
    //! Allocations of the codec.

    use std::io;
    use std::os::fd::{AsFd, BorrowedFd};

    use anchovy::codec::{
        Decoder, Encoder, Framed, ReadPolicy, ReceiveError, ReceivedFds, WritePolicy,
    };
    use bytes::{Buf, BufMut, BytesMut};

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

    const ITEMS: u64 = 64 * 20;

    /// Returns the allocations for 64 frames with this number of descriptors each.
    fn allocations(fds: usize) -> u64 {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_io().build().expect("a runtime");
        let (mut near, mut far) = runtime.block_on(async {
            let (near, far) = Stream::pair().expect("a pair");
            (Framed::new(near, Eights), Framed::new(far, Eights))
        });
        // The frames are sent back, so that none is created while allocations are counted.
        let mut items: Vec<_> = (0..64).map(|_| nulls(fds)).collect();
        let mut rounds = |count| {
            runtime.block_on(async {
                for _ in 0..count {
                    for item in items.drain(..) {
                        near.feed(item).await.unwrap();
                    }
                    near.flush().await.unwrap();
                    for _ in 0..64 {
                        items.push(far.next().await.unwrap().unwrap());
                    }
                }
            });
        };
        // A run of tokio may allocate once to yield. The allocations of further rounds are those
        // of frames.
        rounds(20);
        let few = measure(|| rounds(20)).count_total;
        measure(|| rounds(20 + ITEMS / 64)).count_total - few
    }

    #[test]
    fn frames_without_descriptors_allocate_nothing() {
        assert_eq!(allocations(0), 0);
    }

    #[test]
    fn frames_with_descriptors_allocate_only_their_list() {
        assert_eq!(allocations(1), ITEMS);
        assert_eq!(allocations(3), ITEMS);
    }

    #[test]
    fn a_frame_that_lends_its_descriptors_allocates_nothing() {
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
}
