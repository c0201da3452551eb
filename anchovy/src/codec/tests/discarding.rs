//! Frames that a decoder discards without ending the stream of frames, and whose number of descriptors
//! it does not know.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::ops::Range;

use bytes::{Bytes, BytesMut};

use super::kernel::Kernel;
use super::pair::{MOST, PLACEMENTS, Pair, every_split};
use super::texts::{Error, HEADER, Known, Text, Texts, bytes_of, known, memfd, text};
use crate::codec::decoder::Decoder;
use crate::codec::inbound::Inbound;
use crate::codec::policy::{Attribution, Placement, ReadPolicy, Unclaimed};
use crate::codec::read_progress::ReadProgress;
use crate::codec::receive_error::ReceiveError;
use crate::codec::received_fds::{ReceivedFds, ReceivedSet};
use crate::codec::take_fds_error::TakeFdsError;

/// Decodes [`Texts`], and rejects those that begin with an exclamation mark.
struct Picky;

impl Decoder for Picky {
    type Item = Result<Text, Bytes>;
    type Error = Infallible;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<Self::Item>, Error> {
        let &[high, low, _, ..] = &bytes[..] else { return Ok(None) };
        let length = HEADER + usize::from(u16::from_be_bytes([high, low]));
        if bytes.len() < length || bytes.get(HEADER) != Some(&b'!') {
            return Texts.decode(bytes, fds).map(|text| text.map(Ok));
        }
        fds.discard(length);
        Ok(Some(Err(bytes.split_to(length).freeze().slice(HEADER..))))
    }
}

/// A received frame, or the payload of a rejected one.
type Outcome = Result<Known, Bytes>;

/// One direction with a picky receiver.
struct Picking {
    pair: Pair,
    outcomes: Vec<Outcome>,
}

impl Picking {
    fn new(placement: Placement, attribution: Attribution, unclaimed: Unclaimed) -> Picking {
        let mut pair = Pair::new(placement);
        pair.policy = ReadPolicy { attribution, unclaimed, ..ReadPolicy::default() };
        Picking { pair, outcomes: Vec::new() }
    }

    /// Reads once, and decodes all that has arrived.
    fn receive(&mut self, size: usize) -> Result<bool, Error> {
        let pair = &mut self.pair;
        let (bytes, fds) = pair.kernel.receive(size);
        pair.inbound.buffer.bytes.extend_from_slice(&bytes);
        pair.inbound.received(bytes.len(), fds.into_iter(), None, None);
        while let Some(item) = pair.inbound.decode(&mut Picky, &pair.policy, &mut None)? {
            self.outcomes.push(item.map(|text| known(&text)));
        }
        Ok(!bytes.is_empty())
    }

