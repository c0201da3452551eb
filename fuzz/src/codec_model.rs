//! The write plan and the attribution of the codec, with a model of what may happen to each
//! descriptor: it is given out once, to a frame that it may belong to, or it is closed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::ops::Range;
use std::os::fd::OwnedFd;

use anchovy::Truncation;
use anchovy::codec::fuzzing::{Receiving, Sending};
use anchovy::codec::{
    Attribution, Decoder, Encoder, Placement, ReadPolicy, ReceiveError, ReceivedFds, TakeFdsError,
    Unclaimed,
};
use bytes::{BufMut, Bytes, BytesMut};

use crate::input::Input;
use crate::kernel::Kernel;
use crate::token::{Token, identity};

/// Most descriptors of one call.
const MOST_FDS: usize = 5;

/// Length of the header of a frame: the length of its payload, and its number of descriptors.
const HEADER: usize = 2;

/// Runs a sender that keeps the rules, or one that does not.
pub fn target(data: &[u8]) {
    let mut input = Input::new(data);
    match input.byte() % 2 {
        0 => honest(input),
        _ => dishonest(input),
    }
}

/// A frame that is sent or received.
#[derive(Debug)]
struct Frame {
    payload: Vec<u8>,
    fds: Vec<OwnedFd>,
    /// Whether the payload has memory of its own, which is not copied.
    is_separate: bool,
}

/// A frame for comparison: its payload, and the identities of its descriptors.
type Known = (Vec<u8>, Vec<u64>);

fn known(frame: &Frame) -> Known {
    (frame.payload.clone(), frame.fds.iter().map(identity).collect())
}

/// The codec of frames. Their length has two bytes if the payload is separate.
#[derive(Debug, Default)]
struct Frames {
    /// Takes all descriptors, and not as many as a frame declares.
    takes_all: bool,
    /// Removes the first byte of a frame as soon as it arrives.
    takes_early: bool,
    taken: Option<u8>,
    /// Position in the stream of the next byte.
    position: u64,
    /// The last frame: its range, and the number of descriptors that it could claim.
    range: Range<u64>,
    available: usize,
}

/// Payload lengths from this byte on are long: the byte less this number, in KiB.
const LONG: u8 = 0xf8;

fn payload_length(first: u8) -> usize {
    if first < LONG { first.into() } else { usize::from(first - LONG + 1) << 10 }
}

/// The bit of the second byte that asks the decoder to discard the frame.
const DISCARD: u8 = 0x80;

impl Decoder for Frames {
    type Item = Frame;
    type Error = Infallible;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<Frame>, ReceiveError<Infallible>> {
        let early = usize::from(self.taken.is_some());
        let Some(first) = self.taken.or(bytes.first().copied()) else { return Ok(None) };
        if early == 0 && self.takes_early && bytes.len() == 1 {
            self.taken = Some(bytes.split_to(1)[0]);
            return Ok(None);
        }
        let Some(&second) = bytes.get(1 - early) else { return Ok(None) };
        let length = HEADER + payload_length(first) - early;
        if bytes.len() < length {
            return Ok(None);
        }
        let start = self.position;
        self.position += (early + length) as u64;
        self.range = start..self.position;
        self.taken = None;

        let is_discarded = second & DISCARD != 0;
        let count = usize::from(second & !DISCARD) % (2 * MOST_FDS);
        let available = fds.available(length);
        let taken = if is_discarded {
            let closed = fds.discard(length);
            assert!(closed <= available);
            Ok(Vec::new())
        } else if self.takes_all {
            fds.take_all(length).map(|fds| fds.into_vec())
        } else {
            fds.take(length, count).map(|fds| fds.into_vec())
        };
        self.available = available;
        if let Err(TakeFdsError::Missing { declared, available: left }) = &taken {
            assert!(*declared == count && *left == available && left < declared);
        }
        let taken = taken?;
        if !is_discarded && !self.takes_all {
            assert_eq!(taken.len(), count);
        }
        let frame = bytes.split_to(length);
        let payload = frame[HEADER - early..].to_vec();
        Ok(Some(Frame { payload, fds: taken, is_separate: false }))
    }
}

impl Encoder<Frame> for Frames {
    type Error = Infallible;

