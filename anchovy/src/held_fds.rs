//! Charges for received descriptors that the program has not taken.
//!
//! A descriptor set is in the descriptor table before it can be counted. So each receive first
//! charges room for a full set, and releases the unused part afterwards.
//!
//! A frame may need the descriptors of several sets. Two frames of one account could each wait for
//! room that the other one holds. Where that is possible, room for all descriptors that may wait
//! is charged before the first one arrives, and kept until none waits. This charge is the
//! *reserve*.

use std::task::{Context, Poll, ready};

use crate::budget::{Account, Charge, ChargeRequest, Resource, Turn};

/// The charge of one receiving side, and a receive that waits for more room.
#[derive(Debug)]
pub(crate) struct HeldFds {
    charge: Charge,
    /// The charge to the account that was set before. It lasts until the descriptors are taken, or
    /// charged to this account.
    former: Option<Charge>,
    request: ChargeRequest,
    /// The amount of the request.
    requested: usize,
    /// Maximum reserve, small enough for several connections of an account.
    largest_reserve: usize,
    turn: Turn,
}

/// Numbers of descriptors that a receiving side holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holding {
    /// Number of descriptors in the queue.
    pub(crate) queued: usize,
    /// Number of descriptors that were taken from the queue and wait for their frames.
    pub(crate) waiting: usize,
    /// Maximum number of waiting descriptors, if room for all of them must be charged before the
    /// first.
    pub(crate) reserve: usize,
}

impl HeldFds {
    pub(crate) fn new(account: &Account) -> HeldFds {
        HeldFds {
            charge: account.empty_charge(Resource::HeldFds),
            former: None,
            request: ChargeRequest::new(),
            requested: 0,
            largest_reserve: account.most(Resource::HeldFds) / 2,
            turn: Turn::default(),
        }
    }

    /// Charges another account from now on.
    ///
    /// Descriptors that are already held are charged to it before the next receive. Until then, they
    /// stay charged to the former account, unless they are taken.
    pub(crate) fn move_to(&mut self, account: &Account) {
        if account.has(&self.charge) {
            return;
        }
        let HeldFds { charge, former, .. } = std::mem::replace(self, HeldFds::new(account));
        // The former charge is larger if nothing was received since the last change.
        let held = former.filter(|former| former.amount() > charge.amount()).unwrap_or(charge);
        if account.has(&held) {
            self.charge = held;
        } else {
            self.former = Some(held);
        }
    }

    /// Charges room for a receive of up to `most` descriptors, or waits until it is the turn of the
    /// receive and the account has the room.
    pub(crate) fn poll_room(
        &mut self,
        cx: &mut Context<'_>,
        holding: Holding,
        most: usize,
    ) -> Poll<()> {
        if !self.request.is_waiting() {
            ready!(self.charge.poll_turn(cx, &mut self.turn));
            if self.try_room(holding, most) {
                return Poll::Ready(());
            }
        }
        self.release_unused(holding);
        // If descriptors already wait and the reserve is too small, charge room for one set only.
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

    /// Charges room for a receive of up to `most` descriptors, if the account has it now.
    pub(crate) fn try_room(&mut self, holding: Holding, most: usize) -> bool {
        // Descriptors that were taken since the last receive belong to the caller.
        self.release_unused(holding);
        let missing = self.needed(holding, most).saturating_sub(self.charge.amount());
        missing == 0 || self.charge.try_grow(missing)
    }

    fn needed(&self, holding: Holding, most: usize) -> usize {
        (holding.all() + most).max(holding.queued + holding.reserve.min(self.largest_reserve))
    }

    /// Records a received descriptor set.
    #[inline]
    pub(crate) fn note_set(&self, fds: usize) {
        self.charge.note_set(fds);
    }

    /// Returns the number of further descriptors that there is room for.
    pub(crate) fn available(&self, holding: Holding) -> usize {
        self.charge.amount().saturating_sub(holding.all())
    }

    /// Releases the charge that is neither held nor part of a reserve in use.
    pub(crate) fn release_unused(&mut self, holding: Holding) {
        let reserve = holding.reserve.min(self.largest_reserve);
        let kept = if holding.waiting > 0 { holding.waiting.max(reserve) } else { 0 };
        self.charge.shrink_to(holding.queued + kept);
        if let Some(former) = &mut self.former {
            former.shrink_to(holding.all().saturating_sub(self.charge.amount()));
            if former.amount() == 0 {
                self.former = None;
            }
        }
    }

    /// Splits off the charge of `count` descriptors, for an owner that keeps them.
    pub(crate) fn split_off(&mut self, count: usize) -> Charge {
        match &mut self.former {
            Some(former) if self.charge.amount() < count => former.split_off(count),
            _ => self.charge.split_off(count),
        }
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

    /// Returns an account that may hold 20 descriptors.
    fn account() -> Account {
        // All limits, because miri cannot ask for that of the process.
        Budget::builder().held_fds(40).fds_in_flight(40).build().account(1)
    }

    #[test]
    fn a_receive_does_not_continue_with_less_room_than_it_needs() {
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
    fn a_receive_within_its_reserve_does_not_wait() {
        let budget = Budget::builder().held_fds(40).fds_in_flight(40).build();
        let account = budget.account(1);
        let holding = Holding { waiting: 3, reserve: 8, ..NOTHING };
        let mut held = HeldFds::new(&account);
        assert!(poll(&mut held, Holding { waiting: 0, ..holding }, 4));
        let _other = account.try_charge(Resource::HeldFds, 12).expect("room");
        // With more accounts, the account exceeds its share.
        let _others: Vec<_> = (2..5)
            .map(|uid| budget.account(uid).try_charge(Resource::HeldFds, 1).expect("room"))
            .collect();
        assert!(!account.empty_charge(Resource::HeldFds).try_grow(1), "it is over");
        assert!(poll(&mut held, holding, 4));
        // The rest of the reserve has room for one set after a frame has kept some.
        let kept = held.charge.split_off(1);
        assert!(poll(&mut held, holding, 4));
        assert!(!poll(&mut held, holding, 5));
        drop(kept);
    }

    #[test]
    fn a_large_reserve_leaves_room_for_other_charges() {
        let account = account();
        let _other = account.try_charge(Resource::HeldFds, 1).expect("room");
        let holding = Holding { reserve: 500, ..NOTHING };
        let mut held = HeldFds::new(&account);
        assert!(poll(&mut held, holding, 4));
        assert_eq!(held.available(NOTHING), 10);
        assert!(!poll(&mut HeldFds::new(&account), holding, 4), "there is room for one of two");
    }
}
