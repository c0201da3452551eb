//! Two ends and the kernel between them, all in memory: a seed, or every possibility in turn,
//! decides how much of each `sendmsg` the kernel takes and how much each `recvmsg` returns.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use tokio::time::Instant;

use super::attribution::{FdSet, Inbound, ReceivedFds};
use super::error::CodecError;
use super::plan::Outbound;
use super::policy::{Attribution, Placement, ReadPolicy, Unclaimed};
use super::traits::{Decoder, Encoder};
use crate::error::Truncation;

/// Two bytes of length, a byte that says how many descriptors, and a payload.
struct Texts;

#[derive(Debug)]
struct Text {
    payload: Bytes,
    fds: Vec<OwnedFd>,
}

const HEADER: usize = 3;

impl Decoder for Texts {
    type Item = Text;
    type Error = io::Error;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> io::Result<Option<Text>> {
        let &[high, low, count, ..] = &bytes[..] else { return Ok(None) };
        let length = HEADER + usize::from(u16::from_be_bytes([high, low]));
        if bytes.len() < length {
            return Ok(None);
        }
        let fds = fds.take(length, count.into())?.collect();
        let mut payload = bytes.split_to(length).freeze();
        payload.advance(HEADER);
        Ok(Some(Text { payload, fds }))
    }
}

impl Encoder<Text> for Texts {
    type Error = io::Error;

    fn encode(&mut self, item: &Text, bytes: &mut BytesMut) -> io::Result<()> {
        bytes.put_u16(item.payload.len() as u16);
        bytes.put_u8(item.fds.len() as u8);
        Ok(())
    }

    fn fds<'a>(&mut self, item: &'a mut Text) -> &'a mut Vec<OwnedFd> {
        &mut item.fds
    }

    fn payload(&mut self, item: &Text) -> Bytes {
        item.payload.clone()
    }
}

/// What one `sendmsg` left in the kernel.
struct Segment {
    bytes: VecDeque<u8>,
    fds: Vec<OwnedFd>,
}

/// The kernel: a queue of segments, and the rules of Linux for reading from it.
#[derive(Default)]
struct Kernel(VecDeque<Segment>);

impl Kernel {
    fn send(&mut self, bytes: &[u8], fds: Vec<OwnedFd>) {
        self.0.push_back(Segment { bytes: bytes.iter().copied().collect(), fds });
    }

    /// Takes bytes until there are enough, or a set was met and its segment has come to its end.
    fn receive(&mut self, size: usize) -> (Vec<u8>, Vec<OwnedFd>) {
        let (mut bytes, mut fds) = (Vec::new(), Vec::new());
        while bytes.len() < size && fds.is_empty() {
            let Some(segment) = self.0.front_mut() else { break };
            let count = segment.bytes.len().min(size - bytes.len());
            bytes.extend(segment.bytes.drain(..count));
            fds = std::mem::take(&mut segment.fds);
            if segment.bytes.is_empty() {
                self.0.pop_front();
            }
        }
        (bytes, fds)
    }
}

/// One direction: a sender, the kernel, and a receiver.
struct Pair {
    outbound: Outbound,
    placement: Placement,
    kernel: Kernel,
    inbound: Inbound,
    policy: ReadPolicy,
    received: Vec<Text>,
}

const MOST: usize = 28;

impl Pair {
    fn new(placement: Placement) -> Pair {
        let attribution = match placement {
            Placement::Together => Attribution::Fifo,
            _ => Attribution::Range,
        };
        Pair {
            outbound: Outbound::default(),
            placement,
            kernel: Kernel::default(),
            inbound: Inbound::default(),
            policy: ReadPolicy { attribution, ..ReadPolicy::default() },
            received: Vec::new(),
        }
    }

    fn push(&mut self, text: Text) {
        self.outbound.push(&mut Texts, text, |_| Ok(())).expect("nothing is refused");
    }