    fn encode(&mut self, frame: &Frame, bytes: &mut BytesMut) -> Result<(), Infallible> {
        let length = frame.payload.len();
        let first =
            if length < LONG.into() { length as u8 } else { LONG - 1 + (length >> 10) as u8 };
        assert_eq!(payload_length(first), length);
        bytes.put_u8(first);
        bytes.put_u8(frame.fds.len() as u8);
        if !frame.is_separate {
            bytes.put_slice(&frame.payload);
        }
        Ok(())
    }

    fn fds<'a>(&mut self, frame: &'a mut Frame) -> Option<&'a mut Vec<OwnedFd>> {
        Some(&mut frame.fds)
    }

    fn payload(&mut self, frame: &Frame) -> Bytes {
        let payload: &[u8] = if frame.is_separate { &frame.payload } else { &[] };
        Bytes::copy_from_slice(payload)
    }
}

/// Placements, and attributions that are exact for them.
const PAIRS: [(Placement, Attribution); 5] = [
    (Placement::Alone, Attribution::Range),
    (Placement::FirstByte, Attribution::Range),
    (Placement::Alone, Attribution::LastByte),
    (Placement::Together, Attribution::Fifo),
    (Placement::FirstByte, Attribution::Fifo),
];

/// A frame of which a byte is unsent.
#[derive(Debug)]
struct Unsent {
    is_begun: bool,
    /// Whether it has or had descriptors.
    has_fds: bool,
    /// Number of unsent bytes.
    left: usize,
    /// Identities of the unsent descriptors.
    fds: Vec<u64>,
}

/// Both sides, and the kernel between them: each frame arrives as it was sent.
struct Honest {
    sending: Sending,
    placement: Placement,
    kernel: Kernel,
    receiving: Receiving,
    frames: Frames,
    tokens: Vec<Token>,
    /// Frames that have not arrived, in order.
    expected: VecDeque<Known>,
    /// The last of these.
    unsent: VecDeque<Unsent>,
}

fn honest(mut input: Input<'_>) {
    let (placement, attribution) = PAIRS[input.below(PAIRS.len())];
    let policy = ReadPolicy { attribution, ..ReadPolicy::default() };
    let takes_all = attribution == Attribution::LastByte;
    let takes_early = input.byte() % 2 == 1;
    let mut model = Honest {
        sending: Sending::new(placement, MOST_FDS),
        placement,
        kernel: Kernel::default(),
        receiving: Receiving::new(policy),
        frames: Frames { takes_all, takes_early, ..Frames::default() },
        tokens: Vec::new(),
        expected: VecDeque::new(),
        unsent: VecDeque::new(),
    };
    while !input.is_empty() {
        match input.below(8) {
            0..=2 => model.push(&mut input),
            3 => drop(model.send(1 + input.below(256))),
            4 => drop(model.receive(1 + input.below(64))),
            5 => model.sending.rebuild(),
            6 => model.receiving.rebuild(),
            _ => model.refuse(),
        }
    }
    while model.send(usize::MAX) {}
    while model.receive(100) {}
    assert!(model.expected.is_empty() && model.unsent.is_empty(), "{:?}", model.expected);
    assert_eq!((model.receiving.waiting(), model.receiving.closed()), (0, 0));
    model.receiving.finish::<Infallible>().expect("nothing waits");
    let tokens = model.tokens;
    drop((model.sending, model.kernel, model.receiving));
    assert!(tokens.iter().all(Token::is_closed), "a descriptor leaked");
}

impl Honest {
    fn push(&mut self, input: &mut Input<'_>) {
        let (first, count) = (input.byte(), input.below(MOST_FDS + 1));
        let payload: Vec<u8> =
            (0..payload_length(first)).map(|at| first.wrapping_add(at as u8)).collect();
        let mut fds = Vec::new();
        for _ in 0..count {
            let (token, fd) = Token::new();
            self.tokens.push(token);
            fds.push(fd);
        }
        let frame = Frame { payload, fds, is_separate: first % 2 == 1 };
        let known = known(&frame);
        let left = HEADER + known.0.len();
        self.unsent.push_back(Unsent {
            is_begun: false,
            has_fds: count > 0,
            left,
            fds: known.1.clone(),
        });
        self.expected.push_back(known);
        self.sending.push(&mut self.frames, frame).expect("nothing is refused");
    }

