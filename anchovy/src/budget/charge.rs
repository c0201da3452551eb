//! Charges of an account, and requests that wait to charge more.

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use super::key::AccountKey;
use super::ledger::{Ticket, Wanted};
use super::ledgers::Ledgers;
use super::resource::Resource;
use super::turn::Turn;

/// An amount of a resource that is charged to an account until this value is dropped.
#[must_use = "the amount is returned when this is dropped"]
pub struct Charge {
    ledgers: Arc<Ledgers>,
    key: AccountKey,
    resource: Resource,
    amount: usize,
    /// Whether the charge lasts as long as a connection, so that no request waits for its release.
    pinned: bool,
}

impl Charge {
    /// Creates a charge of an amount that has already been taken.
    pub(super) fn of_taken(
        ledgers: Arc<Ledgers>,
        key: AccountKey,
        resource: Resource,
        amount: usize,
    ) -> Charge {
        Charge { ledgers, key, resource, amount, pinned: false }
    }

    /// Returns the charged amount.
    pub fn amount(&self) -> usize {
        self.amount
    }

    /// Returns the key of the charged account.
    pub fn key(&self) -> AccountKey {
        self.key
    }

    /// Charges `amount` more. If the account has no room for it, returns `false` and changes
    /// nothing.
    pub fn try_grow(&mut self, amount: usize) -> bool {
        let admitted = self.ledgers.ledger(self.resource).try_take(self.key, amount, 0);
        if admitted {
            self.amount += amount;
        }
        admitted
    }

    /// Charges `amount` more as soon as the account has room for it. Until then, the task waits in a
    /// queue of the account. `request` stores the position of the task in the queue between calls. Do not
    /// use one `request` with several [`Charge`]s.
    pub fn poll_grow(
        &mut self,
        cx: &mut Context<'_>,
        amount: usize,
        request: &mut ChargeRequest,
    ) -> Poll<()> {
        self.amount += ready!(request.poll(cx, self, Wanted::Exactly(amount)));
        Poll::Ready(())
    }

    /// Charges as [`poll_grow`](Self::poll_grow) does. If the account holds nothing else whose
    /// release this could wait for, charges as much as there is room for.
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
    /// A read for which the account has no room waits until charges of the account are released. It does
    /// not wait for pinned charges. If all charges of the account are pinned or belong to the reading
    /// stream, the read does not wait at all. It then fails with
    /// [`FdError::OverBudget`](crate::FdError::OverBudget) if more descriptors arrive than there is room
    /// for.
    pub fn pin(mut self) -> Charge {
        if !self.pinned {
            self.pinned = true;
            self.ledgers.ledger(self.resource).pin(self.key, self.amount);
        }
        self
    }

    /// Returns whether the amount is charged to the account with this key in these ledgers.
    pub(super) fn is_of(&self, ledgers: &Arc<Ledgers>, key: AccountKey) -> bool {
        Arc::ptr_eq(&self.ledgers, ledgers) && self.key == key
    }

    /// Returns whether the account can hold `amount` if no other account holds anything.
    pub(crate) fn could_ever_hold(&self, amount: usize) -> bool {
        self.ledgers.ledger(self.resource).could_ever_take(amount)
    }

    /// Releases the charges of closed sockets whose peers have read everything. Returns whether
    /// there were any.
    pub(crate) fn release_lingering(&self) -> bool {
        self.ledgers.release_lingering()
    }

    /// Waits for the turn of a receive whose descriptors this charge is for.
    #[inline]
    pub(crate) fn poll_turn(&self, cx: &mut Context<'_>, turn: &mut Turn) -> Poll<()> {
        turn.poll(cx, &self.ledgers, self.key)
    }

    /// Records a received descriptor set. After a large one, receives of the account wait.
    #[inline]
    pub(crate) fn note_set(&self, fds: usize) {
        self.ledgers.lines().note_set(self.key, fds);
    }

    /// Keeps a closed socket until its peer has read the descriptors of this charge. `held` is the
    /// charge of the socket.
    pub(crate) fn linger(mut self, socket: OwnedFd, held: Option<Charge>) {
        // It stays pinned: the peer may never read.
        let held = held.map_or(0, |held| std::mem::take(&mut held.pin().amount));
        let in_flight = std::mem::take(&mut self.amount);
        self.ledgers.linger(socket, self.key, in_flight, held);
    }

    /// Reduces the charge to `amount`, if it is larger.
    pub fn shrink_to(&mut self, amount: usize) {
        let excess = self.amount.saturating_sub(amount);
        self.amount -= excess;
        if self.pinned {
            self.ledgers.ledger(self.resource).unpin(self.key, excess);
        }
        self.ledgers.ledger(self.resource).give_back(self.key, excess);
    }

    /// Splits off up to `amount` into a new charge.
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

/// The position of a task that waits to charge an account. Dropping it cancels the request.
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
    /// Creates a request that does not wait yet.
    pub fn new() -> ChargeRequest {
        ChargeRequest::default()
    }

    /// Returns whether the request waits.
    pub fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    fn poll(&mut self, cx: &mut Context<'_>, charge: &Charge, wanted: Wanted) -> Poll<usize> {
        let amount = wanted.amount();
        let ledger = charge.ledgers.ledger(charge.resource);
        let waiting = match &mut self.waiting {
            Some(waiting) => waiting,
            // Clones nothing in the usual case, which does not wait.
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

    /// Cancels the request.
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
