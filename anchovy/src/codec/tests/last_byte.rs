//! Messages that declare no number of descriptors: a set belongs to the message that contains the last
//! byte of the read that brought it.

use std::convert::Infallible;
use std::ops::Range;
use std::os::fd::OwnedFd;

use bytes::BytesMut;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};

use super::kernel::Kernel;
use super::pair::{CUT, error, every_split};
use super::texts::{Error, memfd};
use crate::codec::decoder::Decoder;
use crate::codec::inbound::Inbound;
use crate::codec::policy::{Attribution, ReadPolicy, Unclaimed};
use crate::codec::read_progress::ReadProgress;
use crate::codec::received_fds::ReceivedFds;

/// Messages that end with a full stop. Those that begin with `!` are discarded, and those that begin
/// with `-` do not take their descriptors.
#[derive(Default)]
struct Messages {
    /// Removes the first byte of a message as soon as it has arrived.
    takes_early: bool,
    first: Option<u8>,
}

/// A message, and the inodes of its descriptors.
type Known = (String, Vec<u64>);

impl Decoder for Messages {
    type Item = Known;
    type Error = Infallible;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<Known>, Error> {
        let Some(end) = bytes.iter().position(|byte| *byte == b'.') else {
            if self.takes_early && self.first.is_none() && !bytes.is_empty() {
                self.first = Some(bytes.split_to(1)[0]);
            }
            return Ok(None);
        };
        let length = end + 1;
        let mut text: Vec<u8> = self.first.take().into_iter().collect();
        text.extend_from_slice(&bytes[..length]);
        let available = fds.available(length);
        let taken: Vec<OwnedFd> = match text[0] {
            b'!' => {
                assert_eq!(fds.discard(length), available);
                Vec::new()
            }
            b'-' => Vec::new(),
            _ => fds.take_all(length)?.into_vec(),
        };
        drop(bytes.split_to(length));
        let text = String::from_utf8(text).expect("ASCII");
        Ok(Some((text, taken.iter().map(inode).collect())))
    }
}

fn inode(fd: &OwnedFd) -> u64 {
    rustix::fs::fstat(fd).expect("an open descriptor").st_ino
}

/// The receiver of one direction.
struct Receiving {
    kernel: Kernel,
    inbound: Inbound,
    policy: ReadPolicy,
    decoder: Messages,
    received: Vec<Known>,
}

impl Receiving {
    fn new() -> Receiving {
        Receiving {
            kernel: Kernel::default(),
            inbound: Inbound::default(),
            policy: ReadPolicy { attribution: Attribution::LastByte, ..ReadPolicy::default() },
            decoder: Messages::default(),
            received: Vec::new(),
        }
    }

    /// Sends bytes with so many descriptors in one call. Returns the inodes of the descriptors.
    fn send(&mut self, bytes: &str, fds: usize) -> Vec<u64> {
        let fds: Vec<_> = (0..fds).map(|_| memfd()).collect();
        let inodes = fds.iter().map(inode).collect();
        self.kernel.send(bytes.as_bytes(), fds);
        inodes
    }

    /// Reads once, and decodes all that has arrived.
    fn receive(&mut self, size: usize) -> Result<bool, Error> {
        let (bytes, fds) = self.kernel.receive(size);
        self.arrive(&bytes, fds)?;
        Ok(!bytes.is_empty())
    }

    fn arrive(&mut self, bytes: &[u8], fds: Vec<OwnedFd>) -> Result<(), Error> {
        self.inbound.buffer.bytes.extend_from_slice(bytes);
        self.inbound.received(bytes.len(), fds.into_iter(), None, None);
        self.decode()
    }

    fn decode(&mut self) -> Result<(), Error> {
        while let Some(message) = self.inbound.decode(&mut self.decoder, &self.policy, &mut None)? {
            self.received.push(message);
        }
        Ok(())
    }