    /// Makes one call, of which the kernel takes at most `most` bytes.
    fn send(&mut self, most: usize) -> bool {
        let Some((bytes, fds)) = self.sending.plan() else { return false };
        let copies = fds.iter().map(|fd| fd.try_clone().expect("a copy")).collect();
        let identities: Vec<u64> = fds.iter().map(identity).collect();
        check_plan(self.placement, &self.unsent, bytes.len(), &identities);
        let taken = bytes.len().min(most);
        self.kernel.send(&bytes[..taken], copies);
        self.sending.sent(taken);

        let mut count = identities.len();
        for frame in &mut self.unsent {
            let sent = count.min(frame.fds.len());
            frame.fds.drain(..sent);
            count -= sent;
        }
        let mut count = taken;
        while let Some(frame) = self.unsent.front_mut().filter(|_| count > 0) {
            let sent = count.min(frame.left);
            frame.left -= sent;
            frame.is_begun = true;
            count -= sent;
            if frame.left == 0 {
                assert!(frame.fds.is_empty(), "descriptors are sent too late");
                self.unsent.pop_front();
            }
        }
        true
    }

    /// Makes a call whose descriptors the kernel refuses.
    fn refuse(&mut self) {
        let Some((_, fds)) = self.sending.plan() else { return };
        if fds.is_empty() {
            return;
        }
        if let Some(refused) = self.sending.refused() {
            let frame = self.unsent.pop_front().expect("an unsent frame");
            assert!(!frame.is_begun, "a frame of which a byte was sent is not refused");
            let place = self.expected.len() - self.unsent.len() - 1;
            let (payload, fds) = self.expected.remove(place).expect("a frame");
            assert_eq!(refused.fds.iter().map(identity).collect::<Vec<_>>(), fds);
            assert_eq!(refused.bytes[HEADER..], payload);
        }
    }

    fn receive(&mut self, size: usize) -> bool {
        let (bytes, fds) = self.kernel.receive(size);
        self.receiving.receive(&bytes, fds, None);
        while let Some(frame) = self.receiving.decode(&mut self.frames).expect("an honest sender") {
            let expected = self.expected.pop_front().expect("a frame that was sent");
            assert_eq!(known(&frame), expected);
        }
        !bytes.is_empty()
    }
}

/// Checks a call of `bytes` bytes against the documentation of the placement.
fn check_plan(placement: Placement, unsent: &VecDeque<Unsent>, bytes: usize, fds: &[u64]) {
    assert!(bytes > 0 && fds.len() <= MOST_FDS);
    let mut in_order = unsent.iter().flat_map(|frame| &frame.fds);
    assert!(fds.iter().all(|fd| in_order.next() == Some(fd)), "descriptors are sent in order");

    let (mut start, mut before) = (0, 0);
    for (index, frame) in unsent.iter().enumerate() {
        let is_in_call = start < bytes;
        let had_fds = !frame.fds.is_empty();
        before += frame.fds.len();
        if is_in_call {
            assert!(before <= fds.len(), "descriptors are sent no later than their first byte");
        } else if had_fds {
            let split = before > fds.len() && before - frame.fds.len() < fds.len();
            assert!(!split, "the descriptors of a frame are sent together");
        }
        if is_in_call && had_fds && placement != Placement::Together {
            assert_eq!(index, 0, "a frame with descriptors begins a call");
        }
        if index == 0 && frame.has_fds && placement == Placement::Alone {
            assert!(bytes <= frame.left, "a frame with descriptors shares no call");
        }
        start += frame.left;
    }
    if placement != Placement::Together {
        let own = unsent.front().map_or(0, |frame| frame.fds.len());
        assert_eq!(fds.len(), own, "a call has the descriptors of its first frame");
    }
}

/// A descriptor that the receiver got.
struct Arrived {
    token: Token,
    /// The range of the stream that its read returned.
    range: Range<u64>,
    is_given: bool,
    is_closed: bool,
}

