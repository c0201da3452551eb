//! State that parts keep, and parts that a caller creates.

use bytes::BytesMut;

use super::pair::{MOST, PLACEMENTS, Pair, decode_all, error, receive_all};
use super::texts::{bytes_of, memfd, text};
use crate::codec::fd_set::FdSet;
use crate::codec::inbound::Inbound;
use crate::codec::outbound::Outbound;
use crate::codec::policy::Placement;
use crate::codec::read_progress::ReadProgress;
use crate::error::truncation::Truncation;

#[test]
fn parts_keep_the_ranges_of_waiting_descriptors() {
    let mut pair = Pair::new(Placement::Alone);
    for (payload, fds) in [("a", 0), ("bcdefg", 2), ("h", 0), ("i", 1)] {
        pair.push(text(payload, fds));
    }
    pair.send(usize::MAX);
    pair.send(5);
    let (bytes, sets) = std::mem::take(&mut pair.outbound).into_parts();
    assert_eq!(bytes.len(), 4 + 4 + 4);
    // The rest of the frame of which a byte was sent still shares no call.
    assert_eq!((sets[0].range.clone(), sets[0].fds.len()), (0..4, 0));
    assert_eq!((sets[1].range.clone(), sets[1].fds.len()), (8..12, 1));
    pair.outbound = Outbound::from_parts(bytes, sets);
    let rest = pair.outbound.next(Placement::Alone, MOST).unwrap();
    assert_eq!((rest.bytes, rest.fds), (4, 0));

    pair.receive(6).unwrap();
    let (bytes, sets) = std::mem::take(&mut pair.inbound).into_parts();
    assert_eq!((sets.len(), sets[0].range.clone()), (1, 0..2));
    pair.inbound = Inbound::from_parts(bytes, sets, None, &ReadProgress::default());

    while pair.send(usize::MAX) {}
    receive_all(&mut pair, &[]).unwrap();
    assert_eq!(pair.counts(), [0, 2, 0, 1]);
}

#[test]
fn parts_taken_twice_keep_the_rest_of_a_frame_apart() {
    let mut pair = Pair::new(Placement::Alone);
    pair.push(text("bcdefg", 2));
    pair.push(text("h", 0));
    pair.send(5);
    for _ in 0..2 {
        let (bytes, sets) = std::mem::take(&mut pair.outbound).into_parts();
        assert_eq!((sets[0].range.clone(), sets[0].fds.len()), (0..4, 0));
        pair.outbound = Outbound::from_parts(bytes, sets);
    }
    let rest = pair.outbound.next(Placement::Alone, MOST).unwrap();
    assert_eq!((rest.bytes, rest.fds), (4, 0));
}