    fn receive_all(&mut self, sizes: &[usize]) -> Result<(), Error> {
        let mut sizes = sizes.iter().copied().chain(std::iter::repeat(100));
        while self.receive(sizes.next().expect("endless"))? {}
        Ok(())
    }
}

/// Messages with numbers of descriptors, each sent by itself.
const MESSAGES: [(&str, usize); 5] = [("ab.", 2), (".", 0), ("c.", 1), ("def.", 1), ("g.", 0)];
const LENGTH: usize = 12;

#[test]
fn messages_sent_alone_keep_their_descriptors_in_every_split() {
    for takes_early in [false, true] {
        for sizes in every_split(LENGTH) {
            let mut receiving = Receiving::new();
            receiving.decoder.takes_early = takes_early;
            let sent = MESSAGES.map(|(text, fds)| (text.to_owned(), receiving.send(text, fds)));
            receiving.receive_all(&sizes).unwrap();
            assert_eq!(receiving.received, sent, "{sizes:?}");
            assert_eq!((receiving.inbound.waiting(), receiving.inbound.closed()), (0, 0));
        }
    }
}

#[test]
fn messages_that_leave_in_parts_keep_their_descriptors_in_every_split() {
    // The kernel takes the message with descriptors in every possible way; reads have each size.
    for parts in every_split(6) {
        for size in 1..14 {
            let mut receiving = Receiving::new();
            let plain = receiving.send("p.", 0);
            let mut left = "abcde.";
            let mut expected = Vec::new();
            for part in &parts {
                let (now, later) = left.split_at(*part);
                // Descriptors are sent with the first part.
                let fds = if left.len() == 6 { 2 } else { 0 };
                expected.extend(receiving.send(now, fds));
                left = later;
            }
            receiving.send("q.", 0);
            receiving.receive_all(&[size; 20]).unwrap();
            let sent = [("p.", plain), ("abcde.", expected), ("q.", vec![])];
            let sent = sent.map(|(text, fds)| (text.to_owned(), fds));
            assert_eq!(receiving.received, sent, "{parts:?} {size}");
        }
    }
}

#[test]
fn a_send_that_goes_on_with_the_next_message_gives_its_fds_to_that_one() {
    // What is documented for senders that do this: the read decides, not the sender.
    for sizes in every_split(8) {
        let mut receiving = Receiving::new();
        let fds = receiving.send("abc.de", 1);
        receiving.send("f.", 0);
        receiving.receive_all(&sizes).unwrap();
        let is_cut_in_the_first = sizes[0] <= 4;
        let expected = if is_cut_in_the_first { [fds, vec![]] } else { [vec![], fds] };
        let received: Vec<_> = receiving.received.into_iter().map(|(_, fds)| fds).collect();
        assert_eq!(received, expected, "{sizes:?}");
    }
}

#[test]
fn sets_of_several_messages_in_one_send_all_go_to_the_last() {
    let mut receiving = Receiving::new();
    let fds = receiving.send("a.b.c.", 3);
    receiving.receive_all(&[]).unwrap();
    let counts: Vec<_> = receiving.received.iter().map(|(_, fds)| fds.len()).collect();
    assert_eq!(counts, [0, 0, 3]);
    assert_eq!(receiving.received[2].1, fds);
}

#[test]
fn descriptors_that_a_message_does_not_take_go_to_no_later_message() {
    for unclaimed in [Unclaimed::Error, Unclaimed::Close] {
        for sizes in every_split(9) {
            let mut receiving = Receiving::new();
            receiving.policy.unclaimed = unclaimed;
            receiving.send("-no.", 2);
            let own = receiving.send("b.", 1);
            receiving.send("cd.", 0);
            let outcome = receiving.receive_all(&sizes);
            if unclaimed == Unclaimed::Error {
                assert_eq!(error(outcome), "UnclaimedFds { count: 2 }", "{sizes:?}");
                assert!(receiving.received.is_empty());
            } else {
                outcome.unwrap();
                let received: Vec<_> = receiving.received.into_iter().map(|(_, fds)| fds).collect();
                assert_eq!(received, [vec![], own, vec![]], "{sizes:?}");
                assert_eq!((receiving.inbound.closed(), receiving.inbound.waiting()), (2, 0));
            }
        }
    }
}

