//! The codec, with each of its policies.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;

use anchovy::DBUS_SCM_RIGHTS;
use anchovy::codec::{
    Attribution, Decoder, Encoder, Framed, FramedRead, FramedWrite, Placement, ReadPolicy,
    ReceiveError, ReceivedFds, WritePolicy,
};
use bytes::{BufMut, Bytes, BytesMut};
use fault_tests::{Faults, Kinds, Rng, pattern, run};
use interop_tests::{Identity, identities};

use crate::frames::{Incoming, LendResult, Most, Outgoing, Unsent, one_way};
use crate::streams::pair;

const SPACE: usize = DBUS_SCM_RIGHTS;

/// Number of bytes before the payload: the number, the length and the number of descriptors.
const HEADER: usize = 9;

/// A codec of numbered frames with a payload that the number determines.
#[derive(Clone, Copy, Debug)]
struct Numbered {
    /// Whether a frame does not declare its descriptors.
    undeclared: bool,
}

#[derive(Debug)]
struct Frame {
    number: usize,
    length: usize,
    fds: Vec<OwnedFd>,
}

/// A frame that borrows its descriptors.
struct Lent<'a> {
    number: usize,
    length: usize,
    fds: &'a [OwnedFd],
}

impl Numbered {
    fn put_header(number: usize, length: usize, fds: usize, bytes: &mut BytesMut) {
        bytes.put_u32(number as u32);
        bytes.put_u32(length as u32);
        bytes.put_u8(fds as u8);
    }
}

impl Encoder<Frame> for Numbered {
    type Error = io::Error;

    fn encode(&mut self, frame: &Frame, bytes: &mut BytesMut) -> io::Result<()> {
        Numbered::put_header(frame.number, frame.length, frame.fds.len(), bytes);
        // Odd frames have their payload apart.
        if frame.number.is_multiple_of(2) {
            bytes.put_slice(pattern(frame.number, frame.length));
        }
        Ok(())
    }

    fn fds<'a>(&mut self, frame: &'a mut Frame) -> Option<&'a mut Vec<OwnedFd>> {
        Some(&mut frame.fds)
    }

    fn payload(&mut self, frame: &Frame) -> Bytes {
        if frame.number.is_multiple_of(2) {
            return Bytes::new();
        }
        Bytes::from_static(pattern(frame.number, frame.length))
    }
}

impl Encoder<Lent<'_>> for Numbered {
    type Error = io::Error;

    fn encode(&mut self, frame: &Lent<'_>, bytes: &mut BytesMut) -> io::Result<()> {
        Numbered::put_header(frame.number, frame.length, frame.fds.len(), bytes);
        bytes.put_slice(pattern(frame.number, frame.length));
        Ok(())
    }

    fn borrowed_fds<'a>(
        &mut self,
        frame: &'a Lent<'_>,
    ) -> impl Iterator<Item = BorrowedFd<'a>> + Clone {
        frame.fds.iter().map(AsFd::as_fd)
    }
}

impl Decoder for Numbered {
    type Item = (usize, Vec<OwnedFd>);
    type Error = io::Error;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<Self::Item>, ReceiveError<io::Error>> {
        let Some((header, payload)) = bytes.split_at_checked(HEADER) else { return Ok(None) };
        let word = |at: usize| u32::from_be_bytes(header[at..at + 4].try_into().expect("a word"));
        let (number, length, count) = (word(0) as usize, word(4) as usize, usize::from(header[8]));
        let Some(payload) = payload.get(..length) else { return Ok(None) };
        assert!(payload == pattern(number, length), "the payload of frame {number} is wrong");
        let end = HEADER + length;
        let taken = if self.undeclared { fds.take_all(end)? } else { fds.take(end, count)? };
        let fds = taken.into_vec();
        drop(bytes.split_to(end));
        Ok(Some((number, fds)))
    }
}

