//! Attribution by range and in order, and the errors for wrong counts.

use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use tokio::time::Instant;

use super::kernel::Kernel;
use super::pair::{
    CUT, PLACEMENTS, Pair, decode_all, error, every_split, receive_all, receive_cut,
};
use super::texts::{Error, Text, bytes_of, known, memfd, text};
use crate::codec::decoder::Decoder;
use crate::codec::inbound::Inbound;
use crate::codec::policy::{Placement, ReadPolicy, Unclaimed};
use crate::codec::received_fds::ReceivedFds;

#[test]
fn undeclared_descriptors_go_to_no_later_frame() {
    let (a, b) = (bytes_of("a", 1), bytes_of("b", 2));
    for sizes in every_split(a.len() + b.len()) {
        let mut pair = Pair::new(Placement::Alone);
        pair.kernel.send(&a, vec![memfd(), memfd(), memfd()]);
        pair.kernel.send(&b, vec![]);
        let error = error(receive_all(&mut pair, &sizes));
        assert_eq!(error, "UnclaimedFds { count: 2 }", "{sizes:?}");
        assert!(pair.received.is_empty(), "nothing is handed over");
    }
}

#[test]
fn a_frame_claims_descriptors_of_the_next_only_within_one_read() {
    // A wrong count gets descriptors of the same read or an error, and never those of an earlier set.
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
        // The set arrives in time for A only if the read with the last byte of A has a byte of B.
        let mut end = 0;
        let read = sizes.iter().find(|size| {
            end += **size;
            end >= a.len()
        });
        if read.is_some() && end > a.len() {
            outcome.unwrap();
            assert_eq!(pair.counts()[1..], [2, 1], "{sizes:?}");
        } else {
            let missing = "MissingFds { declared: 2, available: 0 }";
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
    // A frame that begins its `sendmsg` has its descriptors in every split.
    for sizes in every_split(8) {
        let mut pair = Pair::new(Placement::Alone);
        pair.kernel.send(&[&with[..], &plain].concat(), vec![memfd()]);
        receive_all(&mut pair, &sizes).unwrap();
        assert_eq!(pair.counts(), [1, 0], "{sizes:?}");
    }
    // After a plain frame, they may arrive with a read that ends before their frame begins.
    let mut pair = Pair::new(Placement::Alone);
    pair.kernel.send(&[&plain[..], &with].concat(), vec![memfd()]);
    assert_eq!(error(receive_all(&mut pair, &[4])), "UnclaimedFds { count: 1 }");
    assert!(pair.received.is_empty());
    // The same for the second of two frames with descriptors.
    let mut pair = Pair::new(Placement::Alone);
    pair.kernel.send(&[&with[..], &with].concat(), vec![memfd(), memfd()]);
    assert_eq!(error(receive_all(&mut pair, &[4])), "UnclaimedFds { count: 1 }");
    assert!(pair.received.is_empty());
}

#[test]
fn a_set_that_is_sent_twice_is_unclaimed_once() {
    let item = bytes_of("abc", 1);
    let mut pair = Pair::new(Placement::Alone);
    pair.kernel.send(&item[..3], vec![memfd()]);
    pair.kernel.send(&item[3..], vec![memfd()]);
    assert_eq!(error(receive_all(&mut pair, &[])), "UnclaimedFds { count: 1 }");
}

#[test]
fn unclaimed_descriptors_can_be_closed_and_counted() {
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
fn with_fifo_the_oldest_descriptors_are_claimed() {
    let mut pair = Pair::new(Placement::Together);
    let fds = vec![memfd(), memfd()];
    pair.kernel.send(&bytes_of("a", 0), fds);
    pair.kernel.send(&bytes_of("b", 2), vec![]);
    receive_all(&mut pair, &[4]).unwrap();
    assert_eq!(pair.counts(), [0, 2]);
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

#[test]
fn unclaimed_descriptors_are_closed_and_later_ones_are_not() {
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
fn claimed_sets_and_reads_without_descriptors_keep_no_memory() {
    for placement in PLACEMENTS {
        let mut pair = Pair::new(placement);
        pair.kernel.send(&bytes_of("a", 1), vec![memfd()]);
        pair.kernel.send(&bytes_of("a long one", 0)[..12], vec![]);
        receive_all(&mut pair, &[1; 100]).unwrap();
        assert_eq!((pair.received.len(), pair.inbound.buffer.bytes.len()), (1, 12));
        assert!(format!("{:?}", pair.inbound).contains("sets: []"), "{:?}", pair.inbound);
    }
}

#[test]
fn after_a_truncated_set_plain_frames_pass_and_nothing_is_claimed() {
    let (plain, with) = (bytes_of("p", 0), bytes_of("f", 1));
    let mut pair = Pair::new(Placement::Alone);
    // The truncated set may belong to either frame, and the next set to the frame after it.
    receive_cut(&mut pair, &[&plain[..], &with[..2]].concat());
    decode_all(&mut pair).unwrap();
    assert_eq!(pair.received.len(), 1);
    pair.kernel.send(&[&with[2..], &with].concat(), vec![memfd()]);
    assert_eq!(error(pair.receive(100)), "Truncated { cause: Unknown }");
    // The truncated set does not affect frames after its bytes.
    let mut pair = Pair::new(Placement::Alone);
    receive_cut(&mut pair, &plain);
    decode_all(&mut pair).unwrap();
    pair.kernel.send(&with, vec![memfd()]);
    pair.receive(100).unwrap();
    assert_eq!(pair.received[1].fds.len(), 1);
}

#[test]
fn frames_before_and_after_a_truncated_set_are_not_marked() {
    for before in [10, 12] {
        let mut pair = Pair::new(Placement::Alone);
        pair.policy.unclaimed = Unclaimed::Close;
        pair.inbound.buffer.bytes.extend_from_slice(&vec![0; before]);
        pair.inbound.received(before, std::iter::once(memfd()), None, None);
        receive_cut(&mut pair, &vec![0; 15 - before]);
        pair.inbound.buffer.bytes.extend_from_slice(&[0; 5]);
        let mut marks = Marks(Vec::new());
        while pair.inbound.decode(&mut marks, &pair.policy, &mut None).unwrap().is_some() {}
        assert_eq!(marks.0, [false, false, true, false]);
    }
}

#[test]
fn descriptors_and_bytes_wait_up_to_their_limits() {
    let policy = ReadPolicy { max_waiting_fds: 10, max_frame_bytes: 20, ..ReadPolicy::default() };
    let mut pair = Pair::new(Placement::Alone);
    let mut bring = |bytes: usize, fds: usize, cut| {
        pair.inbound.buffer.bytes.extend_from_slice(&vec![0; bytes]);
        pair.inbound.received(bytes, (0..fds).map(|_| memfd()), cut, None);
        // A set has at most 6.
        pair.inbound.admit::<Infallible>(6, &policy)
    };
    bring(1, 3, None).unwrap();
    bring(1, 0, CUT).unwrap();
    bring(17, 0, None).unwrap();
    assert_eq!(error(bring(1, 0, None)), "FrameTooLong { length: 20, limit: 20 }");
    assert_eq!(error(bring(0, 1, None)), "TooManyWaitingFds { waiting: 5, limit: 4 }");
    let mut pair = Pair::new(Placement::Alone);
    (0..5).for_each(|_| receive_cut(&mut pair, &[0]));
    let outcome = pair.inbound.admit::<Infallible>(6, &policy);
    assert_eq!(error(outcome), "TooManyWaitingFds { waiting: 5, limit: 4 }");
}

#[test]
fn the_deadline_is_that_of_the_oldest_set_that_waits() {
    let (timeout, now) = (Duration::from_secs(30), Instant::now());
    let mut pair = Pair::new(Placement::Alone);
    let later = |seconds| Some(now + Duration::from_secs(seconds));
    let (a, b) = (bytes_of("a", 1), bytes_of("b", 2));
    let bring = |pair: &mut Pair, bytes: &[u8], seconds| {
        pair.inbound.buffer.bytes.extend_from_slice(bytes);
        pair.inbound.received(bytes.len(), std::iter::once(memfd()), None, later(seconds));
        decode_all(pair).unwrap();
        pair.inbound.deadline(timeout)
    };
    // A is complete and has claimed its descriptor, so nothing waits for the rest of B.
    assert_eq!(bring(&mut pair, &[&a[..], &b[..1]].concat(), 0), None);
    assert_eq!(bring(&mut pair, &b[1..2], 1), later(31));
    assert_eq!(bring(&mut pair, &b[2..3], 2), later(31));
    // An infinite timeout is no deadline.
    assert_eq!(pair.inbound.deadline(Duration::MAX), None);
}

#[test]
fn a_frame_of_absurd_length_claims_what_has_arrived() {
    struct Absurd(usize);
    impl Decoder for Absurd {
        type Item = usize;
        type Error = Infallible;
        fn decode(
            &mut self,
            bytes: &mut BytesMut,
            fds: &mut ReceivedFds<'_>,
        ) -> Result<Option<usize>, Error> {
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
    inbound.buffer.bytes.extend_from_slice(b"ab");
    inbound.received(2, std::iter::once(memfd()), None, None);
    assert_eq!(inbound.decode(&mut Absurd(1), &policy, &mut None).unwrap(), Some(1));
    inbound.decode(&mut Absurd(usize::MAX), &policy, &mut None).expect_err("it is unclaimed");
}

#[test]
fn descriptors_that_a_decoder_claims_and_drops_are_closed() {
    /// Frames of one byte, which is the number of descriptors to claim. The first one is kept.
    struct Wasteful;

    impl Decoder for Wasteful {
        type Item = Option<OwnedFd>;
        type Error = Infallible;

        fn decode(
            &mut self,
            bytes: &mut BytesMut,
            fds: &mut ReceivedFds<'_>,
        ) -> Result<Option<Self::Item>, Error> {
            let Some(count) = bytes.first() else { return Ok(None) };
            let kept = fds.take(1, usize::from(*count))?.next();
            bytes.advance(1);
            Ok(Some(kept))
        }
    }

    let inode = |fd: &OwnedFd| rustix::fs::fstat(fd).expect("an open descriptor").st_ino;
    let (policy, mut inbound) = (ReadPolicy::default(), Inbound::default());
    for fds in [vec![memfd(), memfd(), memfd()], vec![memfd()]] {
        let expected = inode(&fds[0]);
        inbound.buffer.bytes.put_u8(fds.len() as u8);
        inbound.received(1, fds.into_iter(), None, None);
        let kept = inbound.decode(&mut Wasteful, &policy, &mut None).unwrap().expect("a frame");
        assert_eq!(kept.as_ref().map(inode), Some(expected));
        assert_eq!(inbound.waiting(), 0);
    }
}

/// Looks at each frame of five bytes, and notes whether it is marked.
struct Marks(Vec<bool>);

impl Decoder for Marks {
    type Item = ();
    type Error = Infallible;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<()>, Error> {
        if bytes.len() < 5 {
            return Ok(None);
        }
        self.0.push(fds.truncation(5).is_some());
        bytes.advance(5);
        Ok(Some(()))
    }
}