#[test]
fn a_discarded_message_loses_its_own_descriptors_only() {
    for takes_early in [false, true] {
        for sizes in every_split(11) {
            let mut receiving = Receiving::new();
            receiving.decoder.takes_early = takes_early;
            let before = receiving.send("a.", 1);
            receiving.send("!bad.", 2);
            let after = receiving.send("b.", 3);
            receiving.send("c.", 0);
            receiving.receive_all(&sizes).unwrap();
            let received: Vec<_> = receiving.received.into_iter().map(|(_, fds)| fds).collect();
            assert_eq!(received, [before, vec![], after, vec![]], "{sizes:?}");
            assert_eq!((receiving.inbound.closed(), receiving.inbound.waiting()), (2, 0));
        }
    }
}

#[test]
fn after_a_discarded_message_undeclared_descriptors_still_end_the_stream() {
    for sizes in every_split(9) {
        let mut receiving = Receiving::new();
        receiving.send("!bad.", 0);
        receiving.send("-no.", 1);
        let outcome = receiving.receive_all(&sizes);
        assert_eq!(error(outcome), "UnclaimedFds { count: 1 }", "{sizes:?}");
    }
}

#[test]
fn descriptors_wait_for_the_end_of_their_message() {
    let mut receiving = Receiving::new();
    let fds = receiving.send("ab", 2);
    receiving.receive(10).unwrap();
    assert_eq!((receiving.received.len(), receiving.inbound.waiting()), (0, 2));
    receiving.send(".c.", 0);
    receiving.receive(10).unwrap();
    assert_eq!(receiving.received, [("ab.".to_owned(), fds), ("c.".to_owned(), vec![])]);
}

#[test]
fn a_truncated_set_is_an_error_for_the_message_with_the_last_byte_only() {
    for (messages, is_truncated) in [("a.b.", true), ("a.-.", false)] {
        let mut receiving = Receiving::new();
        receiving.policy.survive_truncation = true;
        receiving.inbound.buffer.bytes.extend_from_slice(messages.as_bytes());
        receiving.inbound.received(4, std::iter::empty(), CUT, None);
        let outcome = receiving.decode();
        if is_truncated {
            assert_eq!(error(outcome), "Truncated { cause: Unknown }");
            assert_eq!(receiving.received, [("a.".to_owned(), vec![])]);
        } else {
            outcome.unwrap();
            assert_eq!(receiving.received.len(), 2);
        }
    }
}

#[test]
fn sets_that_wait_survive_parts_with_their_last_bytes() {
    for sizes in every_split(LENGTH) {
        let mut receiving = Receiving::new();
        let sent = MESSAGES.map(|(text, fds)| (text.to_owned(), receiving.send(text, fds)));
        for size in &sizes {
            receiving.receive(*size).unwrap();
            let taken = receiving.inbound.taken();
            let inbound = std::mem::take(&mut receiving.inbound);
            let (bytes, sets) = inbound.into_parts();
            let progress = ReadProgress { taken, ..ReadProgress::default() };
            receiving.inbound = Inbound::from_parts(bytes, sets, None, &progress);
        }
        receiving.receive_all(&[]).unwrap();
        assert_eq!(receiving.received, sent, "{sizes:?}");
    }
}

