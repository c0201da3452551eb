//! The charge for received descriptors that nobody has taken.
//!
//! A set is in the descriptor table before anybody can count it, so there has to be room for a whole
//! one before each receive. What did not come is given back at once.
//!
//! A frame whose descriptors have arrived may need more of them than one set, and could wait for room
//! while another frame of the same account waits for the room that it holds. Where that is possible,
//! room for all that may wait is taken before the first descriptor arrives, and kept until none
//! waits: the *reserve*.

use std::task::{Context, Poll};

use crate::budget::{Account, Charge, ChargeRequest, Resource};

/// What is charged for one receiving side, and a receive that waits to charge more.
#[derive(Debug)]
pub(crate) struct HeldFds {
    charge: Charge,
    request: ChargeRequest,
    /// How much the request was for.
    requested: usize,
    /// The largest reserve: so much that several connections of an account can have it.
    largest_reserve: usize,
}

/// What a receiving side holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holding {
    /// Descriptors in its queue.
    pub(crate) queued: usize,
    /// Descriptors that were taken off the queue and wait for their frames.
    pub(crate) waiting: usize,
    /// How many may wait, if room for all of them is needed before the first.
    pub(crate) reserve: usize,
}

impl HeldFds {
    pub(crate) fn new(account: &Account) -> HeldFds {
        HeldFds {
            charge: account.empty_charge(Resource::HeldFds),
            request: ChargeRequest::new(),
            requested: 0,
            largest_reserve: account.most(Resource::HeldFds) / 2,
        }
    }

    /// Charges room for a receive that may bring `most` descriptors, or waits until the account has
    /// it.
    pub(crate) fn poll_room(
        &mut self,
        cx: &mut Context<'_>,
        holding: Holding,
        most: usize,
    ) -> Poll<()> {
        if !self.request.is_waiting() && self.try_room(holding, most) {
            return Poll::Ready(());
        }
        self.release_unused(holding);
        // If something waits already, and its reserve is short, room for one set has to do.
        let needed = match holding.waiting {
            0 => self.needed(holding, most),
            _ => holding.all() + most,
        };
        let missing = needed.saturating_sub(self.charge.amount());
        if missing == 0 || missing > self.requested {
            self.request.cancel();
        }
        self.requested = missing;
        match missing {
            0 => Poll::Ready(()),
            _ => self.charge.poll_grow_up_to(cx, missing, &mut self.request),
        }
    }

    /// Charges room for a receive that may bring `most` descriptors, if the account has it now.
    pub(crate) fn try_room(&mut self, holding: Holding, most: usize) -> bool {
        // What was taken since the last receive is the owner's now.
        self.release_unused(holding);
        let missing = self.needed(holding, most).saturating_sub(self.charge.amount());
        missing == 0 || self.charge.try_grow(missing)
    }

    fn needed(&self, holding: Holding, most: usize) -> usize {
        (holding.all() + most).max(holding.queued + holding.reserve.min(self.largest_reserve))
    }

    /// Returns how many descriptors more there is room for.
    pub(crate) fn available(&self, holding: Holding) -> usize {
        self.charge.amount().saturating_sub(holding.all())
    }

    /// Returns what is charged beyond what is held, and beyond the reserve if something waits.
    pub(crate) fn release_unused(&mut self, holding: Holding) {
        let reserve = holding.reserve.min(self.largest_reserve);
        let kept = if holding.waiting > 0 { holding.waiting.max(reserve) } else { 0 };
        self.charge.shrink_to(holding.queued + kept);
    }

    /// Takes the charge of `count` descriptors, for an owner that keeps them.
    pub(crate) fn split_off(&mut self, count: usize) -> Charge {
        self.charge.split_off(count)
    }
}

impl Holding {
    fn all(self) -> usize {
        self.queued + self.waiting
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::*;
    use crate::budget::Budget;

    const NOTHING: Holding = Holding { queued: 0, waiting: 0, reserve: 0 };

    fn poll(held: &mut HeldFds, holding: Holding, most: usize) -> bool {
        held.poll_room(&mut Context::from_waker(Waker::noop()), holding, most).is_ready()
    }

    /// An account that may hold 20.
    fn account() -> Account {
        Budget::builder().held_fds(40).build().account(1)
    }

    #[test]
    fn a_receive_that_needs_more_room_than_it_waited_for_does_not_go_on_with_less() {
        let account = account();
        let other = account.try_charge(Resource::HeldFds, 18).expect("room");
        let mut held = HeldFds::new(&account);
        assert!(!poll(&mut held, NOTHING, 5));
        drop(other);
        assert!(poll(&mut held, NOTHING, 8));
        assert_eq!(held.available(NOTHING), 8);
        held.release_unused(NOTHING);
        assert_eq!(account.usage().held_fds, 0);
    }

    #[test]
    fn what_has_room_already_is_no_question_of_room() {
        let budget = Budget::builder().held_fds(40).build();
        let account = budget.account(1);
        let holding = Holding { waiting: 3, reserve: 8, ..NOTHING };
        let mut held = HeldFds::new(&account);
        assert!(poll(&mut held, Holding { waiting: 0, ..holding }, 4));
        let _other = account.try_charge(Resource::HeldFds, 12).expect("room");
        // Others have come, so that the account holds more than its share.
        let _others: Vec<_> = (2..5)
            .map(|uid| budget.account(uid).try_charge(Resource::HeldFds, 1).expect("room"))
            .collect();
        assert!(!account.empty_charge(Resource::HeldFds).try_grow(1), "it is over");
        assert!(poll(&mut held, holding, 4));
        // Of the reserve, room for one set is left after a frame has kept some.
        let kept = held.charge.split_off(1);
        assert!(poll(&mut held, holding, 4));
        assert!(!poll(&mut held, holding, 5));
        drop(kept);
    }

    #[test]
    fn a_large_reserve_leaves_room_for_what_the_account_holds_besides() {
        let account = account();
        let _other = account.try_charge(Resource::HeldFds, 1).expect("room");
        let holding = Holding { reserve: 500, ..NOTHING };
        let mut held = HeldFds::new(&account);
        assert!(poll(&mut held, holding, 4));
        assert_eq!(held.available(NOTHING), 10);
        assert!(!poll(&mut HeldFds::new(&account), holding, 4), "there is room for one of two");
    }
}