/// The receiver of a sender that does what it likes.
fn dishonest(mut input: Input<'_>) {
    let attribution =
        [Attribution::Range, Attribution::Fifo, Attribution::LastByte][input.below(3)];
    let options = input.byte();
    let unclaimed = if options & 1 == 0 { Unclaimed::Error } else { Unclaimed::Close };
    let policy = ReadPolicy { attribution, unclaimed, ..ReadPolicy::default() };
    let mut receiving = Receiving::new(policy);
    let takes_all = attribution == Attribution::LastByte;
    let mut frames = Frames { takes_all, takes_early: options & 2 != 0, ..Frames::default() };
    let mut arrived: Vec<Arrived> = Vec::new();
    let mut position = 0;
    let mut is_over = false;
    while !input.is_empty() && !is_over {
        let choice = input.byte();
        if choice == 0xff {
            receiving.rebuild();
            continue;
        }
        let (count, size) = (usize::from(choice >> 4) % 4, usize::from(choice & 0xf) + 1);
        let is_truncated = choice >> 4 == 0xe && attribution != Attribution::Fifo;
        let bytes = input.bytes(size);
        let range = position..position + bytes.len() as u64;
        position = range.end;
        let mut fds = Vec::new();
        if !bytes.is_empty() && !is_truncated {
            for _ in 0..count {
                let (token, fd) = Token::new();
                fds.push(fd);
                let range = range.clone();
                arrived.push(Arrived { token, range, is_given: false, is_closed: false });
            }
        }
        receiving.receive(bytes, fds, is_truncated.then_some(Truncation::Unknown));
        is_over = !decode_all(&mut receiving, &mut frames, &mut arrived);
    }
    if !is_over {
        let waiting = arrived.iter().filter(|fd| !fd.is_closed).count();
        assert_eq!(receiving.waiting(), waiting);
        let finished = receiving.finish::<Infallible>();
        assert_eq!(finished.is_err(), waiting > 0 && unclaimed == Unclaimed::Error);
        let given = arrived.iter().filter(|fd| fd.is_given).count();
        if finished.is_ok() {
            assert_eq!(receiving.closed() as usize, arrived.len() - given);
        }
        assert_eq!(receiving.waiting(), 0);
    }
    drop(receiving);
    assert!(arrived.iter().all(|fd| fd.token.is_closed()), "a descriptor leaked");
}

/// Decodes all frames that have arrived. Returns whether the stream of frames goes on.
fn decode_all(receiving: &mut Receiving, frames: &mut Frames, arrived: &mut [Arrived]) -> bool {
    let attribution = receiving.attribution();
    loop {
        let before = frames.position;
        let decoded = receiving.decode(frames);
        let range = frames.range.clone();
        if frames.position != before {
            let may_claim = |fd: &&Arrived| {
                !fd.is_closed
                    && match attribution {
                        Attribution::Range => fd.range.start < range.end,
                        Attribution::LastByte => fd.range.end <= range.end,
                        _ => true,
                    }
            };
            assert_eq!(frames.available, arrived.iter().filter(may_claim).count());
        }
        let frame = match decoded {
            Ok(Some(frame)) => frame,
            Ok(None) => return true,
            Err(error) => {
                check_error(&error);
                return false;
            }
        };
        for fd in &frame.fds {
            let identity = identity(fd);
            let index = arrived
                .iter()
                .position(|fd| fd.token.identity() == identity)
                .expect("a descriptor that arrived");
            assert!(
                arrived[index..].iter().all(|fd| !fd.is_given),
                "descriptors are given out once and in order"
            );
            let fd = &mut arrived[index];
            assert!(!fd.is_closed);
            fd.is_given = true;
            match attribution {
                Attribution::Range => assert!(
                    fd.range.start < range.end && fd.range.end > range.start,
                    "the read overlaps the frame"
                ),
                Attribution::LastByte => assert!(
                    fd.range.end > range.start && fd.range.end <= range.end,
                    "the last byte of the read is in the frame"
                ),
                _ => {}
            }
        }
        drop(frame);
        let last = arrived.iter().rposition(|fd| fd.is_given);
        for (index, fd) in arrived.iter_mut().enumerate() {
            fd.is_closed = fd.token.is_closed();
            let is_skipped = Some(index) < last;
            let is_over = attribution != Attribution::Fifo && fd.range.end <= range.end;
            if fd.is_given || is_skipped || is_over {
                assert!(fd.is_closed, "a descriptor waits after its frame");
            }
        }
    }
}

fn check_error(error: &ReceiveError<Infallible>) {
    assert!(
        matches!(
            error,
            ReceiveError::MissingFds { .. }
                | ReceiveError::UnclaimedFds { .. }
                | ReceiveError::AmbiguousFds { .. }
                | ReceiveError::Truncated { .. }
        ),
        "{error:?}"
    );
}
