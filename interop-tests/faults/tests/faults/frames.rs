//! Frames with descriptors, over every kind of stream of frames.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;

use anchovy::codec::SendError;
use fault_tests::{Faults, Ledger, Rng, cancel};
use interop_tests::{Identity, identities, memfds};

/// An error, and the frame that returned with it: the frame that was sent, or an earlier one whose
/// descriptors the kernel refused.
pub(crate) struct Unsent<F> {
    frame: Option<F>,
    error: io::Error,
}

impl<F> Unsent<F> {
    pub(crate) fn new(frame: Option<F>, error: impl Into<io::Error>) -> Unsent<F> {
        Unsent { frame, error: error.into() }
    }
}

impl<F, K: Into<io::Error>> From<SendError<F, K>> for Unsent<F> {
    fn from(error: SendError<F, K>) -> Unsent<F> {
        Unsent::new(error.unsent, error.kind)
    }
}

/// A sending side of frames.
pub(crate) trait Outgoing {
    type Frame;

    fn frame(number: usize, length: usize, fds: Vec<OwnedFd>) -> Self::Frame;
    fn number(frame: &Self::Frame) -> usize;
    fn fds(frame: &Self::Frame) -> Vec<Identity>;
    async fn send(&mut self, frame: Self::Frame) -> Result<(), Unsent<Self::Frame>>;
    async fn feed(&mut self, frame: Self::Frame) -> Result<(), Unsent<Self::Frame>>;
    async fn flush(&mut self) -> Result<(), Unsent<Self::Frame>>;
    async fn close(&mut self) -> Result<(), Unsent<Self::Frame>>;

    /// Sends a frame that borrows its descriptors, if the side can.
    async fn lend(&mut self, number: usize, length: usize, fds: &[OwnedFd]) -> Option<LendResult> {
        let _ = (number, length, fds);
        None
    }
}

/// The result of sending a frame that borrows descriptors.
pub(crate) type LendResult = Result<(), Unsent<()>>;

/// A receiving side of frames.
pub(crate) trait Incoming: Sized {
    /// Receives a frame whose payload has been checked.
    async fn receive(&mut self) -> Option<io::Result<(usize, Vec<OwnedFd>)>>;

    /// Takes the side apart, and puts it together again.
    fn rebuilt(self) -> Self {
        self
    }
}

/// Most descriptors and bytes of a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Most {
    pub(crate) fds: usize,
    pub(crate) bytes: usize,
}

/// Sends frames in every way, and closes the side. Returns the error that ended it, if one did.
pub(crate) async fn send_frames<O: Outgoing>(
    mut rng: Rng,
    most: Most,
    mut side: O,
    ledger: &RefCell<Ledger>,
) -> Option<io::Error> {
    for _ in 0..rng.pick(&[1, 5, 15, 40]) {
        let large = rng.pick(&[3000, 9000, 60_000, 300_000]);
        let length = rng.pick(&[0, 0, 1, 5, 40, 300, large]).min(most.bytes);
        let count = rng.pick(&[0, 0, 0, 1, 1, 2, 3, 16, 28]).min(most.fds);
        let fds = memfds(count);
        let number = ledger.borrow_mut().offer(identities(&fds));
        let sent = if rng.percent(20) {
            lend_one(&mut rng, &mut side, ledger, (number, length), fds).await
        } else {
            let frame = O::frame(number, length, fds);
            send_one(&mut rng, &mut side, ledger, number, frame).await
        };
        if let Err(error) = sent {
            return Some(error);
        }
        if rng.percent(15)
            && let Some(error) = flush_all(&mut rng, &mut side, ledger).await
        {
            return Some(error);
        }
    }
    loop {
        match cancel(&mut rng, side.close()).await {
            Some(Ok(())) => break,
            Some(Err(unsent)) => {
                if let Err(error) = returned::<O>(ledger, unsent) {
                    return Some(error);
                }
            }
            None => {}
        }
    }
    ledger.borrow_mut().flushed();
    None
}

/// Records a frame that returned from a flush. Fails if the error is not a transient one.
fn returned<O: Outgoing>(
    ledger: &RefCell<Ledger>,
    Unsent { frame, error }: Unsent<O::Frame>,
) -> io::Result<()> {
    if let Some(frame) = frame {
        ledger.borrow_mut().refused(O::number(&frame), &O::fds(&frame));
    }
    if Faults::is_transient(&error) { Ok(()) } else { Err(error) }
}

