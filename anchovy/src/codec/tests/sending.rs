//! Placement: which bytes are sent with which descriptors.

use bytes::Bytes;

use super::kernel::Kernel;
use super::pair::{MOST, PLACEMENTS, Pair, receive_all};
use super::texts::{HEADER, Text, Texts, bytes_of, memfd, text};
use crate::codec::policy::Placement;

#[test]
fn calls_are_planned_by_placement() {
    let calls = |placement| {
        let mut pair = Pair::new(placement);
        for (payload, fds) in [("a", 0), ("b", 2), ("c", 0), ("d", 0), ("e", 27), ("f", 1)] {
            pair.push(text(payload, fds));
        }
        let mut calls = Vec::new();
        while let Some(call) = pair.outbound.next(placement, MOST) {
            calls.push((call.bytes, call.fds));
            pair.send(usize::MAX);
        }
        calls
    };
    // Each frame has four bytes.
    assert_eq!(calls(Placement::Alone), [(4, 0), (4, 2), (8, 0), (4, 27), (4, 1)]);
    assert_eq!(calls(Placement::FirstByte), [(4, 0), (12, 2), (4, 27), (4, 1)]);
    assert_eq!(calls(Placement::Together), [(16, 2), (8, 28)]);
}

#[test]
fn the_rest_of_a_partly_sent_frame_stays_alone() {
    let mut pair = Pair::new(Placement::Alone);
    pair.push(text("abcd", 1));
    pair.push(text("", 0));
    pair.send(2);
    let call = pair.outbound.next(Placement::Alone, MOST).unwrap();
    assert_eq!((call.bytes, call.fds), (5, 0));
}

#[test]
fn a_refused_frame_among_others_is_identified_and_returned() {
    let mut pair = Pair::new(Placement::Together);
    for (payload, fds) in [("a", 0), ("b", 2), ("c", 1), ("d", 0)] {
        pair.push(text(payload, fds));
    }
    let whole = pair.outbound.next(Placement::Together, MOST).unwrap();
    assert_eq!((whole.bytes, whole.fds), (16, 3));
    assert!(pair.outbound.refused(whole), "another plan may do");

    let plain = pair.outbound.next(Placement::Together, MOST).unwrap();
    assert_eq!((plain.bytes, plain.fds), (4, 0));
    assert!(pair.outbound.take_back().is_none(), "it is not at the head");
    pair.send(usize::MAX);
    let head = pair.outbound.next(Placement::Together, MOST).unwrap();
    assert_eq!((head.bytes, head.fds), (4, 2));
    assert!(!pair.outbound.refused(head), "it is this one");

    let refused = pair.outbound.take_back().unwrap();
    assert_eq!((&refused.bytes[..], refused.fds.len()), (&bytes_of("b", 2)[..], 2));
    let rest = pair.outbound.next(Placement::Together, MOST).unwrap();
    assert_eq!((rest.bytes, rest.fds), (8, 1));
    while pair.send(usize::MAX) {}
    receive_all(&mut pair, &[]).unwrap();
    let payloads: Vec<_> = pair.received.iter().map(|text| text.payload.clone()).collect();
    assert_eq!(payloads, ["a", "c", "d"]);
}

#[test]
fn a_frame_of_which_a_byte_left_is_not_taken_back() {
    let mut pair = Pair::new(Placement::Alone);
    pair.push(text("abcd", 1));
    pair.send(1);
    assert!(pair.outbound.take_back().is_none());
}

#[test]
fn sets_refused_together_are_retried_one_by_one_and_share_calls_later() {
    let mut pair = Pair::new(Placement::Together);
    for (payload, fds) in [("a", 1), ("b", 2), ("c", 1), ("d", 1)] {
        pair.push(text(payload, fds));
    }
    let plan = |pair: &Pair| {
        let call = pair.outbound.next(Placement::Together, MOST).unwrap();
        (call.bytes, call.fds)
    };
    let whole = pair.outbound.next(Placement::Together, MOST).unwrap();
    assert!(pair.outbound.refused(whole), "whose they are is not known");
    assert_eq!(plan(&pair), (4, 1));
    // The next frame with descriptors is still sent alone.
    pair.send(usize::MAX);
    assert_eq!(plan(&pair), (12, 4));
    let whole = pair.outbound.next(Placement::Together, MOST).unwrap();
    assert!(pair.outbound.refused(whole));
    assert_eq!(plan(&pair), (4, 2));
    pair.outbound.take_back().unwrap();
    assert_eq!(plan(&pair), (8, 2));
}

