//! What was sent in one direction, and what has to arrive.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::OnceLock;

use interop_tests::{Identity, identities};

use crate::Rng;

/// The byte that carries a descriptor, at the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// A descriptor arrives with the read that returns the byte that it was sent with.
    WithItsByte,
    /// A descriptor may also arrive with an earlier byte, as after a copy.
    NotLater,
}

/// The bytes and descriptors of one direction, of which some have arrived.
///
/// Each byte is a function of its position, so no byte is stored.
#[derive(Debug)]
pub struct Traffic {
    order: Order,
    sent: usize,
    sent_fds: usize,
    received: usize,
    /// Descriptors that were sent and have not arrived, with the positions of their bytes.
    in_flight: VecDeque<(usize, Identity)>,
}

impl Traffic {
    /// Creates a direction in which nothing was sent.
    pub fn new(order: Order) -> Traffic {
        Traffic { order, sent: 0, sent_fds: 0, received: 0, in_flight: VecDeque::new() }
    }

    /// Returns the next bytes to send.
    pub fn next(&self, count: usize) -> &'static [u8] {
        pattern(self.sent, count)
    }

    /// Records that bytes were sent, and descriptors with the first of them.
    pub fn sent(&mut self, bytes: usize, fds: &[Identity]) {
        self.sent_in_groups(bytes, fds, usize::MAX);
    }

    /// Records that bytes were sent, each of the first with `limit` of the descriptors.
    pub fn sent_in_groups(&mut self, bytes: usize, fds: &[Identity], limit: usize) {
        assert!(fds.is_empty() || bytes > 0, "descriptors were sent without a byte");
        for (group, fds) in fds.chunks(limit).enumerate() {
            assert!(group < bytes, "a group of descriptors was sent without a byte");
            self.in_flight.extend(fds.iter().map(|fd| (self.sent + group, *fd)));
        }
        self.sent += bytes;
        self.sent_fds += fds.len();
    }

    /// Returns the numbers of bytes and descriptors that were sent.
    pub fn total(&self) -> (u64, u64) {
        (self.sent as u64, self.sent_fds as u64)
    }

    /// Checks the result of one read.
    pub fn received(&mut self, bytes: &[u8], fds: impl IntoIterator<Item = OwnedFd>) {
        let (start, end) = (self.received, self.received + bytes.len());
        assert!(end <= self.sent, "{end} bytes arrived, and {} were sent", self.sent);
        let expected = pattern(start, bytes.len());
        if bytes != expected {
            let wrong = bytes.iter().zip(expected).position(|(byte, expected)| byte != expected);
            panic!("byte {} of {start}..{end} is wrong", start + wrong.unwrap_or_default());
        }
        for identity in identities(fds) {
            let (at, expected) = self.in_flight.pop_front().expect("a descriptor that was sent");
            assert_eq!(identity, expected, "descriptors arrive once, in order");
            let is_early = self.order == Order::WithItsByte && at >= end;
            let range = start..end;
            assert!(at >= start && !is_early, "byte {at} carried a descriptor of {range:?}");
        }
        let late = self.in_flight.front().filter(|(at, _)| *at < end);
        assert_eq!(late, None, "a descriptor is missing after {end} bytes");
        self.received = end;
    }

    /// Checks that everything has arrived.
    pub fn check_complete(&self) {
        assert_eq!((self.received, self.in_flight.len()), (self.sent, 0), "lost at the end");
    }
}

/// Returns `count` bytes from a position of the stream on.
pub fn pattern(position: usize, count: usize) -> &'static [u8] {
    static TWICE: OnceLock<Vec<u8>> = OnceLock::new();
    // The positions of equal bytes are irregular, so a lost or doubled part is noticed.
    let bytes = TWICE.get_or_init(|| {
        let mut rng = Rng::new(0);
        let once: Vec<u8> = (0..PERIOD).map(|_| rng.below(256) as u8).collect();
        once.repeat(2)
    });
    &bytes[position % PERIOD..][..count]
}

/// Number of bytes after which the pattern repeats. No call transfers as many.
const PERIOD: usize = 1 << 20;
