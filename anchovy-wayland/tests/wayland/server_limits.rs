//! The limits of a compositor for incomplete messages and waiting descriptors of its clients.

use std::os::unix::net::UnixStream;
use std::time::Duration;

use anchovy::{Account, AnchovyStream, Budget, WAYLAND_SCM_RIGHTS};
use anchovy_wayland::{Connection, Limits, ReceiveError, SendErrorKind};
use tokio::time::{Instant, timeout};

use crate::foreign::*;
use crate::harness::*;

/// Sends messages with one descriptor each as libwayland and wayland-rs do that have queued all of
/// them: 28 descriptors at a time with a byte each, and the other descriptors with the other bytes.
fn send_queued(foreign: &Foreign, count: usize) -> Vec<(Vec<u8>, Identity)> {
    let messages: Vec<_> = (0..count).map(|number| holder_bytes(number as u32, 1)).collect();
    let bytes = messages.concat();
    let mut fds = Vec::new();
    let mut sent = 0;
    while fds.len() + 28 <= count {
        fds.extend(foreign.send(&bytes[sent..sent + 1], 28));
        sent += 1;
    }
    fds.extend(foreign.send(&bytes[sent..], count - fds.len()));
    messages.into_iter().zip(fds).collect()
}

#[test]
fn a_server_receives_139_descriptors_that_a_client_has_queued() {
    run(async {
        let (mut near, foreign) = foreign_peer_with(Limits::server()).await;
        for (message, fd) in send_queued(&foreign, 139) {
            assert_eq!(take(&mut near).await, raw_message(&message, &[fd]));
        }
        assert_eq!(foreign.open(), 0);
    });
}

#[test]
fn a_server_ends_a_connection_on_which_more_than_112_descriptors_wait() {
    run(async {
        let (mut near, foreign) = foreign_peer_with(Limits::server()).await;
        send_queued(&foreign, 140);
        let error = near.receive().await.unwrap_err();
        let expected = "TooManyWaitingFds { waiting: 140, limit: 112, after: None }";
        assert_eq!(format!("{error:?}"), expected);
        assert_eq!(foreign.open(), 0);
    });
}

#[test]
fn a_server_ends_a_connection_whose_descriptors_wait_for_30_seconds() {
    run(async {
        tokio::time::pause();
        let (mut near, foreign) = foreign_peer_with(Limits::server()).await;
        foreign.send(&bytes(PLAIN, 6, &[]), 2);
        take(&mut near).await;
        let start = Instant::now();
        let error = timeout(Duration::from_secs(60), near.receive()).await.unwrap().unwrap_err();
        assert!(matches!(error, ReceiveError::FdsOverdue { waiting: 2, .. }), "{error:?}");
        assert_eq!(start.elapsed().as_secs(), 30);
        assert_eq!(foreign.open(), 0);
    });
}

#[test]
fn a_server_ends_a_connection_whose_message_is_incomplete_for_30_seconds() {
    run(async {
        tokio::time::pause();
        let (mut near, foreign) = foreign_peer_with(Limits::server()).await;
        foreign.send(&bytes(PLAIN, 6, &[]), 0);
        take(&mut near).await;
        // Between two messages, a client may be silent for ever.
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert!(at_once(near.receive()).await.is_none());
        let start = Instant::now();
        let message = bytes(PLAIN, 7, &[1, 2]);
        foreign.send(&message[..3], 0);
        assert!(at_once(near.receive()).await.is_none());
        tokio::time::advance(Duration::from_secs(29)).await;
        // More of it does not help.
        foreign.send(&message[3..9], 0);
        let error = timeout(Duration::from_secs(60), near.receive()).await.unwrap().unwrap_err();
        let expected =
            "MessageOverdue { bytes: 9, after: Some(DecodePosition { object: 9, opcode: 6 }) }";
        assert_eq!(format!("{error:?}"), expected);
        assert_eq!(start.elapsed().as_secs(), 30);
        assert!(near.receive().await.unwrap().is_none());
    });
}

