//! Allocations in the steady state, counted by the allocator of this process.

#[cfg(feature = "codec")]
mod codec;
#[cfg(feature = "codec")]
mod with_fds;

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
