//! The frames that were sent in one direction, and those that have to arrive.

use interop_tests::Identity;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// It may be sent: its send has not returned, or was dropped.
    Offered,
    /// It returned to the sender, and must not arrive.
    Refused,
    /// It is in the buffer of the sender, so it arrives before every later frame.
    Accepted,
    /// It has to arrive.
    Sent,
    Arrived,
    /// A later frame has arrived, so this one must not.
    Skipped,
}

#[derive(Debug)]
struct Frame {
    fds: Vec<Identity>,
    state: State,
}

/// The frames of one direction. Each has a number, which counts up.
#[derive(Debug, Default)]
pub struct Ledger {
    frames: Vec<Frame>,
    /// The frame after the last one that has arrived.
    next: usize,
}

impl Ledger {
    /// Records a frame that is about to be sent, and returns its number.
    pub fn offer(&mut self, fds: Vec<Identity>) -> usize {
        self.frames.push(Frame { fds, state: State::Offered });
        self.frames.len() - 1
    }

    /// Records that the last frame is about to be sent again.
    pub fn offer_again(&mut self, number: usize) {
        self.change(number, &[State::Refused], State::Offered);
    }

    /// Records that a frame returned to the sender with these descriptors.
    pub fn refused(&mut self, number: usize, fds: &[Identity]) {
        assert_eq!(self.frames[number].fds, fds, "a frame returns with its descriptors");
        self.change(number, &[State::Offered, State::Accepted], State::Refused);
    }

    /// Records that a frame is in the buffer of the sender.
    pub fn accepted(&mut self, number: usize) {
        if self.frames[number].state != State::Arrived {
            self.change(number, &[State::Offered], State::Accepted);
        }
    }

    /// Records that the buffer of the sender was sent.
    pub fn flushed(&mut self) {
        for frame in &mut self.frames {
            if frame.state == State::Accepted {
                frame.state = State::Sent;
            }
        }
    }

    /// Checks a frame that has arrived.
    pub fn arrived(&mut self, number: usize, fds: &[Identity]) {
        assert!(number >= self.next, "frame {number} arrived twice, or after a later one");
        for skipped in self.next..number {
            self.change(skipped, &[State::Offered, State::Refused], State::Skipped);
        }
        let from = [State::Offered, State::Accepted, State::Sent];
        self.change(number, &from, State::Arrived);
        assert_eq!(self.frames[number].fds, fds, "frame {number} arrives with its descriptors");
        self.next = number + 1;
    }

    /// Checks that everything that was sent has arrived.
    pub fn check_complete(&self) {
        let lost = self.frames.iter().position(|frame| frame.state == State::Sent);
        assert_eq!(lost, None, "a frame that is lost");
    }

    fn change(&mut self, number: usize, from: &[State], to: State) {
        let state = &mut self.frames[number].state;
        assert!(from.contains(state), "frame {number} is {to:?} after it was {state:?}");
        *state = to;
    }
}
