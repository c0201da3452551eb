//! The system calls of frames.

#[allow(dead_code, reason = "the tests of frames use the rest of it")]
#[path = "../stream/codec/texts.rs"]
mod texts;

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anchovy::codec::{Encoder, Framed, Placement, ReadPolicy, WritePolicy};
use bytes::{BufMut, BytesMut};

use crate::harness::*;
use texts::*;

#[test]
fn a_thousand_plain_frames_share_their_calls() {
    let name = "codec::a_thousand_plain_frames_share_their_calls";
    let trace = traced(name, &[], async {
        let (mut near, mut far) = pair();
        drive_io().await;
        mark();
        for _ in 0..1000 {
            near.feed(text("sixteen bytes...", 0)).await.unwrap();
        }
        near.flush().await.unwrap();
        mark();
        for _ in 0..1000 {
            far.next().await.unwrap().unwrap();
        }
    });
    let Some(trace) = trace else { return };
    // 21,000 bytes, which fit.
    assert_eq!(count(&trace).get("sendto"), Some(&1), "{trace:?}");
    assert_eq!(trace.len(), 1, "{trace:?}");
}

#[test]
fn frames_with_descriptors_are_one_call_each_and_plain_ones_share_one() {
    let name = "codec::frames_with_descriptors_are_one_call_each_and_plain_ones_share_one";
    let trace = traced(name, &[], async {
        let (mut near, _far) = pair();
        drive_io().await;
        mark();
        for _ in 0..10 {
            near.feed(text("plain", 0)).await.unwrap();
            near.feed(text("plain", 0)).await.unwrap();
            near.feed(text("with", 1)).await.unwrap();
        }
        near.flush().await.unwrap();
        mark();
    });
    let Some(trace) = trace else { return };
    let counts = count(&trace);
    assert_eq!((counts.get("sendto"), counts.get("sendmsg")), (Some(&10), Some(&10)), "{trace:?}");
}

#[test]
fn alone_ten_alternating_frames_are_ten_calls() {
    let name = "codec::alone_ten_alternating_frames_are_ten_calls";
    let Some(trace) = traced(name, &[], alternating(Placement::Alone)) else { return };
    let counts = count(&trace);
    assert_eq!((counts.get("sendto"), counts.get("sendmsg")), (Some(&5), Some(&5)), "{trace:?}");
}

#[test]
fn at_the_first_byte_ten_alternating_frames_are_six_calls() {
    let name = "codec::at_the_first_byte_ten_alternating_frames_are_six_calls";
    let Some(trace) = traced(name, &[], alternating(Placement::FirstByte)) else { return };
    let counts = count(&trace);
    assert_eq!((counts.get("sendto"), counts.get("sendmsg")), (Some(&1), Some(&5)), "{trace:?}");
}

#[test]
fn together_ten_alternating_frames_are_one_call() {
    let name = "codec::together_ten_alternating_frames_are_one_call";
    let Some(trace) = traced(name, &[], alternating(Placement::Together)) else { return };
    let counts = count(&trace);
    assert_eq!((counts.get("sendto"), counts.get("sendmsg")), (None, Some(&1)), "{trace:?}");
}

/// Sends ten small frames, of which every second one has a descriptor: the case of the table in
/// docs/performance.md.
async fn alternating(placement: Placement) {
    let (near, _far) = Dbus::pair().unwrap();
    let write = WritePolicy { placement, ..WritePolicy::default() };
    let mut near = Framed::with_policies(near, Texts, ReadPolicy::default(), write);
    drive_io().await;
    mark();
    for _ in 0..5 {
        near.feed(text("plain", 0)).await.unwrap();
        near.feed(text("with", 1)).await.unwrap();
    }
    near.flush().await.unwrap();
    mark();
}

#[test]
fn large_payloads_leave_without_a_copy_in_one_vectored_call() {
    let name = "codec::large_payloads_leave_without_a_copy_in_one_vectored_call";
    let trace = traced(name, &[], async {
        let (mut near, _far) = pair();
        drive_io().await;
        mark();
        for _ in 0..4 {
            near.feed(text(vec![7; 8 << 10], 0)).await.unwrap();
        }
        near.flush().await.unwrap();
        mark();
    });
    let Some(trace) = trace else { return };
    let sends: Vec<_> = trace.iter().filter(|line| line.starts_with("sendmsg")).collect();
    assert_eq!(sends.len(), 1, "{trace:?}");
    assert!(sends[0].contains("msg_iovlen=8"), "{trace:?}");
}

#[test]
fn a_frame_that_lends_is_one_call_and_its_descriptors_are_not_duplicated() {
    /// Eight bytes, and descriptors that it lends.
    struct Lent<'a>(&'a [OwnedFd]);

    impl Encoder<Lent<'_>> for Texts {
        type Error = io::Error;

        fn encode(&mut self, _: &Lent<'_>, bytes: &mut BytesMut) -> io::Result<()> {
            bytes.put_slice(b"8 bytes.");
            Ok(())
        }

        fn borrowed_fds<'a>(
            &mut self,
            frame: &'a Lent<'_>,
        ) -> impl Iterator<Item = BorrowedFd<'a>> + Clone {
            frame.0.iter().map(AsFd::as_fd)
        }
    }

    let name = "codec::a_frame_that_lends_is_one_call_and_its_descriptors_are_not_duplicated";
    let trace = traced(name, &[], async {
        let (mut near, _far) = pair();
        let fds = memfds(3);
        drive_io().await;
        mark();
        for _ in 0..10 {
            near.feed(text("plain", 0)).await.unwrap();
            near.send(Lent(&fds)).await.unwrap();
        }
        // A refused frame causes no system call.
        let _ = near.feed(Lent(&fds)).await.unwrap_err();
        near.get_mut().set_write_fd_limit(2).unwrap();
        let _ = near.send(Lent(&fds)).await.unwrap_err();
        mark();
    });
    let Some(trace) = trace else { return };
    let counts = count(&trace);
    assert_eq!((counts.get("sendto"), counts.get("sendmsg")), (Some(&10), Some(&10)), "{trace:?}");
    assert_eq!(trace.len(), 20, "{trace:?}");
}