#[test]
fn a_client_waits_for_the_rest_of_a_message() {
    run(async {
        tokio::time::pause();
        let (mut near, foreign) = foreign_peer_with(Limits::client()).await;
        let message = holder_bytes(1, 1);
        let fds = foreign.send(&message[..3], 1);
        assert!(at_once(near.receive()).await.is_none());
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert!(at_once(near.receive()).await.is_none());
        foreign.send(&message[3..], 0);
        assert_eq!(take(&mut near).await, raw_message(&message, &fds));
    });
}

/// A connection of a server whose peer is charged to an account, and the peer.
fn charged(account: Account) -> (Connection<Counts>, Foreign) {
    let (near, far) = UnixStream::pair().unwrap();
    let mut near = AnchovyStream::<WAYLAND_SCM_RIGHTS>::new(near).unwrap();
    near.set_account(account);
    (connection(near, Limits::server()), Foreign::new(far))
}

#[test]
fn descriptors_beyond_the_account_of_the_peer_end_the_connection() {
    run(async {
        // A single account may hold half.
        let budget = Budget::builder().held_fds(20).build();
        let (mut near, foreign) = charged(budget.account(1000));
        let message = bytes(PLAIN, 6, &[]);
        let fds = foreign.send(&holder_bytes(1, 10), 10);
        assert_eq!(take(&mut near).await, raw_message(&holder_bytes(1, 10), &fds));
        foreign.send(&message, 11);
        let error = near.receive().await.unwrap_err();
        let expected = "FdsOverBudget { count: 11, available: 10, \
                        after: Some(DecodePosition { object: 5, opcode: 10 }) }";
        assert_eq!(format!("{error:?}"), expected);
        assert_eq!(foreign.open(), 0);
        assert_eq!(budget.usage().held_fds, 0);
    });
}

#[test]
fn a_message_beyond_the_account_of_the_peer_ends_the_connection() {
    run(async {
        let budget = Budget::builder().bytes(16 << 10).build();
        let (near, foreign) = charged(budget.account(1000));
        let limits = Limits { max_message_bytes: 65532, ..Limits::server() };
        let mut near = connection(near.into_parts().socket, limits);
        let message = bytes(PLAIN, 0, &[7; 100]);
        foreign.send(&message, 0);
        assert_eq!(take(&mut near).await, raw_message(&message, &[]));
        foreign.send(&bytes(PLAIN, 0, &vec![7; 65532 / 4 - 2]), 0);
        let error = near.receive().await.unwrap_err();
        assert!(matches!(error, ReceiveError::BytesOverBudget { .. }), "{error:?}");
        assert_eq!(budget.usage().bytes, 0);
    });
}

#[test]
fn descriptors_for_a_peer_that_does_not_read_delay_no_other_peer() {
    run(async {
        let budget = Budget::builder().fds_in_flight(12).build();
        let (mut stuck, slow) = charged(budget.account(1000));
        let (mut other, honest) = charged(budget.account(1001));
        stuck.send(holder(1, memfds(6))).await.unwrap();
        let mut waits = Box::pin(stuck.send(holder(2, memfds(1))));
        assert!(at_once(&mut waits).await.is_none());
        for number in 0..20 {
            other.send(holder(number, memfds(2))).await.unwrap();
            let (bytes, fds, _) = foreign_receive(&honest.socket, 256);
            assert_eq!((bytes, fds.len()), (holder_bytes(number, 2), 2));
        }
        let (_, fds, _) = foreign_receive(&slow.socket, 256);
        assert_eq!(fds.len(), 6);
        waits.await.unwrap();
        let (bytes, fds, _) = foreign_receive(&slow.socket, 256);
        assert_eq!((bytes, fds.len()), (holder_bytes(2, 1), 1));
    });
}

#[test]
fn a_message_beyond_the_account_of_its_receiver_is_returned() {
    run(async {
        let budget = Budget::builder().fds_in_flight(12).build();
        let (mut near, _foreign) = charged(budget.account(1000));
        let error = near.send(holder(1, memfds(7))).await.unwrap_err();
        assert!(matches!(error.kind, SendErrorKind::TooManyFdsInFlight { count: 7 }), "{error:?}");
        assert_eq!(error.unsent.unwrap().fds().len(), 7);
        near.send(holder(1, memfds(6))).await.unwrap();
    });
}
