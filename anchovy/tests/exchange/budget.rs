//! Descriptors that wait to be taken are charged to the account of the peer.

use std::time::Duration;

use anchovy::exchange::{Exchange, ExchangeError, ReceiveError};
use anchovy::{Budget, UnixStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time;

use crate::harness::*;

/// An exchange that is charged to account 1, and a foreign peer whose carrier was read.
async fn charged(budget: &Budget) -> (End, Foreign) {
    let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    let mut near = UnixStream::builder().read_fd_limit(4).build(near).unwrap();
    near.set_account(budget.account(1));
    let (mut near, far) = (exchange(near), Foreign::new(far));
    far.send_these(b".", &[carrier()]).unwrap();
    near.read(1).await;
    assert_eq!(budget.usage_of(1).held_fds, 0);
    (near, far)
}

#[test]
fn descriptors_are_charged_until_they_are_taken() {
    run(async {
        let budget = Budget::builder().held_fds(100).build();
        let (mut near, far) = charged(&budget).await;
        far.send(b"three", 3);
        near.read(5).await;
        assert_eq!(budget.usage_of(1).held_fds, 3);
        for left in [2, 1, 0] {
            near.take(foreign_id(left)).await;
            assert_eq!(budget.usage_of(1).held_fds, left as usize);
        }
    });
}

#[test]
fn descriptors_are_charged_until_they_expire() {
    run(async {
        time::pause();
        let budget = Budget::builder().held_fds(100).build();
        let (mut near, far) = charged(&budget).await;
        far.send(b"three", 3);
        near.read(5).await;
        drive_io().await;
        time::advance(TIMEOUT + Duration::from_millis(2)).await;
        drive_io().await;
        assert_eq!((far.open(), budget.usage_of(1).held_fds), (0, 0));
    });
}

#[test]
fn descriptors_are_charged_after_the_stream_is_dropped() {
    run(async {
        let budget = Budget::builder().held_fds(100).build();
        let (mut near, far) = charged(&budget).await;
        far.send(b"three", 3);
        near.read(5).await;
        drop(near.stream);
        assert_eq!(budget.usage_of(1).held_fds, 3);
        drop(near.fds);
        assert_eq!(budget.usage_of(1).held_fds, 0);
    });
}

#[test]
fn descriptors_from_before_an_exchange_stay_with_the_former_account() {
    run(async {
        let budget = Budget::builder().held_fds(100).build();
        let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut near = UnixStream::builder().read_fd_limit(4).build(near).unwrap();
        near.set_account(budget.account(1));
        let far = Foreign::new(far);
        far.send_these(b".", &[carrier(), memfd(), memfd()]).unwrap();
        near.recv(&mut [0]).await.unwrap();
        near.set_account(budget.account(2));
        let near = exchange(near);
        for left in [2, 1, 0] {
            assert_eq!(budget.usage_of(1).held_fds, left);
            if left > 0 {
                near.take(foreign_id(left as u64 - 1)).await;
            }
        }
        assert_eq!(budget.usage_of(2).held_fds, 0);
    });
}

#[test]
fn a_flood_that_fails_the_read_side_is_not_charged_any_more() {
    run(async {
        let budget = Budget::builder().held_fds(100).build();
        let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut near = UnixStream::new(near).unwrap();
        near.set_read_fd_limit(4).unwrap();
        near.set_account(budget.account(1));
        let mut near = End::new(&Exchange::builder().max_unclaimed(5), near);
        let far = Foreign::new(far);
        far.send_these(b".", &[carrier(), memfd(), memfd(), memfd()]).unwrap();
        near.read(1).await;
        far.send(b"three", 3);
        near.stream.read(&mut [0; 8]).await.unwrap_err();
        assert_eq!((far.open(), budget.usage_of(1).held_fds), (0, 0));
    });
}

#[test]
fn a_flood_into_one_exchange_leaves_another_of_its_account_alone() {
    run(async {
        let budget = Budget::builder().held_fds(100).build();
        let (mut other, other_far) = charged(&budget).await;
        let sent = other_far.send(b"two", 2);
        other.read(3).await;

        let (mut near, far) = UnixStream::pair().unwrap();
        near.set_read_fd_limit(4).unwrap();
        near.set_account(budget.account(1));
        let mut near = End::new(&Exchange::builder().max_unclaimed(5), near);
        let mut far = exchange(far);
        far.send_all(memfds(3));
        far.write(b"1").await;
        near.read(1).await;
        far.send_all(memfds(3));
        far.write(b"2").await;
        let error = near.stream.read(&mut [0; 8]).await.unwrap_err();
        let too_many = ExchangeError::TooManyUnclaimed { count: 6, limit: 5 };
        assert_eq!(exchange_error(&error), too_many);

        // The other exchange has its descriptors, and receives more.
        assert_eq!(budget.usage_of(1).held_fds, 2);
        let more = other_far.send(b"one", 1);
        other.read(3).await;
        let mut taken = Vec::new();
        for index in 0..3 {
            taken.push(other.take(foreign_id(index)).await);
        }
        assert_eq!(identities(&taken), [sent, more].concat());
        // The write side of the failed exchange still sends descriptors.
        let fd = memfd();
        let expected = identity(&fd);
        let id = near.fds.send(fd).unwrap();
        near.write(b"answer").await;
        far.read(6).await;
        assert_eq!(identity(far.take(id).await), expected);
    });
}

#[test]
fn at_the_bound_of_the_account_reads_wait_until_a_descriptor_is_taken() {
    run(async {
        let budget = Budget::builder().held_fds(16).build();
        let (mut near, far) = charged(&budget).await;
        far.send(b"four", 4);
        near.read(4).await;
        far.send(b"one", 1);
        near.read(3).await;
        assert_eq!(budget.usage_of(1).held_fds, 5);
        far.send(b"more", 1);
        drive_io().await;
        assert!(now(near.stream.read(&mut [0; 8])).await.is_none(), "there is no room for four");
        near.take(foreign_id(0)).await;
        near.read(4).await;
        near.take(foreign_id(5)).await;
        let id = foreign_id(0);
        let error = now(near.fds.receive(id)).await.unwrap().unwrap_err();
        assert_eq!(error, ReceiveError::AlreadyTaken { id });
    });
}

/// Two exchanges, the first of which charges what it sends to account 1: at most 10 in flight.
fn charging(budget: &Budget) -> (End, End) {
    let (mut near, far) = UnixStream::pair().unwrap();
    near.set_account(budget.account(1));
    (exchange(near), exchange(far))
}

#[test]
fn at_the_bound_in_flight_a_write_with_descriptors_waits_for_the_peer() {
    run(async {
        let budget = Budget::builder().fds_in_flight(20).build();
        let (mut near, mut far) = charging(&budget);
        near.send_all(memfds(8));
        near.write(b"nine").await;
        assert_eq!(budget.usage_of(1).fds_in_flight, 9);
        let fds = memfds(3);
        let expected = identities(&fds);
        let ids = near.send_all(fds);
        assert!(now(near.stream.write(b"three")).await.is_none());
        assert_eq!(near.fds.queued(), 3);

        let (written, _) = tokio::join!(near.stream.write_all(b"three"), far.read(9));
        written.unwrap();
        let taken = [far.take(ids[0]).await, far.take(ids[1]).await, far.take(ids[2]).await];
        assert_eq!(identities(&taken), expected);
    });
}

#[test]
fn at_the_bound_in_flight_bytes_alone_pass() {
    run(async {
        let budget = Budget::builder().fds_in_flight(20).build();
        let (mut stuck, _far) = charging(&budget);
        stuck.send_all(memfds(9));
        stuck.write(b"ten").await;
        assert_eq!(budget.usage_of(1).fds_in_flight, 10);

        let (mut near, mut far) = charging(&budget);
        assert_eq!(now(near.stream.write(b"request")).await.unwrap().unwrap(), 7);
        assert_eq!(far.read(7).await, b"request");
    });
}