    fn push_all(&mut self, items: &[(&'static str, usize)]) -> Vec<Known> {
        let texts: Vec<_> = items.iter().map(|(payload, fds)| text(payload, *fds)).collect();
        let known = texts.iter().map(known).collect();
        texts.into_iter().for_each(|text| self.push(text));
        known
    }

    /// What was received.
    fn known(&self) -> Vec<Known> {
        self.received.iter().map(known).collect()
    }

    /// How many descriptors each item that was received has.
    fn counts(&self) -> Vec<usize> {
        self.received.iter().map(|text| text.fds.len()).collect()
    }

    /// Makes the next call, of which the kernel takes at most so many bytes.
    fn send(&mut self, most: usize) -> bool {
        let Some(call) = self.outbound.next(self.placement, MOST) else { return false };
        let mut slices = [IoSlice::new(&[]); 8];
        let count = self.outbound.slices(call.bytes, &mut slices);
        let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
        assert!(bytes.len() <= call.bytes && !bytes.is_empty());
        assert!(call.fds <= MOST);
        self.outbound.line_up();
        let fds = self.outbound.fds(call.fds).iter().map(|fd| fd.try_clone().unwrap()).collect();
        let taken = bytes.len().min(most);
        self.kernel.send(&bytes[..taken], fds);
        self.outbound.sent(call, taken);
        true
    }

    /// Reads once, into room for so many bytes, and decodes all that is there.
    fn receive(&mut self, size: usize) -> io::Result<bool> {
        let (bytes, fds) = self.kernel.receive(size);
        self.inbound.bytes.extend_from_slice(&bytes);
        self.inbound.received(bytes.len(), fds.into_iter(), None, None);
        while let Some(text) = self.inbound.decode(&mut Texts, &self.policy, false)? {
            self.received.push(text);
        }
        Ok(!bytes.is_empty())
    }
}

fn memfd() -> OwnedFd {
    rustix::fs::memfd_create("anchovy", rustix::fs::MemfdFlags::CLOEXEC).expect("a memfd")
}

fn text(payload: &'static str, fds: usize) -> Text {
    Text { payload: Bytes::from(payload), fds: (0..fds).map(|_| memfd()).collect() }
}

/// What an item is, to be compared: its payload, and the inodes of its descriptors.
type Known = (Bytes, Vec<u64>);

fn known(text: &Text) -> Known {
    let inode = |fd: &OwnedFd| rustix::fs::fstat(fd.as_fd()).expect("an open descriptor").st_ino;
    (text.payload.clone(), text.fds.iter().map(inode).collect())
}

/// All ways to cut so many bytes into reads, as the sizes of the reads.
fn every_split(bytes: usize) -> impl Iterator<Item = Vec<usize>> {
    (0..1u32 << (bytes - 1)).map(move |cuts| {
        let mut sizes = vec![1];
        for cut in 0..bytes - 1 {
            if cuts >> cut & 1 == 1 {
                sizes.push(1);
            } else {
                *sizes.last_mut().expect("there is one") += 1;
            }
        }
        sizes
    })
}

const PLACEMENTS: [Placement; 3] = [Placement::Alone, Placement::FirstByte, Placement::Together];

/// Sends these items by every placement, and reads them in every split.
fn arrive_in_every_split(items: &[(&'static str, usize)]) {
    let length = items.iter().map(|(payload, _)| HEADER + payload.len()).sum();
    for placement in PLACEMENTS {
        for sizes in every_split(length) {
            let mut pair = Pair::new(placement);
            let sent = pair.push_all(items);
            while pair.send(usize::MAX) {}
            receive_all(&mut pair, &sizes).unwrap();
            assert_eq!(pair.known(), sent, "{placement:?} {sizes:?}");
        }
    }
}

#[test]
fn cve_2014_3533_each_item_has_exactly_its_own_descriptors_in_every_split() {
    arrive_in_every_split(&[("a", 3), ("b", 2), ("c", 1)]);
}

#[test]
fn plain_items_around_those_with_descriptors_take_none_in_any_split() {
    arrive_in_every_split(&[("", 0), ("", 1), ("", 0), ("", 2)]);
}

#[test]
fn descriptors_stay_with_their_item_however_little_the_kernel_takes_at_a_time() {
    for placement in PLACEMENTS {
        for sizes in every_split(3 * HEADER + 4) {
            let mut pair = Pair::new(placement);
            let sent = pair.push_all(&[("ab", 2), ("", 0), ("cd", 1)]);
            for size in sizes.iter() {
                pair.send(*size);
            }
            while pair.send(usize::MAX) {}
            while pair.receive(5).unwrap() {}
            assert_eq!(pair.known(), sent, "{placement:?} {sizes:?}");
            assert!(pair.outbound.is_empty() && pair.inbound.waiting() == 0);
        }
    }
}

/// One step of a long exchange.
#[derive(Clone, Debug)]
enum Step {
    Push { length: usize, fds: usize },
    Send { most: usize },
    Receive { size: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let length = prop_oneof![4 => 0..20usize, 1 => 20..9000usize];
    let fds = prop_oneof![3 => Just(0usize), 3 => 1..5usize, 1 => Just(MOST)];
    let some = || prop_oneof![2 => 1..12usize, 2 => 12..600usize, 2 => Just(usize::MAX)];
    prop_oneof![
        3 => (length, fds).prop_map(|(length, fds)| Step::Push { length, fds }),
        2 => some().prop_map(|most| Step::Send { most }),
        2 => some().prop_map(|size| Step::Receive { size }),
    ]
}

fn exchange(placement: Placement, steps: Vec<Step>) {
    let mut pair = Pair::new(placement);
    let mut sent = Vec::new();
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step::Push { length, fds } => {
                let payload = Bytes::from(vec![number as u8; length]);
                let text = Text { payload, fds: (0..fds).map(|_| memfd()).collect() };
                sent.push(known(&text));
                pair.push(text);
            }
            Step::Send { most } => {
                pair.send(most);
            }
            Step::Receive { size } => {
                pair.receive(size).unwrap();
            }
        }
    }
    while pair.send(usize::MAX) {}
    while pair.receive(4096).unwrap() {}
    assert_eq!(pair.known(), sent);
    assert!(pair.outbound.is_empty() && pair.inbound.waiting() == 0);
}

#[test]
fn long_exchanges_arrive_as_they_were_sent_however_they_are_cut() {
    const SEED: u64 = 0x0000_c0de;
    println!("seed {SEED:#x}");
    for placement in PLACEMENTS {
        let config = ProptestConfig {
            cases: 300,
            rng_seed: RngSeed::Fixed(SEED),
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        TestRunner::new(config)
            .run(&prop::collection::vec(step(), 1..80), |steps| {
                exchange(placement, steps);
                Ok(())
            })
            .unwrap_or_else(|failure| panic!("{placement:?}: {failure}"));
    }
}

/// The bytes of an item that declares so many descriptors.
fn bytes_of(payload: &str, declared: u8) -> Vec<u8> {
    let mut bytes = vec![0, payload.len() as u8, declared];
    bytes.extend_from_slice(payload.as_bytes());
    bytes
}

fn error(outcome: io::Result<bool>) -> CodecError {
    CodecError::of(&outcome.expect_err("an error")).expect("an error of the codec")
}

/// Reads with sizes in turn, until there is nothing more, or an error.
fn receive_all(pair: &mut Pair, sizes: &[usize]) -> io::Result<bool> {
    let mut sizes = sizes.iter().copied().chain(std::iter::repeat(100));
    while pair.receive(sizes.next().expect("endless"))? {}
    Ok(true)
}

#[test]
fn descriptors_that_an_item_does_not_declare_are_not_shifted_to_the_next() {
    let (a, b) = (bytes_of("a", 1), bytes_of("b", 2));
    for sizes in every_split(a.len() + b.len()) {
        let mut pair = Pair::new(Placement::Alone);
        pair.kernel.send(&a, vec![memfd(), memfd(), memfd()]);
        pair.kernel.send(&b, vec![]);
        let error = error(receive_all(&mut pair, &sizes));
        assert_eq!(error, CodecError::Unclaimed { count: 2 }, "{sizes:?}");
        assert!(pair.received.is_empty(), "nothing is handed over");
    }
}

#[test]
fn an_item_that_declares_what_the_next_one_brings_gets_it_only_within_one_read() {
    // A liar gets its own descriptors back, or an error: never those of an earlier set.
    let (a, b) = (bytes_of("a", 2), bytes_of("b", 1));
    for sizes in every_split(a.len() + b.len()) {
        let mut pair = Pair::new(Placement::Alone);
        let honest = text("honest", 1);
        let before = known(&honest);
        pair.push(honest);
        while pair.send(100) {}
        pair.kernel.send(&a, vec![]);
        pair.kernel.send(&b, vec![memfd(), memfd(), memfd()]);
        pair.receive(100).unwrap();
        let outcome = receive_all(&mut pair, &sizes);

        assert_eq!(known(&pair.received[0]), before, "{sizes:?}");
        // The read that has the last byte of A has the first of B, and so the set, or it has not.
        let mut end = 0;
        let read = sizes.iter().find(|size| {
            end += **size;
            end >= a.len()
        });
        if read.is_some() && end > a.len() {
            outcome.unwrap();
            assert_eq!(pair.counts()[1..], [2, 1], "{sizes:?}");
        } else {
            let missing = CodecError::Missing { declared: 2, arrived: 0, truncated: None };
            assert_eq!(error(outcome), missing, "{sizes:?}");
        }
    }
}

#[test]
fn sets_that_share_a_send_are_attributed_when_one_read_covers_them() {
    let plain = || bytes_of("p", 0);
    let with = || bytes_of("f", 1);
    for (items, count) in [
        (vec![with(), plain()], vec![1, 0]),
        (vec![plain(), with()], vec![0, 1]),
        (vec![with(), with()], vec![1, 1]),
    ] {
        let mut pair = Pair::new(Placement::Alone);
        let fds = count.iter().sum::<usize>();
        pair.kernel.send(&items.concat(), (0..fds).map(|_| memfd()).collect());
        receive_all(&mut pair, &[]).unwrap();
        assert_eq!(pair.counts(), count);
    }
}

#[test]
fn sets_that_share_a_send_end_in_the_error_when_no_read_covers_them() {
    let (plain, with) = (bytes_of("p", 0), bytes_of("f", 1));
    // First in its send, an item with descriptors has them in every split.
    for sizes in every_split(8) {
        let mut pair = Pair::new(Placement::Alone);
        pair.kernel.send(&[&with[..], &plain].concat(), vec![memfd()]);
        receive_all(&mut pair, &sizes).unwrap();
        assert_eq!(pair.counts(), [1, 0], "{sizes:?}");
    }
    // Behind a plain one, they come with a read that ends before the item begins.
    let mut pair = Pair::new(Placement::Alone);
    pair.kernel.send(&[&plain[..], &with].concat(), vec![memfd()]);
    assert_eq!(error(receive_all(&mut pair, &[4])), CodecError::Unclaimed { count: 1 });
    assert!(pair.received.is_empty());
    // The second of two, likewise.
    let mut pair = Pair::new(Placement::Alone);
    pair.kernel.send(&[&with[..], &with].concat(), vec![memfd(), memfd()]);
    assert_eq!(error(receive_all(&mut pair, &[4])), CodecError::Unclaimed { count: 1 });
    assert!(pair.received.is_empty());
}

#[test]
fn descriptors_may_come_with_any_byte_of_their_item() {
    let item = bytes_of("abc", 1);
    for at in 0..item.len() {
        for size in 1..=item.len() {
            let mut pair = Pair::new(Placement::Alone);
            pair.kernel.send(&item[..at], vec![]);
            pair.kernel.send(&item[at..], vec![memfd()]);
            receive_all(&mut pair, &[size]).unwrap();
            assert_eq!(pair.received[0].fds.len(), 1);
        }
    }
}

#[test]
fn a_set_that_is_sent_twice_is_unclaimed_once() {
    let item = bytes_of("abc", 1);
    let mut pair = Pair::new(Placement::Alone);
    pair.kernel.send(&item[..3], vec![memfd()]);
    pair.kernel.send(&item[3..], vec![memfd()]);
    assert_eq!(error(receive_all(&mut pair, &[])), CodecError::Unclaimed { count: 1 });
}

#[test]
fn what_nobody_claims_can_be_closed_and_counted_instead() {
    let mut pair = Pair::new(Placement::Alone);
    pair.policy.unclaimed = Unclaimed::Close;
    pair.kernel.send(&bytes_of("a", 1), vec![memfd(), memfd(), memfd()]);
    pair.kernel.send(&bytes_of("b", 0), vec![memfd()]);
    let c = text("c", 1);
    let expected = known(&c);
    pair.push(c);
    while pair.send(100) {}
    receive_all(&mut pair, &[]).unwrap();
    assert_eq!(
        (pair.counts(), pair.inbound.closed(), pair.inbound.waiting()),
        (vec![1, 0, 1], 3, 0)
    );
    assert_eq!(known(&pair.received[2]), expected);
}

#[test]
fn by_fifo_the_oldest_descriptors_are_taken_whatever_they_came_with() {
    let mut pair = Pair::new(Placement::Together);
    let fds = vec![memfd(), memfd()];
    pair.kernel.send(&bytes_of("a", 0), fds);
    pair.kernel.send(&bytes_of("b", 2), vec![]);
    receive_all(&mut pair, &[4]).unwrap();
    assert_eq!(pair.counts(), [0, 2]);
}

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
    // Each item has four bytes.
    assert_eq!(calls(Placement::Alone), [(4, 0), (4, 2), (8, 0), (4, 27), (4, 1)]);
    assert_eq!(calls(Placement::FirstByte), [(4, 0), (12, 2), (4, 27), (4, 1)]);
    assert_eq!(calls(Placement::Together), [(16, 2), (8, 28)]);
}

#[test]
fn what_is_left_of_an_item_that_was_sent_in_part_stays_alone() {
    let mut pair = Pair::new(Placement::Alone);
    pair.push(text("abcd", 1));
    pair.push(text("", 0));
    pair.send(2);
    let call = pair.outbound.next(Placement::Alone, MOST).unwrap();
    assert_eq!((call.bytes, call.fds), (5, 0));
}

#[test]
fn an_item_that_is_refused_among_others_is_found_and_taken_back() {
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
fn an_item_of_which_a_byte_left_is_not_taken_back() {
    let mut pair = Pair::new(Placement::Alone);
    pair.push(text("abcd", 1));
    pair.send(1);
    assert!(pair.outbound.take_back().is_none());
}

#[test]
fn what_waits_goes_through_parts_with_its_ranges() {
    let mut pair = Pair::new(Placement::Alone);
    for (payload, fds) in [("a", 0), ("bcdefg", 2), ("h", 0), ("i", 1)] {
        pair.push(text(payload, fds));
    }
    pair.send(usize::MAX);
    pair.send(5);
    let (bytes, sets) = std::mem::take(&mut pair.outbound).into_parts();
    assert_eq!(bytes.len(), 4 + 4 + 4);
    // The rest of the one that has begun shares its calls with nobody, as before.
    assert_eq!((sets[0].range.clone(), sets[0].fds.len()), (0..4, 0));
    assert_eq!((sets[1].range.clone(), sets[1].fds.len()), (8..12, 1));
    pair.outbound = Outbound::from_parts(bytes, sets);
    let rest = pair.outbound.next(Placement::Alone, MOST).unwrap();
    assert_eq!((rest.bytes, rest.fds), (4, 0));

    pair.receive(6).unwrap();
    let (bytes, sets) = std::mem::take(&mut pair.inbound).into_parts();
    assert_eq!((sets.len(), sets[0].range.clone()), (1, 0..2));
    pair.inbound = Inbound::from_parts(bytes, sets, None);

    while pair.send(usize::MAX) {}
    receive_all(&mut pair, &[]).unwrap();
    assert_eq!(pair.counts(), [0, 2, 0, 1]);
}

#[test]
fn hostile_bytes_and_sets_are_an_error_at_worst_and_leave_nothing_open() {
    const SEED: u64 = 0x0bad_5eed;
    println!("seed {SEED:#x}");
    let config = ProptestConfig {
        cases: 500,
        rng_seed: RngSeed::Fixed(SEED),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let sends = prop::collection::vec((prop::collection::vec(0..4u8, 1..20), 0..4usize), 1..20);
    TestRunner::new(config)
        .run(&(sends, 1..20usize), |(sends, size)| {
            let mut pair = Pair::new(Placement::Alone);
            let (mut readers, mut claimed) = (Vec::new(), 0);
            for (bytes, fds) in sends {
                let pipes: Vec<_> = (0..fds)
                    .map(|_| rustix::pipe::pipe_with(rustix::pipe::PipeFlags::NONBLOCK).unwrap())
                    .collect();
                let (read, write): (Vec<_>, Vec<_>) = pipes.into_iter().unzip();
                readers.extend(read);
                pair.kernel.send(&bytes, write);
            }
            if receive_all(&mut pair, &vec![size; 1000]).is_err() {
                pair.inbound.clear();
                pair.kernel = Kernel::default();
            }
            claimed += pair.received.iter().map(|text| text.fds.len()).sum::<usize>();
            let open = readers
                .iter()
                .filter(|reader| rustix::io::read(reader, &mut [0; 1]) != Ok(0))
                .count();
            prop_assert_eq!(open, claimed + pair.inbound.waiting());
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}

/// Items that are whole, from what waits.
fn decode_all(pair: &mut Pair) -> io::Result<()> {
    while let Some(text) = pair.inbound.decode(&mut Texts, &pair.policy, false)? {
        pair.received.push(text);
    }
    Ok(())
}

#[test]
fn what_nothing_claims_is_closed_and_not_what_came_after_it() {
    let mut pair = Pair::new(Placement::Alone);
    pair.policy.unclaimed = Unclaimed::Close;
    let (a, own) = (bytes_of("a", 0), memfd());
    let expected = known(&Text { payload: "b".into(), fds: vec![own.try_clone().unwrap()] });
    pair.kernel.send(&a[..2], vec![memfd()]);
    pair.kernel.send(&[&a[2..], &bytes_of("b", 1)].concat(), vec![own]);
    receive_all(&mut pair, &[]).unwrap();
    assert_eq!(pair.received[1..].iter().map(known).collect::<Vec<_>>(), [expected]);
    assert_eq!((pair.inbound.closed(), pair.inbound.waiting()), (1, 0));
}

#[test]
fn what_was_read_elsewhere_goes_to_the_items_of_its_range_only() {
    let (a, b) = (bytes_of("a", 1), bytes_of("b", 1));
    let buffer = || BytesMut::from(&[&a[..], &b].concat()[..]);
    let set = |range| FdSet::new(range, vec![memfd()]);

    // That of B is not for A.
    let mut pair = Pair::new(Placement::Alone);
    pair.inbound = Inbound::from_parts(buffer(), vec![set(4..8)], None);
    let missing = CodecError::Missing { declared: 1, arrived: 0, truncated: None };
    assert_eq!(error(decode_all(&mut pair).map(|()| true)), missing);
    assert!(pair.received.is_empty());
    // Two of A are not for B.
    let mut pair = Pair::new(Placement::Alone);
    pair.inbound = Inbound::from_parts(buffer(), vec![set(0..2), set(2..4)], None);
    assert_eq!(error(decode_all(&mut pair).map(|()| true)), CodecError::Unclaimed { count: 1 });
    // One that came with both is for either.
    let mut pair = Pair::new(Placement::Alone);
    pair.inbound = Inbound::from_parts(buffer(), vec![set(0..4), set(3..8)], None);
    decode_all(&mut pair).unwrap();
    assert_eq!(pair.received.iter().map(|text| text.fds.len()).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn a_set_that_came_with_a_later_byte_keeps_its_range_through_parts() {
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
fn nothing_is_kept_of_reads_without_descriptors_nor_of_sets_that_are_claimed() {
    for placement in PLACEMENTS {
        let mut pair = Pair::new(placement);
        pair.kernel.send(&bytes_of("a", 1), vec![memfd()]);
        pair.kernel.send(&bytes_of("a long one", 0)[..12], vec![]);
        receive_all(&mut pair, &[1; 100]).unwrap();
        assert_eq!((pair.received.len(), pair.inbound.bytes.len()), (1, 12));
        assert!(format!("{:?}", pair.inbound).contains("sets: []"), "{:?}", pair.inbound);
    }
}

const CUT: Option<Truncation> = Some(Truncation::Unknown);

/// A read of these bytes whose set the kernel cut.
fn receive_cut(pair: &mut Pair, bytes: &[u8]) {
    pair.inbound.bytes.extend_from_slice(bytes);
    pair.inbound.received(bytes.len(), std::iter::empty(), CUT, None);
}

#[test]
fn descriptors_are_not_taken_across_a_cut_set_but_plain_items_pass() {
    let (plain, with) = (bytes_of("p", 0), bytes_of("f", 1));
    let mut pair = Pair::new(Placement::Alone);
    // The cut set may have been anybody's, and what came after it that of the next item.
    receive_cut(&mut pair, &[&plain[..], &with[..2]].concat());
    decode_all(&mut pair).unwrap();
    assert_eq!(pair.received.len(), 1);
    pair.kernel.send(&[&with[2..], &with].concat(), vec![memfd()]);
    let missing = CodecError::Missing { declared: 1, arrived: 1, truncated: CUT };
    assert_eq!(error(pair.receive(100)), missing);
    // Items behind it are as if it had not been.
    let mut pair = Pair::new(Placement::Alone);
    receive_cut(&mut pair, &plain);
    decode_all(&mut pair).unwrap();
    pair.kernel.send(&with, vec![memfd()]);
    pair.receive(100).unwrap();
    assert_eq!(pair.received[1].fds.len(), 1);
}

/// Looks at each item of five bytes, and notes whether it is marked.
struct Marks(Vec<bool>);

impl Decoder for Marks {
    type Item = ();
    type Error = io::Error;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> io::Result<Option<()>> {
        if bytes.len() < 5 {
            return Ok(None);
        }
        self.0.push(fds.truncation(5).is_some());
        bytes.advance(5);
        Ok(Some(()))
    }
}

#[test]
fn items_before_and_behind_a_cut_set_are_not_marked() {
    for before in [10, 12] {
        let mut pair = Pair::new(Placement::Alone);
        pair.policy.unclaimed = Unclaimed::Close;
        pair.inbound.bytes.extend_from_slice(&vec![0; before]);
        pair.inbound.received(before, std::iter::once(memfd()), None, None);
        receive_cut(&mut pair, &vec![0; 15 - before]);
        pair.inbound.bytes.extend_from_slice(&[0; 5]);
        let mut marks = Marks(Vec::new());
        while pair.inbound.decode(&mut marks, &pair.policy, false).unwrap().is_some() {}
        assert_eq!(marks.0, [false, false, true, false]);
    }
}

#[test]
fn as_much_waits_as_may_and_no_more() {
    let policy = ReadPolicy { max_waiting_fds: 10, max_item_bytes: 20, ..ReadPolicy::default() };
    let mut pair = Pair::new(Placement::Alone);
    let mut bring = |bytes: usize, fds: usize, cut| {
        pair.inbound.bytes.extend_from_slice(&vec![0; bytes]);
        pair.inbound.received(bytes, (0..fds).map(|_| memfd()), cut, None);
        // A set has at most 6.
        pair.inbound.admit(6, &policy)
    };
    assert_eq!(bring(1, 3, None), Ok(()));
    assert_eq!(bring(1, 0, CUT), Ok(()));
    assert_eq!(bring(17, 0, None), Ok(()));
    assert_eq!(bring(1, 0, None), Err(CodecError::TooLong { length: 20, limit: 20 }));
    assert_eq!(bring(0, 1, None), Err(CodecError::TooManyWaiting { waiting: 5, limit: 4 }));
    let mut pair = Pair::new(Placement::Alone);
    (0..5).for_each(|_| receive_cut(&mut pair, &[0]));
    let expected = CodecError::TooManyWaiting { waiting: 5, limit: 4 };
    assert_eq!(pair.inbound.admit(6, &policy), Err(expected));
}

#[test]
fn the_deadline_is_that_of_the_oldest_set_that_waits() {
    let (patience, now) = (Duration::from_secs(30), Instant::now());
    let mut pair = Pair::new(Placement::Alone);
    let later = |seconds| Some(now + Duration::from_secs(seconds));
    let (a, b) = (bytes_of("a", 1), bytes_of("b", 2));
    let bring = |pair: &mut Pair, bytes: &[u8], seconds| {
        pair.inbound.bytes.extend_from_slice(bytes);
        pair.inbound.received(bytes.len(), std::iter::once(memfd()), None, later(seconds));
        decode_all(pair).unwrap();
        pair.inbound.deadline(patience)
    };
    // A is whole and has its own; what its set came with beside it waits for none.
    assert_eq!(bring(&mut pair, &[&a[..], &b[..1]].concat(), 0), None);
    assert_eq!(bring(&mut pair, &b[1..2], 1), later(31));
    assert_eq!(bring(&mut pair, &b[2..3], 2), later(31));
    // A patience without end is no deadline.
    assert_eq!(pair.inbound.deadline(Duration::MAX), None);
}

#[test]
fn an_item_of_an_absurd_length_claims_what_there_is() {
    struct Absurd(usize);
    impl Decoder for Absurd {
        type Item = usize;
        type Error = io::Error;
        fn decode(
            &mut self,
            bytes: &mut BytesMut,
            fds: &mut ReceivedFds<'_>,
        ) -> io::Result<Option<usize>> {
            if bytes.is_empty() {
                return Ok(None);
            }
            bytes.advance(1);
            assert_eq!(fds.truncation(self.0), None);
            Ok(Some(fds.available(self.0) + fds.take(self.0, 0)?.len()))
        }
    }
    let policy = ReadPolicy::default();
    let mut inbound = Inbound::default();
    inbound.bytes.extend_from_slice(b"ab");
    inbound.received(2, std::iter::once(memfd()), None, None);
    assert_eq!(inbound.decode(&mut Absurd(1), &policy, false).unwrap(), Some(1));
    inbound.decode(&mut Absurd(usize::MAX), &policy, false).expect_err("it is unclaimed");
}

#[test]
fn foreign_parts_whose_sets_are_nowhere_are_refused_and_not_tried_for_ever() {
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
                    // What a driver is told for it: no byte to ride on.
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
fn sets_that_were_refused_together_are_told_apart_and_share_calls_again_later() {
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
    // The next that leaves alone shows that it goes on.
    pair.send(usize::MAX);
    assert_eq!(plan(&pair), (12, 4));
    let whole = pair.outbound.next(Placement::Together, MOST).unwrap();
    assert!(pair.outbound.refused(whole));
    assert_eq!(plan(&pair), (4, 2));
    pair.outbound.take_back().unwrap();
    assert_eq!(plan(&pair), (8, 2));
}

#[test]
fn an_item_whose_descriptors_left_early_is_not_taken_back() {
    let mut pair = Pair::new(Placement::Together);
    pair.push(text("a", 0));
    pair.push(text("b", 1));
    pair.send(4);
    assert!(pair.outbound.take_back().is_none());
}

#[test]
fn an_item_with_a_large_payload_is_taken_back_with_all_of_it() {
    let mut pair = Pair::new(Placement::Alone);
    let payload = Bytes::from(vec![7; 60_000]);
    pair.push(Text { payload: payload.clone(), fds: vec![memfd()] });
    pair.push(text("behind", 1));
    let refused = pair.outbound.take_back().unwrap();
    assert_eq!((refused.bytes.len(), refused.fds.len()), (HEADER + 60_000, 1));
    assert!(refused.bytes[HEADER..] == payload);
    pair.send(usize::MAX);
    receive_all(&mut pair, &[]).unwrap();
    assert_eq!(
        (pair.received[0].payload.as_ref(), pair.received[0].fds.len()),
        (&b"behind"[..], 1)
    );
}

#[test]
fn what_has_left_is_not_kept_while_there_is_always_more() {
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
fn an_item_of_as_many_descriptors_as_fit_does_not_wait_for_a_call_of_its_own() {
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
fn an_item_with_more_descriptors_than_now_fit_is_still_planned() {
    for placement in PLACEMENTS {
        let mut pair = Pair::new(placement);
        pair.push(text("a", 2));
        // The limit was lowered since; whoever sends it is told so.
        let call = pair.outbound.next(placement, 1).unwrap();
        assert_eq!((call.bytes, call.fds), (4, 2));
    }
}

#[test]
fn a_cut_set_goes_through_parts_and_still_bars_what_came_after_it() {
    let mut pair = Pair::new(Placement::Alone);
    let item = bytes_of("abc", 1);
    pair.inbound.bytes.extend_from_slice(&item[..4]);
    pair.inbound.received(4, std::iter::empty(), Some(Truncation::ProcessTableFull), None);
    let (bytes, sets) = std::mem::take(&mut pair.inbound).into_parts();
    pair.inbound = Inbound::from_parts(bytes, sets, None);
    pair.kernel.send(&item[4..], vec![memfd()]);
    let truncated = Some(Truncation::ProcessTableFull);
    let missing = CodecError::Missing { declared: 1, arrived: 1, truncated };
    assert_eq!(error(receive_all(&mut pair, &[])), missing);
}
