//! System calls, counted with strace.

use std::os::unix::net::UnixStream;
use std::time::Duration;

use anchovy_wayland::{Limits, Listener};

use crate::foreign::*;
use crate::harness::*;

/// The limits with both values of `fds_with_their_message`.
fn placements() -> [Limits; 2] {
    [false, true].map(|own| Limits { fds_with_their_message: own, ..Limits::default() })
}

/// Returns the numbers of `sendto` and `sendmsg` calls that send these messages in one flush. Returns
/// `None` in the traced process.
fn sends(test: &str, limits: Limits, fds: &[usize]) -> Option<(usize, usize)> {
    let trace = traced(test, &[], async {
        let (mut near, _foreign) = foreign_peer_with(limits).await;
        for count in fds {
            near.feed(holder(0, memfds(*count))).await.unwrap();
        }
        mark();
        near.flush().await.unwrap();
        mark();
    })?;
    let counts = count(&trace);
    let of = |call: &str| counts.get(call).copied().unwrap_or_default();
    Some((of("sendto"), of("sendmsg")))
}

#[test]
fn a_hundred_messages_with_a_descriptor_are_sent_in_four_calls() {
    let test = "syscalls::a_hundred_messages_with_a_descriptor_are_sent_in_four_calls";
    let Some(calls) = sends(test, placements()[0].clone(), &[1; 100]) else { return };
    assert_eq!(calls, (0, 4));
}

#[test]
fn fds_with_their_message_sends_a_hundred_messages_in_a_hundred_calls() {
    let test = "syscalls::fds_with_their_message_sends_a_hundred_messages_in_a_hundred_calls";
    let Some(calls) = sends(test, placements()[1].clone(), &[1; 100]) else { return };
    assert_eq!(calls, (0, 100));
}

#[test]
fn messages_without_descriptors_are_sent_in_one_call() {
    let test = "syscalls::messages_without_descriptors_are_sent_in_one_call";
    for limits in placements() {
        let Some(calls) = sends(test, limits, &[0; 200]) else { return };
        assert_eq!(calls, (1, 0));
    }
}

/// Messages without descriptors, before, between and after messages with descriptors.
const MIXED: [usize; 10] = [0, 0, 1, 0, 0, 2, 3, 0, 0, 0];

#[test]
fn messages_with_and_without_descriptors_are_sent_in_one_call() {
    let test = "syscalls::messages_with_and_without_descriptors_are_sent_in_one_call";
    let Some(calls) = sends(test, placements()[0].clone(), &MIXED) else { return };
    assert_eq!(calls, (0, 1));
}

#[test]
fn fds_with_their_message_sends_plain_messages_together() {
    let test = "syscalls::fds_with_their_message_sends_plain_messages_together";
    let Some(calls) = sends(test, placements()[1].clone(), &MIXED) else { return };
    assert_eq!(calls, (1, 3));
}

#[test]
fn a_single_message_is_one_call_on_each_side() {
    const ROUNDS: usize = 50;
    let test = "syscalls::a_single_message_is_one_call_on_each_side";
    let trace = traced(test, &[], async {
        let (mut near, mut far) = pair();
        let mut fds = memfds(3);
        drive_io().await;
        mark();
        for _ in 0..ROUNDS {
            near.send(holder(1, std::mem::take(&mut fds))).await.unwrap();
            fds = far.receive().await.unwrap().unwrap().take_fds();
        }
        mark();
    });
    let Some(trace) = trace else { return };
    let counts = count(&trace);
    assert_eq!(counts.get("sendmsg"), Some(&ROUNDS), "{counts:?}");
    assert_eq!(counts.get("recvmsg"), Some(&ROUNDS), "{counts:?}");
    // The sender closes its descriptors after they are sent.
    assert_eq!(counts.get("close"), Some(&(3 * ROUNDS)), "{counts:?}");
}

#[test]
fn files_are_removed_in_order_while_the_lock_is_held() {
    let name = "syscalls::files_are_removed_in_order_while_the_lock_is_held";
    let calls = traced(name, &["-e", "trace=getppid,unlink,unlinkat,close"], async {
        let directory = Directory::new();
        let listener = Listener::bind(directory.join("x")).unwrap();
        mark();
        drop(listener);
        mark();
    });
    let Some(calls) = calls else { return };
    let calls: Vec<_> = calls.iter().map(|call| call.split('(').next().unwrap()).collect();
    assert_eq!(calls, ["unlink", "close", "unlink", "close"]);
}

#[test]
fn accepting_with_a_full_table_waits_longer_each_time() {
    let name = "syscalls::accepting_with_a_full_table_waits_longer_each_time";
    let calls = traced(name, &["-e", "trace=getppid,accept4"], async {
        let directory = Directory::new();
        let listener = Listener::bind(directory.join("x")).unwrap();
        let _client = UnixStream::connect(directory.join("x")).unwrap();
        drive_io().await;
        let table = FullTable::with_room_for(0);
        // The paused clock advances to the next timer when all tasks are idle.
        tokio::time::pause();
        mark();
        let waiting = tokio::time::timeout(Duration::from_secs(10), listener.accept()).await;
        mark();
        assert!(waiting.is_err());
        drop(table);
        assert!(listener.accept().await.is_ok(), "it is still there");
    });
    let Some(calls) = calls else { return };
    // At 0, 5, 15, 35, ... 635 ms, and then from 1275 ms on each second.
    assert_eq!(count(&calls), [("accept4 EMFILE".to_owned(), 17)].into());
}
