//! An account and what is charged to it.

use std::fmt;
use std::task::{Context, Poll, ready};

use super::budget::Budget;
use super::key::AccountKey;
use super::ledger::Ticket;
use super::resource::{Resource, Usage};

/// The account of a peer in a [`Budget`].
///
/// Clones are handles of the same account, and so is every account with the same key.
#[derive(Clone)]
pub struct Account {
    budget: Budget,
    key: AccountKey,
}

impl Account {
    pub(super) fn new(budget: Budget, key: AccountKey) -> Account {
        Account { budget, key }
    }

    /// Returns whose account this is.
    pub fn key(&self) -> AccountKey {
        self.key
    }

    /// Returns the budget that the account is of.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Returns what is charged to the account.
    pub fn usage(&self) -> Usage {
        self.budget.usage_of(self.key)
    }

    /// Charges `amount` of a resource, until the returned [`Charge`] is dropped. Returns `None` if
    /// that is more than the account may hold now.
    pub fn try_charge(&self, resource: Resource, amount: usize) -> Option<Charge> {
        self.try_charge_with_room(resource, amount, 0)
    }

    /// Charges `amount` of a resource if the account may have `more` beside it.
    pub fn try_charge_with_room(
        &self,
        resource: Resource,
        amount: usize,
        more: usize,
    ) -> Option<Charge> {
        let admitted = self.budget.ledger(resource).try_take(self.key, amount, more);
        admitted.then(|| Charge { account: self.clone(), resource, amount })
    }

    /// Returns a charge of nothing, which can grow.
    pub fn empty_charge(&self, resource: Resource) -> Charge {
        Charge { account: self.clone(), resource, amount: 0 }
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("key", &self.key).field("usage", &self.usage()).finish()
    }
}

/// An amount of a resource that is charged to an account until this is dropped.
#[must_use = "the amount is returned when this is dropped"]
pub struct Charge {
    account: Account,
    resource: Resource,
    amount: usize,
}

impl Charge {
    /// Returns the amount.
    pub fn amount(&self) -> usize {
        self.amount
    }

    /// Returns the account that is charged.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// Charges `amount` more. Returns `false`, and changes nothing, if that is more than the account
    /// may hold now.
    pub fn try_grow(&mut self, amount: usize) -> bool {
        let admitted =
            self.account.budget.ledger(self.resource).try_take(self.account.key, amount, 0);
        if admitted {
            self.amount += amount;
        }
        admitted
    }

    /// Waits until `amount` more can be charged, and charges it. `request` keeps the place in the
    /// queue between calls.
    pub fn poll_grow(
        &mut self,
        cx: &mut Context<'_>,
        amount: usize,
        request: &mut ChargeRequest,
    ) -> Poll<()> {
        ready!(request.poll(cx, &self.account, self.resource, amount));
        self.amount += amount;
        Poll::Ready(())
    }

    /// Returns what is more than `amount`.
    pub fn shrink_to(&mut self, amount: usize) {
        let excess = self.amount.saturating_sub(amount);
        self.amount -= excess;
        self.account.budget.ledger(self.resource).give_back(self.account.key, excess);
    }

    /// Splits off up to `amount` into a charge of its own.
    pub fn split_off(&mut self, amount: usize) -> Charge {
        let amount = amount.min(self.amount);
        self.amount -= amount;
        Charge { account: self.account.clone(), resource: self.resource, amount }
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
            .field("account", &self.account.key)
            .field("resource", &self.resource)
            .field("amount", &self.amount)
            .finish()
    }
}

/// A place in the queue of those who wait to charge an account; given up when this is dropped.
#[derive(Debug, Default)]
pub struct ChargeRequest {
    waiting: Option<(Account, Resource, Ticket)>,
}

impl ChargeRequest {
    /// Returns a request that does not wait for anything yet.
    pub fn new() -> ChargeRequest {
        ChargeRequest::default()
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        account: &Account,
        resource: Resource,
        amount: usize,
    ) -> Poll<()> {
        let is_same = self.waiting.as_ref().is_some_and(|(waiting, for_resource, _)| {
            waiting.key == account.key && *for_resource == resource
        });
        if !is_same {
            self.cancel();
            // The usual case does not wait, and clones nothing.
            if account.budget.ledger(resource).try_take(account.key, amount, 0) {
                return Poll::Ready(());
            }
            self.waiting = Some((account.clone(), resource, Ticket::default()));
        }
        let Some((account, resource, ticket)) = &mut self.waiting else { unreachable!("just set") };
        ready!(account.budget.ledger(*resource).poll_take(account.key, amount, ticket, cx));
        self.waiting = None;
        Poll::Ready(())
    }

    /// Gives the place in the queue up.
    pub fn cancel(&mut self) {
        if let Some((account, resource, mut ticket)) = self.waiting.take() {
            account.budget.ledger(resource).cancel(account.key, &mut ticket);
        }
    }
}

impl Drop for ChargeRequest {
    fn drop(&mut self) {
        self.cancel();
    }
}