#[test]
fn a_frame_whose_descriptors_left_early_is_not_taken_back() {
    let mut pair = Pair::new(Placement::Together);
    pair.push(text("a", 0));
    pair.push(text("b", 1));
    pair.send(4);
    assert!(pair.outbound.take_back().is_none());
}

#[test]
fn a_frame_with_a_large_payload_is_taken_back_with_all_of_it() {
    let mut pair = Pair::new(Placement::Alone);
    let payload = Bytes::from(vec![7; 60_000]);
    pair.push(Text { payload: payload.clone(), fds: vec![memfd()] });
    pair.push(text("after", 1));
    let refused = pair.outbound.take_back().unwrap();
    assert_eq!((refused.bytes.len(), refused.fds.len()), (HEADER + 60_000, 1));
    assert!(refused.bytes[HEADER..] == payload);
    pair.send(usize::MAX);
    receive_all(&mut pair, &[]).unwrap();
    assert_eq!((pair.received[0].payload.as_ref(), pair.received[0].fds.len()), (&b"after"[..], 1));
}

#[test]
fn memory_of_sent_frames_is_freed_while_more_frames_follow() {
    let mut pair = Pair::new(Placement::Alone);
    for _ in 0..1000 {
        pair.push(Text { payload: Bytes::from(vec![7; 1000]), fds: vec![] });
        pair.send(if pair.outbound.len() > 3000 { 1003 } else { 500 });
        pair.kernel = Kernel::default();
    }
    let shown = format!("{:?}", pair.outbound).len();
    assert!(shown < 100_000, "{shown} characters of it");
}

#[test]
fn a_frame_with_a_full_set_does_not_wait_for_a_call_of_its_own() {
    let mut pair = Pair::new(Placement::Together);
    for fds in [MOST - 1, 1, MOST, 1] {
        pair.push(text("", fds));
    }
    let mut calls = Vec::new();
    while let Some(call) = pair.outbound.next(Placement::Together, MOST) {
        calls.push((call.bytes, call.fds));
        pair.send(usize::MAX);
    }
    assert_eq!(calls, [(6, 28), (3, 28), (3, 1)]);
}

#[test]
fn a_frame_with_more_descriptors_than_now_fit_is_still_planned() {
    for placement in PLACEMENTS {
        let mut pair = Pair::new(placement);
        pair.push(text("a", 2));
        // The limit was lowered meanwhile, and sending the frame fails.
        let call = pair.outbound.next(placement, 1).unwrap();
        assert_eq!((call.bytes, call.fds), (4, 2));
    }
}

#[test]
fn the_rest_of_a_frame_that_lent_its_descriptors_stays_alone() {
    for (placement, bytes) in [(Placement::Alone, 5), (Placement::FirstByte, 8)] {
        let mut pair = Pair::new(placement);
        let length = pair.outbound.encode_borrowed(&mut Texts, &text("abcd", 0), 1).unwrap();
        assert_eq!((length, pair.outbound.len()), (7, 0));
        pair.outbound.sent_borrowed(length, 2);
        assert_eq!((pair.outbound.len(), pair.outbound.unsent_fds()), (5, 0));
        pair.push(text("", 0));
        let call = pair.outbound.next(placement, MOST).unwrap();
        assert_eq!((call.bytes, call.fds), (bytes, 0));
    }
}

#[test]
fn a_lent_frame_that_does_not_leave_leaves_no_byte_and_no_memory() {
    let mut pair = Pair::new(Placement::Alone);
    for length in [5, 60_000] {
        let frame = Text { payload: Bytes::from(vec![7; length]), fds: vec![] };
        pair.outbound.encode_borrowed(&mut Texts, &frame, 1).unwrap();
        pair.outbound.discard_borrowed();
        assert!(pair.outbound.slice(1).is_some_and(|slice| slice.is_empty()));
        assert!(pair.outbound.is_empty() && frame.payload.is_unique(), "no share of it is kept");
    }
    pair.push(text("after", 1));
    let call = pair.outbound.next(Placement::Alone, MOST).unwrap();
    assert_eq!((call.bytes, call.fds), (HEADER + 5, 1));
}
