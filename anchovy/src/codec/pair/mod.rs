//! Two ends and the kernel between them, all in memory: a seed, or every possibility in turn,
//! decides how much of each `sendmsg` the kernel takes and how much each `recvmsg` returns.

mod exchanges;
mod parts;
mod receiving;
mod sending;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::IoSlice;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use tokio::time::Instant;

use super::decoder::Decoder;
use super::encoder::Encoder;
use super::fd_set::FdSet;
use super::inbound::Inbound;
use super::outbound::Outbound;
use super::policy::{Attribution, Placement, ReadPolicy, Unclaimed};
use super::receive_error::ReceiveError;
use super::received_fds::ReceivedFds;
use crate::error::truncation::Truncation;

/// Two bytes of length, a byte that says how many descriptors, and a payload.
struct Texts;

#[derive(Debug)]
struct Text {
    payload: Bytes,
    fds: Vec<OwnedFd>,
}

const HEADER: usize = 3;

/// The codecs find no errors of their own.
type Error = ReceiveError<Infallible>;

impl Decoder for Texts {
    type Item = Text;
    type Error = Infallible;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<Text>, Error> {
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
    type Error = Infallible;

    fn encode(&mut self, item: &Text, bytes: &mut BytesMut) -> Result<(), Infallible> {
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
    fn receive(&mut self, size: usize) -> Result<bool, Error> {
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

/// The bytes of an item that declares so many descriptors.
fn bytes_of(payload: &str, declared: u8) -> Vec<u8> {
    let mut bytes = vec![0, payload.len() as u8, declared];
    bytes.extend_from_slice(payload.as_bytes());
    bytes
}

/// The error with its figures.
fn error<T>(outcome: Result<T, Error>) -> String {
    format!("{:?}", outcome.err().expect("an error"))
}

/// Reads with sizes in turn, until there is nothing more, or an error.
fn receive_all(pair: &mut Pair, sizes: &[usize]) -> Result<bool, Error> {
    let mut sizes = sizes.iter().copied().chain(std::iter::repeat(100));
    while pair.receive(sizes.next().expect("endless"))? {}
    Ok(true)
}

/// Items that are whole, from what waits.
fn decode_all(pair: &mut Pair) -> Result<(), Error> {
    while let Some(text) = pair.inbound.decode(&mut Texts, &pair.policy, false)? {
        pair.received.push(text);
    }
    Ok(())
}

const CUT: Option<Truncation> = Some(Truncation::Unknown);

/// A read of these bytes whose set the kernel cut.
fn receive_cut(pair: &mut Pair, bytes: &[u8]) {
    pair.inbound.bytes.extend_from_slice(bytes);
    pair.inbound.received(bytes.len(), std::iter::empty(), CUT, None);
}

/// Looks at each item of five bytes, and notes whether it is marked.
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
