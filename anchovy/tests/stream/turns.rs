//! Receives of an account after large descriptor sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anchovy::{Budget, FdError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::{JoinSet, yield_now};

use crate::harness::*;

/// As many descriptors in one set as make the next receive of the account wait one round.
const LARGE: usize = 64;

fn budget() -> Budget {
    Budget::builder().held_fds(10_000).fds_in_flight(10_000).build()
}

/// Returns a stream that is charged to an account and can receive a large set, and its peer.
async fn with_a_large_set(budget: &Budget, account: u32) -> (Dbus, Dbus) {
    let (mut near, mut far) = Dbus::pair().unwrap();
    near.set_account(budget.account(account));
    let file = memfd();
    far.send_with_fds(b"large", &[&file; LARGE]).await.unwrap();
    (near, far)
}

async fn receive(stream: &mut Dbus) -> std::io::Result<usize> {
    let mut fds = Vec::new();
    Ok(stream.recv_with_fds(&mut [0; 8], &mut fds).await?.fds)
}

#[test]
fn another_account_is_served_between_large_sets() {
    run(async {
        let (budget, served) = (budget(), Arc::new(AtomicUsize::new(0)));
        let (mut near, mut far) = Dbus::pair().unwrap();
        near.set_account(budget.account(2));
        far.write_all(&[0; 100]).await.unwrap();
        let mut tasks = JoinSet::new();
        for _ in 0..10 {
            let (mut near, far) = with_a_large_set(&budget, 1).await;
            let served = Arc::clone(&served);
            tasks.spawn(async move {
                assert_eq!(receive(&mut near).await.unwrap(), LARGE);
                drop(far);
                served.load(Ordering::Relaxed)
            });
        }
        let serving = tokio::spawn(async move {
            for _ in 0..100 {
                near.read_u8().await.unwrap();
                served.fetch_add(1, Ordering::Relaxed);
                // As if the next request came after the answer.
                yield_now().await;
            }
        });
        let mut served_before = tasks.join_all().await;
        serving.await.unwrap();
        served_before.sort_unstable();
        // One in each round of the tasks. tokio reverses their order in every other round, so that two sets
        // may follow each other.
        let most = served_before.chunk_by(|a, b| a == b).map(<[_]>::len).max();
        assert!(most <= Some(2), "answers before each large set: {served_before:?}");
    });
}

#[test]
fn a_refused_large_set_delays_the_next_receive_of_its_account() {
    run(async {
        let budget = budget();
        let (mut near, far) = with_a_large_set(&budget, 1).await;
        near.set_read_fd_limit(4).unwrap();
        let error = fd_error(receive(&mut near).await.unwrap_err());
        assert!(matches!(error, FdError::TooManyReceived { count: LARGE, .. }), "{error}");

        let (mut next, _far) = with_a_large_set(&budget, 1).await;
        drive_io().await;
        assert!(now(receive(&mut next)).await.is_none());
        assert_eq!(now(receive(&mut next)).await.unwrap().unwrap(), LARGE);
        drop((near, far));
    });
}

#[test]
fn a_stream_with_a_new_account_does_not_wait_for_receives_of_the_former_one() {
    run(async {
        let budget = budget();
        let mut streams = [with_a_large_set(&budget, 1).await, with_a_large_set(&budget, 1).await];
        drive_io().await;
        let [(first, _), (second, _)] = &mut streams;
        assert_eq!(receive(first).await.unwrap(), LARGE);
        assert!(now(receive(second)).await.is_none());
        second.set_account(budget.account(2));
        assert_eq!(now(receive(second)).await.unwrap().unwrap(), LARGE);
    });
}

#[test]
fn a_try_method_does_not_wait_for_its_turn() {
    run(async {
        let budget = budget();
        let mut streams = [with_a_large_set(&budget, 1).await, with_a_large_set(&budget, 1).await];
        drive_io().await;
        for (near, _) in &mut streams {
            let received = near.try_recv_with_fds(&mut [0; 8], &mut Vec::new()).unwrap();
            assert_eq!(received.fds, LARGE);
        }
        // Both delay the next receive that waits.
        let (mut next, _far) = with_a_large_set(&budget, 1).await;
        drive_io().await;
        for _ in 0..2 {
            assert!(now(receive(&mut next)).await.is_none());
        }
        assert_eq!(now(receive(&mut next)).await.unwrap().unwrap(), LARGE);
    });
}