#[test]
fn by_first_byte_messages_keep_their_descriptors_where_sets_begin_reads() {
    // A kernel of BSD: a read ends before a set, and continues after one.
    for sizes in every_split(LENGTH) {
        let mut receiving = Receiving::new();
        let mut sent = Vec::new();
        let mut sizes = sizes.iter().copied().chain(std::iter::repeat(100));
        let mut segments = Vec::new();
        for (text, count) in MESSAGES {
            let fds: Vec<_> = (0..count).map(|_| memfd()).collect();
            sent.push((text.to_owned(), fds.iter().map(inode).collect()));
            segments.extend(text.bytes().map(|byte| (byte, Vec::new())));
            let first = segments.len() - text.len();
            segments[first].1 = fds;
        }
        let mut segments = segments.into_iter().peekable();
        while segments.peek().is_some() {
            let (mut bytes, mut fds) = (Vec::new(), Vec::new());
            for _ in 0..sizes.next().expect("endless") {
                let goes_on = |next: &(u8, Vec<OwnedFd>)| bytes.is_empty() || next.1.is_empty();
                let Some((byte, set)) = segments.next_if(goes_on) else { break };
                bytes.push(byte);
                fds.extend(set);
            }
            let count = bytes.len();
            receiving.inbound.buffer.bytes.extend_from_slice(&bytes);
            receiving.inbound.received(count, fds.into_iter(), None, None);
            receiving.inbound.attribute_by_first_byte(count);
            receiving.decode().unwrap();
        }
        assert_eq!(receiving.received, sent);
    }
}

/// Adds a read of this many bytes and descriptors.
fn read(inbound: &mut Inbound, bytes: usize, fds: usize) {
    inbound.buffer.bytes.extend_from_slice(&vec![b'a'; bytes]);
    inbound.received(bytes, (0..fds).map(|_| memfd()), None, None);
}

/// Returns the range of the only set that waits.
fn range(inbound: Inbound) -> Range<usize> {
    let (_, sets) = inbound.into_parts();
    assert_eq!(sets.len(), 1);
    sets[0].range.clone()
}

#[test]
fn by_first_byte_the_range_of_a_set_is_the_first_byte_of_its_read() {
    let mut inbound = Inbound::default();
    read(&mut inbound, 2, 0);
    read(&mut inbound, 3, 1);
    inbound.attribute_by_first_byte(3);
    assert_eq!(range(inbound), 2..3);
}

#[test]
fn by_first_byte_a_read_without_a_set_leaves_the_set_before_it_as_it_is() {
    let mut inbound = Inbound::default();
    read(&mut inbound, 4, 1);
    read(&mut inbound, 1, 0);
    inbound.attribute_by_first_byte(1);
    assert_eq!(range(inbound), 0..4);
}

#[test]
fn by_first_byte_a_read_of_no_bytes_leaves_the_set_before_it_as_it_is() {
    let mut inbound = Inbound::default();
    read(&mut inbound, 4, 1);
    inbound.attribute_by_first_byte(0);
    assert_eq!(range(inbound), 0..4);
}

#[test]
fn every_set_goes_to_the_message_with_the_last_byte_of_its_read() {
    const SEED: u64 = 0x1a57_b17e;
    println!("seed {SEED:#x}");
    let config = ProptestConfig {
        cases: 500,
        rng_seed: RngSeed::Fixed(SEED),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    // Reads of arbitrary bytes, a third of which end a message.
    let byte = prop_oneof![Just(b'.'), Just(b'a'), Just(b'b')];
    let reads = prop::collection::vec((prop::collection::vec(byte, 1..8), 0..3usize), 1..20);
    TestRunner::new(config)
        .run(&reads, |reads| {
            let mut receiving = Receiving::new();
            let (mut expected, mut message): (Vec<Known>, Known) = Default::default();
            for (bytes, count) in reads {
                let fds: Vec<_> = (0..count).map(|_| memfd()).collect();
                let inodes: Vec<u64> = fds.iter().map(inode).collect();
                for (index, byte) in bytes.iter().enumerate() {
                    message.0.push(char::from(*byte));
                    if index == bytes.len() - 1 {
                        message.1.extend(&inodes);
                    }
                    if *byte == b'.' {
                        expected.push(std::mem::take(&mut message));
                    }
                }
                receiving.arrive(&bytes, fds).unwrap();
            }
            prop_assert_eq!(receiving.received, expected);
            prop_assert_eq!(receiving.inbound.waiting(), message.1.len());
            prop_assert_eq!(receiving.inbound.closed(), 0);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
}
