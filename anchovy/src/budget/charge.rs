//! What is charged to an account, and who waits to charge it.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::key::AccountKey;
use super::ledger::{Ticket, Wanted};
use super::ledgers::Ledgers;
use super::resource::Resource;

/// An amount of a resource that is charged to an account until this is dropped.
#[must_use = "the amount is returned when this is dropped"]
pub struct Charge {
    ledgers: Arc<Ledgers>,
    key: AccountKey,
    resource: Resource,
    amount: usize,
    /// Whether nobody should wait for it: it lasts as long as a connection.
    pinned: bool,
}

impl Charge {
    /// A charge of an amount that was taken already.
    pub(super) fn of_taken(
        ledgers: Arc<Ledgers>,
        key: AccountKey,
        resource: Resource,
        amount: usize,
    ) -> Charge {
        Charge { ledgers, key, resource, amount, pinned: false }
    }

    /// Returns the amount.
    pub fn amount(&self) -> usize {
        self.amount
    }

    /// Returns whose account is charged.
    pub fn key(&self) -> AccountKey {
        self.key
    }

    /// Charges `amount` more. Returns `false`, and changes nothing, if that is more than the account
    /// may hold now.
    pub fn try_grow(&mut self, amount: usize) -> bool {
        let admitted = self.ledgers.ledger(self.resource).try_take(self.key, amount, 0);
        if admitted {
            self.amount += amount;
        }
        admitted
    }

    /// Waits until `amount` more can be charged, and charges it. `request` keeps the place in the
    /// queue between calls, and is for one charge only.
    pub fn poll_grow(
        &mut self,
        cx: &mut Context<'_>,
        amount: usize,
        request: &mut ChargeRequest,
    ) -> Poll<()> {
        self.amount += ready!(request.poll(cx, self, Wanted::Exactly(amount)));
        Poll::Ready(())
    }

    /// As [`poll_grow`](Self::poll_grow), but if the account holds nothing beside this whose return
    /// could be waited for, charges as much as it may hold.
    pub(crate) fn poll_grow_up_to(
        &mut self,
        cx: &mut Context<'_>,
        amount: usize,
        request: &mut ChargeRequest,
    ) -> Poll<()> {
        self.amount += ready!(request.poll(cx, self, Wanted::UpTo { amount, mine: self.amount }));
        Poll::Ready(())
    }

    /// Marks the charge as one that lasts as long as a connection, such as that of a socket.
    ///
    /// A receive of the same account does not wait for its return: if there is nothing else to wait
    /// for, it goes on with what room there is.
    pub fn pin(mut self) -> Charge {
        if !self.pinned {
            self.pinned = true;
            self.ledgers.ledger(self.resource).pin(self.key, self.amount);
        }
        self
    }

    /// Returns whether the account could hold `amount` if nobody held anything.
    pub(crate) fn could_ever_hold(&self, amount: usize) -> bool {
        self.ledgers.ledger(self.resource).could_ever_take(amount)
    }

    /// Returns what is charged for closed sockets whose peers have read since. Returns whether there
    /// was anything.
    pub(crate) fn release_lingering(&self) -> bool {
        self.ledgers.release_lingering()
    }

    /// Keeps a closed socket until its peer has read the descriptors that this is the charge of.
    /// `held` is the charge of the socket.
    pub(crate) fn linger(mut self, socket: OwnedFd, held: Option<Charge>) {
        // It stays marked: the peer may never read.
        let held = held.map_or(0, |held| std::mem::take(&mut held.pin().amount));
        let in_flight = std::mem::take(&mut self.amount);
        self.ledgers.linger(socket, self.key, in_flight, held);
    }

    /// Returns what is more than `amount`.
    pub fn shrink_to(&mut self, amount: usize) {
        let excess = self.amount.saturating_sub(amount);
        self.amount -= excess;
        if self.pinned {
            self.ledgers.ledger(self.resource).unpin(self.key, excess);
        }
        self.ledgers.ledger(self.resource).give_back(self.key, excess);
    }

    /// Splits up to `amount` off into a charge of its own.
    pub fn split_off(&mut self, amount: usize) -> Charge {
        let amount = amount.min(self.amount);
        self.amount -= amount;
        Charge {
            ledgers: Arc::clone(&self.ledgers),
            key: self.key,
            resource: self.resource,
            amount,
            pinned: self.pinned,
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.shrink_to(0);
    }
}

impl fmt::Debug for Charge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Charge")
            .field("key", &self.key)
            .field("resource", &self.resource)
            .field("amount", &self.amount)
            .finish()
    }
}

/// A place in the queue of those who wait to charge an account. Dropping it gives the place up.
#[derive(Default)]
pub struct ChargeRequest {
    waiting: Option<Waiting>,
}

struct Waiting {
    ledgers: Arc<Ledgers>,
    key: AccountKey,
    resource: Resource,
    ticket: Ticket,
}

impl ChargeRequest {
    /// Creates a request that does not wait for anything yet.
    pub fn new() -> ChargeRequest {
        ChargeRequest::default()
    }

    /// Returns whether this waits.
    pub fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    fn poll(&mut self, cx: &mut Context<'_>, charge: &Charge, wanted: Wanted) -> Poll<usize> {
        let amount = wanted.amount();
        let ledger = charge.ledgers.ledger(charge.resource);
        let waiting = match &mut self.waiting {
            Some(waiting) => waiting,
            // The usual case does not wait, and clones nothing.
            None if ledger.try_take(charge.key, amount, 0) => return Poll::Ready(amount),
            None => self.waiting.insert(Waiting {
                ledgers: Arc::clone(&charge.ledgers),
                key: charge.key,
                resource: charge.resource,
                ticket: Ticket::default(),
            }),
        };
        let taken = ready!(ledger.poll_take(charge.key, wanted, &mut waiting.ticket, cx));
        self.waiting = None;
        Poll::Ready(taken)
    }

    /// Gives the place in the queue up.
    pub fn cancel(&mut self) {
        if let Some(Waiting { ledgers, key, resource, mut ticket }) = self.waiting.take() {
            ledgers.ledger(resource).cancel(key, &mut ticket);
        }
    }
}

impl Drop for ChargeRequest {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl fmt::Debug for ChargeRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChargeRequest").field("waits", &self.is_waiting()).finish()
    }
}
