//! Two ends and the kernel between them, all in memory: a seed, or every possibility in turn,
//! decides how much of each `sendmsg` the kernel takes and how much each `recvmsg` returns.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, OwnedFd};

use bytes::{Buf, BufMut, Bytes, BytesMut};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

use super::attribution::{Inbound, ReceivedFds};
use super::error::CodecError;
use super::plan::Outbound;
use super::policy::{Attribution, Placement, ReadPolicy, Unclaimed};
use super::traits::{Decoder, Encoder};

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
    assert_eq!((sets.len(), sets[0].range.clone()), (1, 8..12));
    pair.outbound = Outbound::from_parts(bytes, sets);

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
