//! Ids that are traded for descriptors, and those that cannot be.

use std::time::Duration;

use anchovy::UnixStream;
use anchovy::exchange::{Exchange, FdId, ReceiveError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time;

use crate::harness::*;

async fn refused(end: &End, id: FdId) -> ReceiveError {
    now(end.fds.receive(id)).await.expect("no wait").expect_err("an error")
}

#[test]
fn descriptors_are_taken_in_any_order() {
    run(async {
        let (mut near, mut far) = pair();
        let fds = memfds(5);
        let expected = identities(&fds);
        let ids = near.send_all(fds);
        near.write(b"request").await;
        far.read(7).await;
        for place in [3, 0, 4, 2, 1] {
            assert_eq!(identity(far.take(ids[place]).await), expected[place]);
        }
        assert_eq!(far.fds.unclaimed(), 0);
    });
}

#[test]
fn a_received_descriptor_is_close_on_exec() {
    run(async {
        let (mut near, mut far) = pair();
        let id = near.fds.send(memfd()).unwrap();
        near.write(b".").await;
        far.read(1).await;
        let flags = rustix::io::fcntl_getfd(far.take(id).await).unwrap();
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    });
}

#[test]
fn both_directions_pass_descriptors_at_once() {
    run(async {
        let (mut near, mut far) = pair();
        let (there, back) = (memfd(), memfd());
        let expected = (identity(&there), identity(&back));
        let (there, back) = (near.fds.send(there).unwrap(), far.fds.send(back).unwrap());
        near.write(b"request").await;
        far.write(b"answer").await;
        far.read(7).await;
        near.read(6).await;
        let taken = (identity(far.take(there).await), identity(near.take(back).await));
        assert_eq!(taken, expected);
    });
}

#[test]
fn an_id_that_comes_before_its_descriptor_waits_for_it() {
    run(async {
        let (mut near, mut far) = pair();
        let fd = memfd();
        let expected = identity(&fd);
        let id = near.fds.send(fd).unwrap();
        let fds = far.fds.clone();
        let waiting = tokio::spawn(async move { fds.receive(id).await });
        drive_io().await;
        assert!(!waiting.is_finished());
        near.write(b".").await;
        far.read(1).await;
        assert_eq!(identity(waiting.await.unwrap().unwrap()), expected);
    });
}

#[test]
fn a_descriptor_that_leaves_after_its_request_is_waited_for() {
    run(async {
        let (near, far) = UnixStream::builder().write_fd_limit(1).pair().unwrap();
        let (mut near, mut far) = (exchange(near), exchange(far));
        let ids = near.send_all(memfds(2));
        // The carrier, and nothing else, leaves with one byte.
        near.write(b"a").await;
        far.read(1).await;
        let mut receiving = Box::pin(far.fds.receive(ids[0]));
        assert!(now(&mut receiving).await.is_none());
        near.write(b"b").await;
        drop(receiving);
        far.read(1).await;
        far.take(ids[0]).await;
        assert!(now(far.fds.receive(ids[1])).await.is_none());
        near.write(b"c").await;
        far.read(1).await;
        far.take(ids[1]).await;
    });
}

#[test]
fn the_ids_of_1024_descriptors_fit_in_one_message_that_is_read_later() {
    run(async {
        let (mut near, mut far) = pair();
        let fds = memfds(1024);
        let expected = identities(&fds);
        let ids: Vec<_> = near.send_all(fds).iter().map(FdId::to_string).collect();
        let message = serde_json::to_vec(&ids).unwrap();
        let (written, read) =
            tokio::join!(near.stream.write_all(&message), far.read(message.len()));
        written.unwrap();
        assert_eq!(far.fds.unclaimed(), 1024);
        let ids: Vec<String> = serde_json::from_slice(&read).unwrap();
        let mut taken = Vec::new();
        for id in ids {
            taken.push(far.take(id.parse().unwrap()).await);
        }
        assert_eq!(identities(&taken), expected);
    });
}

#[test]
fn a_descriptor_is_taken_once() {
    run(async {
        let (mut near, mut far) = pair();
        let id = near.fds.send(memfd()).unwrap();
        near.write(b".").await;
        far.read(1).await;
        far.take(id).await;
        assert_eq!(refused(&far, id).await, ReceiveError::AlreadyTaken { id });
    });
}

#[test]
fn of_two_calls_for_one_descriptor_one_gets_it() {
    run(async {
        let (mut near, mut far) = pair();
        let id = near.fds.send(memfd()).unwrap();
        let calls = [0; 2].map(|_| {
            let fds = far.fds.clone();
            tokio::spawn(async move { fds.receive(id).await })
        });
        drive_io().await;
        near.write(b".").await;
        far.read(1).await;
        let mut errors = Vec::new();
        for call in calls {
            errors.extend(call.await.unwrap().err());
        }
        assert_eq!(errors, [ReceiveError::AlreadyTaken { id }]);
    });
}

#[test]
fn an_id_whose_descriptor_is_never_sent_fails_at_the_timeout() {
    run(async {
        time::pause();
        let (near, _far) = with_known_foreign(&Exchange::builder()).await;
        let id = foreign_id(0);
        let start = time::Instant::now();
        let error = near.fds.receive(id).await.unwrap_err();
        assert_eq!(error, ReceiveError::NotArrived { id, timeout: TIMEOUT });
        assert!((TIMEOUT..TIMEOUT + Duration::from_secs(1)).contains(&start.elapsed()));
    });
}

#[test]
fn ids_that_are_never_sent_fail_alone() {
    run(async {
        time::pause();
        let (mut near, far) = with_known_foreign(&Exchange::builder().max_unclaimed(10)).await;
        let fds = near.fds.clone();
        let waiting = tokio::spawn(async move { fds.receive(foreign_id(1)).await });
        drive_io().await;
        time::advance(TIMEOUT / 2).await;
        let first = far.send(b"one", 1);
        near.read(3).await;
        let out_of_range = ReceiveError::OutOfRange { id: foreign_id(11), arrived: 1, limit: 10 };
        assert_eq!(refused(&near, foreign_id(11)).await, out_of_range);
        time::advance(TIMEOUT / 2 + Duration::from_millis(2)).await;
        let not_arrived = ReceiveError::NotArrived { id: foreign_id(1), timeout: TIMEOUT };
        assert_eq!(waiting.await.unwrap().unwrap_err(), not_arrived);

        // The descriptor that had arrived, later bytes and later descriptors are not affected.
        assert_eq!(far.open(), 1);
        let later = far.send(b"later", 2);
        assert_eq!(near.read(5).await, b"later");
        let mut taken = Vec::new();
        for index in 0..3 {
            taken.push(near.take(foreign_id(index)).await);
        }
        assert_eq!(identities(&taken), [first, later].concat());
        drop(taken);
        assert_eq!((far.open(), near.fds.unclaimed()), (0, 0));
        near.write(b"the write side works on").await;
    });
}

#[test]
fn the_end_of_the_stream_ends_calls_that_wait() {
    run(async {
        let (mut near, far) = with_known_foreign(&Exchange::builder()).await;
        far.send(b"two", 1);
        assert_eq!(near.read(3).await, b"two");
        let fds = near.fds.clone();
        let id = foreign_id(1);
        let waiting = tokio::spawn(async move { fds.receive(id).await });
        drive_io().await;
        drop(far);
        assert_eq!(near.stream.read(&mut [0]).await.unwrap(), 0);
        assert_eq!(waiting.await.unwrap().unwrap_err(), ReceiveError::EndOfStream { id });
        assert_eq!(refused(&near, id).await, ReceiveError::EndOfStream { id });
        // What has arrived is still there.
        near.take(foreign_id(0)).await;
    });
}

#[test]
fn a_read_into_an_empty_buffer_is_not_the_end_of_the_stream() {
    run(async {
        let (mut near, mut far) = pair();
        let id = near.fds.send(memfd()).unwrap();
        assert_eq!(far.stream.read(&mut []).await.unwrap(), 0);
        near.write(b".").await;
        assert_eq!(far.stream.read(&mut []).await.unwrap(), 0);
        assert!(now(far.fds.receive(id)).await.is_none());
        far.read(1).await;
        far.take(id).await;
    });
}

#[test]
fn an_id_that_is_the_limit_ahead_is_out_of_range() {
    run(async {
        let (mut near, far) = with_known_foreign(&Exchange::builder().max_unclaimed(10)).await;
        far.send(b"two", 2);
        near.read(3).await;
        let id = foreign_id(12);
        assert_eq!(
            refused(&near, id).await,
            ReceiveError::OutOfRange { id, arrived: 2, limit: 10 }
        );
        let id = foreign_id(u64::MAX);
        assert_eq!(
            refused(&near, id).await,
            ReceiveError::OutOfRange { id, arrived: 2, limit: 10 }
        );
        assert!(now(near.fds.receive(foreign_id(11))).await.is_none());
    });
}

#[test]
fn a_descriptor_that_nobody_takes_is_closed_at_the_timeout() {
    run(async {
        time::pause();
        let (mut near, far) = with_known_foreign(&Exchange::builder()).await;
        far.send(b"one", 1);
        near.read(3).await;
        drive_io().await;
        time::advance(TIMEOUT - Duration::from_millis(2)).await;
        drive_io().await;
        assert_eq!((far.open(), near.fds.unclaimed()), (1, 1));
        time::advance(Duration::from_millis(4)).await;
        drive_io().await;
        assert_eq!((far.open(), near.fds.unclaimed()), (0, 0));
        let id = foreign_id(0);
        assert_eq!(refused(&near, id).await, ReceiveError::Expired { id, timeout: TIMEOUT });
    });
}

#[test]
fn each_descriptor_has_a_timeout_of_its_own() {
    run(async {
        time::pause();
        let (mut near, far) = with_known_foreign(&Exchange::builder()).await;
        for expected in [1, 2, 2, 2] {
            far.send(b"one", 1);
            near.read(3).await;
            drive_io().await;
            assert_eq!(far.open(), expected);
            time::advance(TIMEOUT / 2 + Duration::from_millis(2)).await;
            drive_io().await;
        }
        // The last one is there after half the time, and the task that closes goes on.
        near.take(foreign_id(3)).await;
        time::advance(2 * TIMEOUT).await;
        drive_io().await;
        far.send(b"one", 1);
        near.read(3).await;
        drive_io().await;
        time::advance(TIMEOUT + Duration::from_millis(2)).await;
        drive_io().await;
        assert_eq!(far.open(), 0);
    });
}

#[test]
fn descriptors_expire_while_nobody_reads_and_after_the_stream_is_dropped() {
    run(async {
        time::pause();
        let (mut near, far) = with_known_foreign(&Exchange::builder()).await;
        far.send(b"one", 1);
        near.read(3).await;
        drop(near.stream);
        drive_io().await;
        assert_eq!(far.open(), 1);
        time::advance(TIMEOUT + Duration::from_millis(2)).await;
        drive_io().await;
        assert_eq!(far.open(), 0);
        assert_eq!(near.fds.unclaimed(), 0);
    });
}

#[test]
fn the_last_1024_expired_ids_are_remembered() {
    run(async {
        time::pause();
        let (mut near, far) = with_known_foreign(&Exchange::builder()).await;
        for _ in 0..5 {
            far.send(b"set", 205);
            near.read(3).await;
            far.forget();
        }
        drive_io().await;
        time::advance(TIMEOUT + Duration::from_millis(2)).await;
        drive_io().await;
        let id = foreign_id(0);
        assert_eq!(refused(&near, id).await, ReceiveError::AlreadyTaken { id });
        for index in [1, 500, 1024] {
            let id = foreign_id(index);
            assert_eq!(refused(&near, id).await, ReceiveError::Expired { id, timeout: TIMEOUT });
        }
    });
}

#[test]
fn a_handle_outlives_the_stream_with_what_has_arrived() {
    run(async {
        let (mut near, mut far) = pair();
        let fds = memfds(2);
        let expected = identity(&fds[0]);
        let ids = near.send_all(fds);
        near.write(b".").await;
        far.read(1).await;
        let later = near.fds.send(memfd()).unwrap();
        let (handle, waiting_handle) = (far.fds.clone(), far.fds.clone());
        let waiting = tokio::spawn(async move { waiting_handle.receive(later).await });
        drive_io().await;
        drop(far);
        assert_eq!(waiting.await.unwrap().unwrap_err(), ReceiveError::Closed { id: later });
        let taken = now(handle.receive(ids[0])).await.unwrap().unwrap();
        assert_eq!(identity(taken), expected);
        let error = now(handle.receive(later)).await.unwrap().unwrap_err();
        assert_eq!(error, ReceiveError::Closed { id: later });
    });
}

#[test]
fn the_last_handle_closes_what_was_not_taken() {
    run(async {
        let (mut near, far) = with_known_foreign(&Exchange::builder()).await;
        far.send(b"two", 2);
        near.read(3).await;
        drop(near.stream);
        assert_eq!(far.open(), 2);
        drop(near.fds);
        assert_eq!(far.open(), 0);
    });
}

#[test]
fn a_canceled_call_leaves_the_descriptor_to_the_next_one() {
    run(async {
        let (mut near, mut far) = pair();
        let fd = memfd();
        let expected = identity(&fd);
        let id = near.fds.send(fd).unwrap();
        let mut call = Box::pin(far.fds.receive(id));
        assert!(now(&mut call).await.is_none());
        near.write(b".").await;
        {
            let mut buf = [0];
            far.stream.read_exact(&mut buf).await.unwrap();
        }
        // It was woken, and is dropped before it is polled again.
        drop(call);
        assert_eq!(identity(far.take(id).await), expected);
    });
}

#[test]
fn a_canceled_call_is_not_woken() {
    run(async {
        let (mut near, mut far) = pair();
        let id = near.fds.send(memfd()).unwrap();
        let (waker, wakes) = counting_waker();
        let mut call = Box::pin(far.fds.receive(id));
        let mut cx = std::task::Context::from_waker(&waker);
        assert!(call.as_mut().poll(&mut cx).is_pending());
        assert!(call.as_mut().poll(&mut cx).is_pending());
        drop(call);
        near.write(b".").await;
        far.read(1).await;
        assert_eq!(wakes.load(std::sync::atomic::Ordering::Relaxed), 0);
    });
}

/// A waker that counts.
fn counting_waker() -> (std::task::Waker, std::sync::Arc<std::sync::atomic::AtomicUsize>) {
    struct Counter(std::sync::Arc<std::sync::atomic::AtomicUsize>);
    impl std::task::Wake for Counter {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let wakes = std::sync::Arc::default();
    (std::sync::Arc::new(Counter(std::sync::Arc::clone(&wakes))).into(), wakes)
}

#[test]
fn a_call_that_moves_to_another_task_is_woken_there() {
    run(async {
        let (mut near, mut far) = pair();
        let id = near.fds.send(memfd()).unwrap();
        let fds = far.fds.clone();
        let mut call = Box::pin(async move { fds.receive(id).await });
        assert!(now(&mut call).await.is_none());
        let elsewhere = tokio::spawn(call);
        drive_io().await;
        near.write(b".").await;
        far.read(1).await;
        elsewhere.await.unwrap().unwrap();
    });
}
