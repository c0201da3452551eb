//! What an exchange allocates.

use std::time::Duration;

use allocation_counter::measure;
use anchovy::UnixStream;
use anchovy::exchange::Exchange;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::runtime::Handle;
use tokio::task::yield_now;
use tokio::time;

use crate::harness::*;

/// Allocations of 1,000 rounds, after as many rounds as it takes for queues to have their size.
fn allocations(round: impl AsyncFn(&mut End, &mut End)) -> u64 {
    let mut count = 0;
    guarded(|| {
        let runtime = runtime();
        let (mut near, mut far) = runtime.block_on(async { pair() });
        let mut rounds = |count| {
            runtime.block_on(async {
                for _ in 0..count {
                    round(&mut near, &mut far).await;
                }
            });
        };
        rounds(100);
        // A run of tokio's may allocate once, to yield.
        let few = measure(|| rounds(20)).count_total;
        count = measure(|| rounds(1_020)).count_total - few;
    });
    count
}

#[test]
fn bytes_alone_allocate_nothing() {
    let count = allocations(async |near, far| {
        let mut buf = [0; 64];
        near.stream.write_all(b"request").await.unwrap();
        assert_eq!(far.stream.read(&mut buf).await.unwrap(), 7);
        far.stream.write_all(b"an answer").await.unwrap();
        assert_eq!(near.stream.read(&mut buf).await.unwrap(), 9);
    });
    assert_eq!(count, 0);
}

#[test]
fn descriptors_allocate_nothing() {
    let stdin = std::io::stdin();
    let count = allocations(async |near, far| {
        let ids = [(); 3].map(|()| near.fds.send_borrowed(&stdin).unwrap());
        near.stream.write_all(b"request").await.unwrap();
        let mut buf = [0; 64];
        assert_eq!(far.stream.read(&mut buf).await.unwrap(), 7);
        for id in ids {
            drop(far.fds.receive(id).await.unwrap());
        }
    });
    assert_eq!(count, 0);
}

#[test]
fn the_memory_of_a_flood_is_returned_when_it_has_expired() {
    let mut left = 0;
    guarded(|| {
        let runtime = runtime();
        let (mut near, far) = runtime.block_on(async {
            time::pause();
            with_known_foreign(&Exchange::builder()).await
        });
        let flood = async {
            for _ in 0..5 {
                far.send(b"flood", 250);
                near.read(5).await;
                far.forget();
            }
            assert_eq!(near.fds.unclaimed(), 1250);
            drive_io().await;
            time::advance(TIMEOUT + Duration::from_millis(2)).await;
            drive_io().await;
            assert_eq!(near.fds.unclaimed(), 0);
        };
        left = measure(|| runtime.block_on(flood)).bytes_current;
    });
    // The table alone had more than 100 kB. What stays is that of 1,024 expired ids, and of two sets.
    assert!(left < 16 << 10, "{left} bytes");
}

#[test]
fn a_dropped_exchange_leaves_no_task() {
    run(async {
        let runtime = Handle::current().metrics();
        let (mut near, mut far) = pair();
        let id = near.fds.send(memfd()).unwrap();
        near.write(b"x").await;
        far.read(1).await;
        drop(far.take(id).await);
        assert_eq!(runtime.num_alive_tasks(), 1, "the task that closes descriptors");
        drop((near, far));
        // Not until there is no task: the task ends by itself when the descriptor would have expired.
        for _ in 0..100 {
            yield_now().await;
        }
        assert_eq!(runtime.num_alive_tasks(), 0);
    });
}

#[test]
fn a_stream_and_a_handle_can_be_moved_between_threads() {
    fn is_stream<T: AsyncReadExt + AsyncWriteExt + Unpin + Send + 'static>(_: &T) {}
    fn is_handle<T: Clone + Send + Sync + 'static>(_: &T) {}
    run(async {
        let (near, _far) = UnixStream::pair().unwrap();
        let near = exchange(near);
        is_stream(&near.stream);
        is_handle(&near.fds);
        assert!(near.stream.is_write_vectored());
    });
}