    /// Sends these frames in as few calls as the placement allows, and reads them in these sizes.
    /// Returns what an exact receiver gets of them.
    fn exchange(
        &mut self,
        items: &[(&'static str, usize)],
        sizes: &[usize],
    ) -> (Vec<Outcome>, Result<(), Error>) {
        let texts: Vec<_> = items.iter().map(|(payload, fds)| text(payload, *fds)).collect();
        let is_bad = |text: &Text| text.payload.starts_with(b"!");
        let expected = texts
            .iter()
            .map(|text| if is_bad(text) { Err(text.payload.clone()) } else { Ok(known(text)) })
            .collect();
        texts.into_iter().for_each(|text| self.pair.push(text));
        while self.pair.send(usize::MAX) {}
        let mut sizes = sizes.iter().copied().chain(std::iter::repeat(100));
        let outcome = loop {
            match self.receive(sizes.next().expect("endless")) {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        (expected, outcome)
    }
}

fn length_of(items: &[(&'static str, usize)]) -> usize {
    items.iter().map(|(payload, _)| HEADER + payload.len()).sum()
}

/// Frames of which one or two are bad, with descriptors in bad frames and in frames around them.
const CASES: [&[(&str, usize)]; 8] = [
    &[("", 1), ("!", 2), ("", 1)],
    &[("!", 0), ("", 1)],
    &[("!", 1), ("", 0), ("", 1)],
    &[("", 0), ("!", 2), ("", 2)],
    &[("!", 1), ("!", 1), ("", 1)],
    &[("!", 1), ("", 2), ("!", 0)],
    &[("", 2), ("!abc", 0), ("", 1)],
    &[("", 1), ("!abc", 2), ("", 0)],
];

const ATTRIBUTIONS: [Attribution; 2] = [Attribution::Range, Attribution::Fifo];
const UNCLAIMED: [Unclaimed; 2] = [Unclaimed::Error, Unclaimed::Close];

#[test]
fn frames_around_a_rejected_one_keep_their_descriptors_in_every_split() {
    for items in CASES {
        let is_bad = |(payload, _): &&(&str, usize)| payload.starts_with('!');
        let discarded: usize = items.iter().filter(is_bad).map(|(_, fds)| fds).sum();
        for sizes in every_split(length_of(items)) {
            for placement in [Placement::Alone, Placement::FirstByte] {
                for attribution in ATTRIBUTIONS {
                    let mut picking = Picking::new(placement, attribution, Unclaimed::Error);
                    let (expected, outcome) = picking.exchange(items, &sizes);
                    let case = || format!("{items:?} {placement:?} {attribution:?} {sizes:?}");
                    outcome.unwrap_or_else(|error| panic!("{error:?}: {}", case()));
                    assert_eq!(picking.outcomes, expected, "{}", case());
                    let inbound = &picking.pair.inbound;
                    assert_eq!((inbound.waiting(), inbound.closed()), (0, discarded as u64));
                }
            }
        }
    }
}

#[test]
fn sets_that_share_a_send_with_a_rejected_frame_are_exact_or_an_error() {
    let mut exact = 0;
    for items in CASES {
        for sizes in every_split(length_of(items)) {
            for unclaimed in UNCLAIMED {
                let mut picking = Picking::new(Placement::Together, Attribution::Range, unclaimed);
                let (expected, outcome) = picking.exchange(items, &sizes);
                let received = picking.outcomes.len();
                assert_eq!(picking.outcomes, expected[..received], "{items:?} {sizes:?}");
                match outcome {
                    Ok(()) => exact += usize::from(received == expected.len()),
                    Err(
                        ReceiveError::MissingFds { .. }
                        | ReceiveError::AmbiguousFds { .. }
                        | ReceiveError::UnclaimedFds { .. },
                    ) => {}
                    Err(error) => panic!("{error:?}: {items:?} {sizes:?}"),
                }
            }
        }
    }
    assert!(exact > 0, "some are exact");
}

#[test]
fn a_part_of_a_set_that_a_rejected_frame_may_have_sent_is_not_claimed() {
    for attribution in ATTRIBUTIONS {
        for unclaimed in UNCLAIMED {
            let mut picking = Picking::new(Placement::Together, attribution, unclaimed);
            let (_, outcome) = picking.exchange(&[("!", 1), ("", 1)], &[]);
            let error = outcome.unwrap_err();
            let expected = "AmbiguousFds { declared: 1, available: 2 }";
            assert_eq!(format!("{error:?}"), expected, "{attribution:?}");
            assert_eq!(picking.outcomes.len(), 1, "the second frame is not returned");
        }
    }
}

#[test]
fn a_rejected_frame_closes_the_descriptors_of_its_own_bytes_at_once() {
    for attribution in ATTRIBUTIONS {
        let mut picking = Picking::new(Placement::Alone, attribution, Unclaimed::Error);
        let bad = bytes_of("!bad", 0);
        picking.pair.kernel.send(&bad[..2], vec![memfd()]);
        picking.pair.kernel.send(&bad[2..], vec![memfd(), memfd()]);
        assert!(picking.receive(2).unwrap());
        assert_eq!(picking.pair.inbound.waiting(), 1);
        assert!(picking.receive(100).unwrap());
        let inbound = &picking.pair.inbound;
        assert_eq!((inbound.waiting(), inbound.closed()), (0, 3), "{attribution:?}");
    }
}

#[test]
fn parts_keep_that_a_set_was_left_to_later_frames() {
    for attribution in ATTRIBUTIONS {
        let mut picking = Picking::new(Placement::FirstByte, attribution, Unclaimed::Error);
        let (bad, plain) = (bytes_of("!", 2), bytes_of("plain", 0));
        picking.pair.kernel.send(&[&bad[..], &plain[..]].concat(), vec![memfd(), memfd()]);
        assert!(picking.receive(bad.len() + 2).unwrap());
        assert_eq!((picking.outcomes.len(), picking.pair.inbound.waiting()), (1, 2));

        let progress = ReadProgress::default();
        let (bytes, sets) = std::mem::take(&mut picking.pair.inbound).into_parts();
        assert!(sets[0].given_up);
        picking.pair.inbound = Inbound::from_parts(bytes, sets, None, &progress);
        assert!(picking.receive(100).unwrap());
        let inbound = &picking.pair.inbound;
        assert_eq!((inbound.waiting(), inbound.closed()), (0, 2), "{attribution:?}");
    }
}

#[test]
fn discarding_more_bytes_than_have_arrived_closes_their_descriptors() {
    let mut picking = Picking::new(Placement::Alone, Attribution::Range, Unclaimed::Error);
    picking.pair.kernel.send(b"four", vec![memfd()]);
    let (bytes, fds) = picking.pair.kernel.receive(100);
    let inbound = &mut picking.pair.inbound;
    inbound.buffer.bytes.extend_from_slice(&bytes);
    inbound.received(bytes.len(), fds.into_iter(), None, None);

    struct Greedy;
    impl Decoder for Greedy {
        type Item = usize;
        type Error = Infallible;

        fn decode(
            &mut self,
            bytes: &mut BytesMut,
            fds: &mut ReceivedFds<'_>,
        ) -> Result<Option<usize>, Error> {
            let counts = [0, usize::MAX, usize::MAX].map(|length| fds.discard(length));
            assert_eq!(counts, [0, 1, 0]);
            bytes.clear();
            Ok(Some(counts[1]))
        }
    }
    let decoded = inbound.decode(&mut Greedy, &picking.pair.policy, &mut None);
    assert!(matches!(decoded, Ok(Some(1))), "{decoded:?}");
}

#[test]
fn rejected_frames_of_a_long_exchange_leave_nothing_open() {
    for placement in PLACEMENTS {
        let attribution = match placement {
            Placement::Together => continue, // Not exact; see `ReceivedFds::discard`.
            _ => Attribution::Fifo,
        };
        let mut picking = Picking::new(placement, attribution, Unclaimed::Error);
        for round in 0..200 {
            let items = [("!bad", round % 5), ("good", round % 3), ("!", round % 2), ("", MOST)];
            let (expected, outcome) = picking.exchange(&items, &[1 + round % 7, 3, 11]);
            outcome.unwrap();
            assert_eq!(std::mem::take(&mut picking.outcomes), expected);
            picking.pair.kernel = Kernel::default();
        }
        assert_eq!(picking.pair.inbound.waiting(), 0);
    }
}

/// A set of this range and this number of descriptors.
fn set(range: Range<u64>, fds: usize, given_up: bool) -> ReceivedSet {
    ReceivedSet {
        start: range.start,
        end: range.end,
        fds,
        truncated: None,
        given_up,
        arrived: None,
    }
}

/// Calls `f` with these sets at the start of the stream, and returns them.
fn with_sets<const N: usize>(
    sets: [ReceivedSet; N],
    f: impl FnOnce(&mut ReceivedFds<'_>),
) -> VecDeque<ReceivedSet> {
    let mut fds = sets.iter().flat_map(|set| (0..set.fds).map(|_| memfd())).collect();
    let (mut sets, mut held, mut closed) = (VecDeque::from(sets), None, 0);
    f(&mut ReceivedFds {
        position: 0,
        attribution: Attribution::Range,
        fds: &mut fds,
        sets: &mut sets,
        held: &mut held,
        claimed: 0,
        closed: &mut closed,
    });
    sets
}

#[test]
fn a_part_of_a_set_is_ambiguous_after_an_empty_set_too() {
    with_sets([set(0..4, 0, false), set(4..9, 2, true)], |fds| {
        let error = fds.take(8, 1).map(|_| ()).unwrap_err();
        assert_eq!(error, TakeFdsError::Ambiguous { declared: 1, available: 2 });
    });
}

#[test]
fn a_set_that_begins_after_a_rejected_frame_belongs_to_later_frames() {
    let sets = with_sets([set(4..8, 2, false)], |fds| assert_eq!(fds.discard(4), 0));
    assert!(!sets[0].given_up);
}