async fn send_one<O: Outgoing>(
    rng: &mut Rng,
    side: &mut O,
    ledger: &RefCell<Ledger>,
    number: usize,
    mut frame: O::Frame,
) -> io::Result<()> {
    let is_flushed = rng.percent(50);
    loop {
        let outcome = if is_flushed {
            cancel(rng, side.send(frame)).await
        } else {
            cancel(rng, side.feed(frame)).await
        };
        match outcome {
            None => return Ok(()),
            Some(Ok(())) => {
                ledger.borrow_mut().accepted(number);
                if is_flushed {
                    ledger.borrow_mut().flushed();
                }
                return Ok(());
            }
            Some(Err(Unsent { frame: None, error })) => {
                assert!(is_flushed, "a frame that was not fed returns");
                ledger.borrow_mut().accepted(number);
                return if Faults::is_transient(&error) { Ok(()) } else { Err(error) };
            }
            // An earlier frame: this one is in the buffer, or was dropped.
            Some(Err(Unsent { frame: Some(earlier), error })) if O::number(&earlier) != number => {
                return returned::<O>(ledger, Unsent { frame: Some(earlier), error });
            }
            Some(Err(Unsent { frame: Some(unsent), error })) => {
                ledger.borrow_mut().refused(number, &O::fds(&unsent));
                if !Faults::is_transient(&error) {
                    return Err(error);
                }
                ledger.borrow_mut().offer_again(number);
                frame = unsent;
            }
        }
    }
}

async fn lend_one<O: Outgoing>(
    rng: &mut Rng,
    side: &mut O,
    ledger: &RefCell<Ledger>,
    (number, length): (usize, usize),
    fds: Vec<OwnedFd>,
) -> io::Result<()> {
    loop {
        match cancel(rng, side.lend(number, length, &fds)).await {
            None => return Ok(()),
            Some(None) => {
                let frame = O::frame(number, length, fds);
                return send_one(rng, side, ledger, number, frame).await;
            }
            Some(Some(Ok(()))) => {
                ledger.borrow_mut().accepted(number);
                ledger.borrow_mut().flushed();
                return Ok(());
            }
            Some(Some(Err(Unsent { frame: None, error }))) => {
                ledger.borrow_mut().accepted(number);
                return if Faults::is_transient(&error) { Ok(()) } else { Err(error) };
            }
            Some(Some(Err(Unsent { frame: Some(()), error }))) => {
                ledger.borrow_mut().refused(number, &identities(&fds));
                if !Faults::is_transient(&error) {
                    return Err(error);
                }
                ledger.borrow_mut().offer_again(number);
            }
        }
    }
}

async fn flush_all<O: Outgoing>(
    rng: &mut Rng,
    side: &mut O,
    ledger: &RefCell<Ledger>,
) -> Option<io::Error> {
    loop {
        match cancel(rng, side.flush()).await {
            Some(Ok(())) => break,
            Some(Err(unsent)) => {
                if let Err(error) = returned::<O>(ledger, unsent) {
                    return Some(error);
                }
            }
            None => {}
        }
    }
    ledger.borrow_mut().flushed();
    None
}

/// Receives until the stream of frames ends. Returns the error that ended it, if one did.
pub(crate) async fn receive_frames(
    mut rng: Rng,
    mut side: impl Incoming,
    ledger: &RefCell<Ledger>,
) -> Option<io::Error> {
    loop {
        match cancel(&mut rng, side.receive()).await {
            None => {}
            Some(None) => return None,
            Some(Some(Ok((number, fds)))) => {
                ledger.borrow_mut().arrived(number, &identities(fds));
            }
            Some(Some(Err(error))) => return Some(error),
        }
        if rng.percent(5) {
            side = side.rebuilt();
        }
    }
}

/// Sends frames in one direction.
pub(crate) async fn one_way<O: Outgoing>(
    rng: &mut Rng,
    most: Most,
    (sender, receiver): (O, impl Incoming),
    faults: &Faults,
) {
    let ledger = RefCell::new(Ledger::default());
    let (ours, theirs) = (rng.fork(), rng.fork());
    let (sent, received) = tokio::join!(
        send_frames(ours, most, sender, &ledger),
        receive_frames(theirs, receiver, &ledger),
    );
    for error in [sent, received].into_iter().flatten() {
        assert!(faults.are_final(), "{error:?} without a final fault");
        // A sender that failed may have sent a part of a frame.
        let is_cut = error.kind() == io::ErrorKind::UnexpectedEof;
        assert!(is_cut || Faults::is_final(&error), "{error:?}");
    }
    if !faults.are_final() {
        ledger.borrow().check_complete();
    }
}