#[test]
fn sets_from_parts_go_to_the_frames_of_their_range_only() {
    let (a, b) = (bytes_of("a", 1), bytes_of("b", 1));
    let buffer = || BytesMut::from(&[&a[..], &b].concat()[..]);
    let set = |range| FdSet::new(range, vec![memfd()]);

    // The descriptor of B is not available to A.
    let mut pair = Pair::new(Placement::Alone);
    pair.inbound = Inbound::from_parts(buffer(), vec![set(4..8)], None, &ReadProgress::default());
    let missing = "MissingFds { declared: 1, available: 0 }";
    assert_eq!(error(decode_all(&mut pair)), missing);
    assert!(pair.received.is_empty());
    // The two descriptors of A are not available to B.
    let mut pair = Pair::new(Placement::Alone);
    pair.inbound =
        Inbound::from_parts(buffer(), vec![set(0..2), set(2..4)], None, &ReadProgress::default());
    assert_eq!(error(decode_all(&mut pair)), "UnclaimedFds { count: 1 }");
    // A descriptor that arrived with both is available to both.
    let mut pair = Pair::new(Placement::Alone);
    pair.inbound =
        Inbound::from_parts(buffer(), vec![set(0..4), set(3..8)], None, &ReadProgress::default());
    decode_all(&mut pair).unwrap();
    assert_eq!(pair.received.iter().map(|text| text.fds.len()).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn parts_keep_the_range_of_a_set() {
    let mut pair = Pair::new(Placement::Alone);
    let item = bytes_of("abc", 1);
    pair.kernel.send(&item[..2], vec![]);
    pair.kernel.send(&item[2..5], vec![memfd()]);
    pair.receive(2).unwrap();
    pair.receive(3).unwrap();
    let (_, sets) = std::mem::take(&mut pair.inbound).into_parts();
    assert_eq!((sets.len(), sets[0].range.clone()), (1, 2..5));
}

#[test]
fn sets_without_bytes_from_parts_of_a_caller_are_refused_once() {
    for placement in PLACEMENTS {
        for ranges in [&[(4, 4)][..], &[(9, 2)], &[(2, 2)], &[(0, 4), (2, 4)], &[(2, 4), (0, 2)]] {
            let count = ranges.len();
            let sets = ranges.iter().map(|(start, end)| FdSet::new(*start..*end, vec![memfd()]));
            let mut outbound = Outbound::from_parts(BytesMut::from("abcd"), sets.collect());
            let (mut sent, mut rounds) = (0, 0);
            while let Some(call) = outbound.next(placement, MOST) {
                rounds += 1;
                assert!(rounds < 10 && (call.bytes > 0 || call.fds > 0), "no progress");
                if call.bytes == 0 {
                    // The driver gets a call without bytes, which fails.
                    sent += outbound.take_back().expect("they can be taken back").fds.len();
                    continue;
                }
                sent += call.fds;
                outbound.sent(call, call.bytes);
            }
            assert_eq!(sent, count, "{placement:?}");
        }
    }
}

#[test]
fn parts_keep_that_a_set_was_truncated() {
    let mut pair = Pair::new(Placement::Alone);
    let item = bytes_of("abc", 1);
    pair.inbound.buffer.bytes.extend_from_slice(&item[..4]);
    pair.inbound.received(4, std::iter::empty(), Some(Truncation::ProcessTableFull), None);
    let (bytes, sets) = std::mem::take(&mut pair.inbound).into_parts();
    pair.inbound = Inbound::from_parts(bytes, sets, None, &ReadProgress::default());
    pair.kernel.send(&item[4..], vec![memfd()]);
    assert_eq!(error(receive_all(&mut pair, &[])), "Truncated { cause: ProcessTableFull }");
}

#[test]
fn a_set_of_parts_that_is_truncated_gives_out_none_of_its_descriptors() {
    let mut pair = Pair::new(Placement::Alone);
    let item = bytes_of("abc", 1);
    // A receive leaves a truncated set empty. The parts of a caller may be otherwise.
    let sets = [FdSet {
        truncated: Some(Truncation::ProcessTableFull),
        ..FdSet::new(0..item.len(), vec![memfd()])
    }];
    pair.inbound =
        Inbound::from_parts(BytesMut::from(&item[..]), sets.into(), None, &ReadProgress::default());
    assert_eq!(error(receive_all(&mut pair, &[])), "Truncated { cause: ProcessTableFull }");
}

#[test]
fn parts_leave_out_received_sets_whose_descriptors_are_all_taken() {
    let mut pair = Pair::new(Placement::Alone);
    let bytes = BytesMut::from(&[&bytes_of("a", 1)[..], b"\0"].concat()[..]);
    let set = FdSet::new(0..5, vec![memfd()]);
    pair.inbound = Inbound::from_parts(bytes, vec![set], None, &ReadProgress::default());
    decode_all(&mut pair).unwrap();
    assert_eq!(pair.counts(), [1]);
    let (bytes, sets) = pair.inbound.into_parts();
    assert_eq!((bytes.len(), sets.len()), (1, 0));
}

#[test]
fn parts_leave_out_unsent_sets_without_descriptors() {
    let outbound = Outbound::from_parts(BytesMut::zeroed(10), vec![FdSet::new(4..6, Vec::new())]);
    assert_eq!(outbound.into_parts().1.len(), 0);
}
