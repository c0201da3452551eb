//! A sender and a receiver with the kernel between them.

use std::io::IoSlice;

use super::kernel::Kernel;
use super::texts::{Error, HEADER, Known, Text, Texts, known, text};
use crate::codec::inbound::Inbound;
use crate::codec::outbound::Outbound;
use crate::codec::policy::{Attribution, Placement, ReadPolicy};
use crate::error::truncation::Truncation;

/// One direction: a sender, the kernel, and a receiver.
pub(super) struct Pair {
    pub(super) outbound: Outbound,
    pub(super) placement: Placement,
    pub(super) kernel: Kernel,
    pub(super) inbound: Inbound,
    pub(super) policy: ReadPolicy,
    pub(super) received: Vec<Text>,
}

pub(super) const MOST: usize = 28;

impl Pair {
    pub(super) fn new(placement: Placement) -> Pair {
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

    pub(super) fn push(&mut self, text: Text) {
        self.outbound.push(&mut Texts, text, |_| Ok(())).expect("nothing is refused");
    }

    pub(super) fn push_all(&mut self, items: &[(&'static str, usize)]) -> Vec<Known> {
        let texts: Vec<_> = items.iter().map(|(payload, fds)| text(payload, *fds)).collect();
        let known = texts.iter().map(known).collect();
        texts.into_iter().for_each(|text| self.push(text));
        known
    }

    /// Returns the received frames, for comparison.
    pub(super) fn known(&self) -> Vec<Known> {
        self.received.iter().map(known).collect()
    }

    /// Returns the number of descriptors of each received frame.
    pub(super) fn counts(&self) -> Vec<usize> {
        self.received.iter().map(|text| text.fds.len()).collect()
    }

    /// Makes the next call, of which the kernel takes at most `most` bytes.
    pub(super) fn send(&mut self, most: usize) -> bool {
        let Some(call) = self.outbound.next(self.placement, MOST) else { return false };
        let mut slices = [IoSlice::new(&[]); 8];
        let count = self.outbound.slices(call.bytes, &mut slices);
        let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
        assert!(bytes.len() <= call.bytes && !bytes.is_empty());
        assert!(call.fds <= MOST);
        self.outbound.make_contiguous();
        let fds = self.outbound.fds(call.fds).iter().map(|fd| fd.try_clone().unwrap()).collect();
        let taken = bytes.len().min(most);
        self.kernel.send(&bytes[..taken], fds);
        self.outbound.sent(call, taken);
        true
    }

    /// Reads at most `size` bytes once, and decodes all complete frames.
    pub(super) fn receive(&mut self, size: usize) -> Result<bool, Error> {
        let (bytes, fds) = self.kernel.receive(size);
        self.inbound.buffer.bytes.extend_from_slice(&bytes);
        self.inbound.received(bytes.len(), fds.into_iter(), None, None);
        while let Some(text) = self.inbound.decode(&mut Texts, &self.policy, &mut None)? {
            self.received.push(text);
        }
        Ok(!bytes.is_empty())
    }
}

/// Returns all ways to cut `bytes` bytes into reads, as the sizes of the reads.
pub(super) fn every_split(bytes: usize) -> impl Iterator<Item = Vec<usize>> {
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

pub(super) const PLACEMENTS: [Placement; 3] =
    [Placement::Alone, Placement::FirstByte, Placement::Together];

/// Sends these frames by every placement, and reads them in every split.
pub(super) fn arrive_in_every_split(items: &[(&'static str, usize)]) {
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

/// Returns the debug text of the error.
pub(super) fn error<T>(outcome: Result<T, Error>) -> String {
    format!("{:?}", outcome.err().expect("an error"))
}

/// Reads with these sizes, and then with 100 bytes, until there is nothing more or an error.
pub(super) fn receive_all(pair: &mut Pair, sizes: &[usize]) -> Result<bool, Error> {
    let mut sizes = sizes.iter().copied().chain(std::iter::repeat(100));
    while pair.receive(sizes.next().expect("endless"))? {}
    Ok(true)
}

/// Decodes all complete frames in the buffer.
pub(super) fn decode_all(pair: &mut Pair) -> Result<(), Error> {
    while let Some(text) = pair.inbound.decode(&mut Texts, &pair.policy, &mut None)? {
        pair.received.push(text);
    }
    Ok(())
}

pub(super) const CUT: Option<Truncation> = Some(Truncation::Unknown);

/// Receives these bytes with a set that the kernel truncated.
pub(super) fn receive_cut(pair: &mut Pair, bytes: &[u8]) {
    pair.inbound.buffer.bytes.extend_from_slice(bytes);
    pair.inbound.received(bytes.len(), std::iter::empty(), CUT, None);
}
