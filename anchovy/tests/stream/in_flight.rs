//! Descriptors in flight, which are charged to the receiver until it has read them.

use std::io::ErrorKind;

use anchovy::{Account, Budget, FdError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::*;

/// Returns a budget of 20 descriptors in flight, of which a single account may hold 10.
fn budget() -> Budget {
    Budget::builder().fds_in_flight(20).build()
}

fn pair(account: Account) -> (Dbus, Dbus) {
    let (mut near, far) = Dbus::pair().unwrap();
    near.set_account(account);
    (near, far)
}

#[test]
fn descriptors_are_charged_when_they_are_sent() {
    run(async {
        let budget = budget();
        let (mut near, _far) = pair(budget.account(1));
        near.send_with_fds(b"lent", &memfds(3)).await.unwrap();
        near.write_queue_mut().extend(memfds(2));
        near.write_all(b"queued").await.unwrap();
        assert_eq!(near.try_send_with_fds(b"tried", &memfds(1)).unwrap(), 5);
        near.write_queue_mut().extend(memfds(1));
        assert_eq!(near.try_write(b"tried").unwrap(), 5);
        assert_eq!(budget.usage_of(1).fds_in_flight, 7);
    });
}

#[test]
fn a_send_waits_for_the_peer_to_read_while_bytes_are_sent() {
    run(async {
        let budget = budget();
        let (mut near, mut far) = pair(budget.account(1));
        near.send_with_fds(b"eight", &memfds(8)).await.unwrap();
        let fds = memfds(3);
        let error = near.try_send_with_fds(b"three", &fds).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert!(now(near.send_with_fds(b"three", &fds)).await.is_none());
        near.write_all(b"bytes").await.unwrap();
        assert_eq!(budget.usage_of(1).fds_in_flight, 8);

        let (sent, received) = tokio::join!(near.send_with_fds(b"three", &fds), async {
            let mut buf = [0; 16];
            assert_eq!(far.recv(&mut buf).await.unwrap().fds, 8);
            far.read_exact(&mut buf[..5]).await.unwrap();
            far.recv(&mut buf).await.unwrap().fds
        });
        assert_eq!((sent.unwrap(), received), (5, 3));
        assert_eq!(budget.usage_of(1).fds_in_flight, 3);
    });
}

#[test]
fn a_peer_that_does_not_read_blocks_no_other_account() {
    without_privileges(async {
        let _limit = Lowered::descriptors(256);
        let budget = Budget::default();
        let (mut stuck, _far) = pair(budget.account(1));
        let fds = memfds(16);
        while now(stuck.send_with_fds(b"answer", &fds)).await.is_some() {}
        let taken = budget.usage_of(1).fds_in_flight;
        assert!((80..=96).contains(&taken), "{taken} of 192");

        // Repeated with a separate connection for each account.
        for uid in 2..6 {
            let (mut near, mut far) = pair(budget.account(uid));
            for _ in 0..200 {
                near.send_with_fds(b"answer", &fds[..2]).await.unwrap();
                assert_eq!(far.recv(&mut [0; 8]).await.unwrap().fds, 2);
                far.read_queue_mut().clear();
            }
        }
    });
}

#[test]
fn descriptors_that_were_not_sent_are_not_charged() {
    run(async {
        let budget = budget();
        let (mut near, far) = pair(budget.account(1));
        if far.set_fd_passing(false).is_ok() {
            let error = near.send_with_fds(b"refused", &memfds(1)).await.unwrap_err();
            let expected = FdError::RefusedByPeer { count: 1 };
            assert_eq!(fd_error(error), expected);
            far.set_fd_passing(true).unwrap();
        }
        while near.try_write(&[0; 4096]).is_ok() {}
        assert!(near.try_send_with_fds(b"full", &memfds(1)).is_err());
        assert!(now(near.send_with_fds(b"full", &memfds(1))).await.is_none());
        near.write_queue_mut().extend(memfds(1));
        assert!(now(near.write(b"full")).await.is_none());
        assert_eq!(budget.usage_of(1).fds_in_flight, 0);
    });
}

#[test]
fn a_send_that_can_never_fit_the_account_fails_at_once() {
    run(async {
        let budget = budget();
        let (mut near, _far) = pair(budget.account(1));
        let error = near.send_with_fds(b"eleven", &memfds(11)).await.unwrap_err();
        assert_eq!(fd_error(error), FdError::TooManyInFlight { count: 11 });
        near.send_with_fds(b"ten", &memfds(10)).await.unwrap();
    });
}

#[test]
fn a_closed_socket_stays_charged_until_the_peer_has_read() {
    run(async {
        let budget = budget();
        let (mut near, mut far) = pair(budget.account(1));
        let fds = memfds(8);
        near.send_with_fds(b"eight", &fds).await.unwrap();
        drop(near);
        assert_eq!(budget.usage_of(1).fds_in_flight, 8);

        // The peer sees a closed connection.
        assert_eq!(far.write(b"late").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        let (mut next, _far) = pair(budget.account(1));
        assert!(now(next.send_with_fds(b"eight", &fds)).await.is_none());

        let mut buf = [0; 8];
        let received = far.recv(&mut buf).await.unwrap();
        assert_eq!((&buf[..received.bytes], received.fds), (&b"eight"[..], 8));
        assert_eq!(identities(far.read_queue()), identities(&fds));
        assert_eq!(far.recv(&mut buf).await.unwrap().bytes, 0, "the end of the stream");
        next.send_with_fds(b"eight", &fds).await.unwrap();
        assert_eq!(budget.usage_of(1).fds_in_flight, 8);
    });
}

#[test]
fn a_closed_stream_holds_no_descriptor_that_it_has_not_received() {
    run(async {
        let budget = budget();
        let (mut near, mut far) = pair(budget.account(1));
        near.send_with_fds(b"unread", &memfds(1)).await.unwrap();
        let (reader, writer) = pipe();
        far.write_all(&[0; 10_000]).await.unwrap();
        far.send_with_fds(b"not received", &[writer]).await.unwrap();
        drop(near);
        assert!(is_abandoned(&reader));
        assert_eq!(budget.usage_of(1).fds_in_flight, 1);
    });
}

#[test]
fn a_peer_that_closes_without_reading_ends_the_charge() {
    run(async {
        let budget = budget();
        let fds = memfds(8);
        for _ in 0..10 {
            let (near, far) = pair(budget.account(1));
            let (_read, mut write) = near.into_split();
            write.send_with_fds(b"eight", &fds).await.unwrap();
            drop(write);
            drop(_read);
            drop(far);
        }
        assert!(budget.usage_of(1).fds_in_flight <= 8);
    });
}

#[test]
fn a_peer_that_has_read_everything_leaves_no_charge() {
    run(async {
        let budget = budget();
        let (mut near, mut far) = pair(budget.account(1));
        near.send_with_fds(b"eight", &memfds(8)).await.unwrap();
        far.recv(&mut [0; 8]).await.unwrap();
        drop(near);
        assert_eq!(budget.usage().fds_in_flight, 0);
    });
}