macro_rules! outgoing {
    ($($side:ty),*) => { $(
        impl Outgoing for $side {
            type Frame = Frame;

            fn frame(number: usize, length: usize, fds: Vec<OwnedFd>) -> Frame {
                Frame { number, length, fds }
            }

            fn number(frame: &Frame) -> usize {
                frame.number
            }

            fn fds(frame: &Frame) -> Vec<Identity> {
                identities(&frame.fds)
            }

            async fn send(&mut self, frame: Frame) -> Result<(), Unsent<Frame>> {
                Ok(self.send(frame).await?)
            }

            async fn feed(&mut self, frame: Frame) -> Result<(), Unsent<Frame>> {
                Ok(self.feed(frame).await?)
            }

            async fn flush(&mut self) -> Result<(), Unsent<Frame>> {
                self.flush().await.map_err(|error| Unsent::new(None, error))
            }

            async fn close(&mut self) -> Result<(), Unsent<Frame>> {
                self.close().await.map_err(|error| Unsent::new(None, error))
            }

            async fn lend(
                &mut self,
                number: usize,
                length: usize,
                fds: &[OwnedFd],
            ) -> Option<LendResult> {
                let sent = self.send(Lent { number, length, fds }).await;
                Some(sent.map_err(|error| Unsent::new(error.unsent.map(drop), error.kind)))
            }
        }
    )* };
}

outgoing!(Framed<SPACE, Numbered>, FramedWrite<SPACE, Numbered>);

impl Incoming for Framed<SPACE, Numbered> {
    async fn receive(&mut self) -> Option<io::Result<(usize, Vec<OwnedFd>)>> {
        Some(self.next().await?.map_err(io::Error::from))
    }

    fn rebuilt(self) -> Self {
        Framed::from_parts(self.into_parts())
    }
}

impl Incoming for FramedRead<SPACE, Numbered> {
    async fn receive(&mut self) -> Option<io::Result<(usize, Vec<OwnedFd>)>> {
        Some(self.next().await?.map_err(io::Error::from))
    }
}

/// Faults after which a stream of frames goes on: an error of a receive ends it.
const KINDS: Kinds = Kinds { transient_receives: false, ..Kinds::ALL };

const MOST: Most = Most { fds: 28, bytes: 300_000 };

async fn follow(
    mut rng: Rng,
    faults: Rc<Faults>,
    attribution: Attribution,
    placements: &[Placement],
) {
    let codec = Numbered { undeclared: attribution == Attribution::LastByte };
    let (near, far) = pair(&mut rng);
    let mut framed = |mut stream: anchovy::UnixStream| {
        stream.set_write_fd_limit(253).expect("the limit of the kernel");
        let read = ReadPolicy { attribution, ..ReadPolicy::default() };
        let write = WritePolicy {
            placement: rng.pick(placements),
            max_buffered_bytes: rng.pick(&[1, 100, 64 << 10]),
            max_buffered_fds: rng.pick(&[1, 5, 256]),
        };
        Framed::with_policies(stream, codec, read, write)
    };
    let (near, far) = (framed(near), framed(far));
    if rng.percent(50) {
        one_way(&mut rng, MOST, (near, far), &faults).await;
        return;
    }
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    let (mut ours, mut theirs) = (rng.fork(), rng.fork());
    tokio::join!(
        one_way(&mut ours, MOST, (near_write, far_read), &faults),
        one_way(&mut theirs, MOST, (far_write, near_read), &faults),
    );
}

#[test]
fn frames_with_declared_descriptors_keep_them() {
    run(KINDS, |rng, faults| {
        follow(rng, faults, Attribution::Range, &[Placement::Alone, Placement::FirstByte])
    });
}

#[test]
fn frames_take_descriptors_in_order() {
    run(KINDS, |rng, faults| {
        let placements = &[Placement::Alone, Placement::FirstByte, Placement::Together];
        follow(rng, faults, Attribution::Fifo, placements)
    });
}

#[test]
fn frames_with_undeclared_descriptors_keep_them() {
    run(KINDS, |rng, faults| follow(rng, faults, Attribution::LastByte, &[Placement::Alone]));
}
