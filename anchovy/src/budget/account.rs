//! An account of a budget.

use std::fmt;
use std::sync::Arc;

use super::charge::Charge;
use super::key::AccountKey;
use super::ledgers::{Ledgers, Receiving};
use super::resource::{Resource, Usage};

/// An account in a [`Budget`](super::Budget): counts, and limits, what a group of peers makes this
/// process hold.
///
/// By default, the group is all peers with the same uid ([`AccountKey`]). An account *has room* for an
/// amount if what it holds and the amount together do not exceed its [maximum](super::Budget). All
/// clones, and all accounts with the same key in the same budget, refer to the same account.
#[derive(Clone)]
pub struct Account {
    ledgers: Arc<Ledgers>,
    key: AccountKey,
}

impl Account {
    pub(super) fn new(ledgers: Arc<Ledgers>, key: AccountKey) -> Account {
        Account { ledgers, key }
    }

    /// Returns the key of the account.
    pub fn key(&self) -> AccountKey {
        self.key
    }

    /// Returns the amounts that are charged to the account.
    pub fn usage(&self) -> Usage {
        self.ledgers.usage_of(self.key)
    }

    /// Adds `amount` of a resource to the account until the returned [`Charge`] is dropped. Returns
    /// `None` if the account has no room for it.
    pub fn try_charge(&self, resource: Resource, amount: usize) -> Option<Charge> {
        self.try_charge_with_room(resource, amount, 0)
    }

    /// Charges `amount` of a resource if the account has room for `amount + more`. Returns `None`
    /// otherwise. Only `amount` is charged.
    ///
    /// This method is for a caller that needs room for `more` soon, and for which `amount` alone is
    /// useless.
    pub fn try_charge_with_room(
        &self,
        resource: Resource,
        amount: usize,
        more: usize,
    ) -> Option<Charge> {
        let take = || self.ledgers.ledger(resource).try_take(self.key, amount, more);
        // Sockets that are kept for unread descriptors are charged too, and may be released now.
        let admitted =
            take() || (resource != Resource::Bytes && self.ledgers.release_lingering() && take());
        admitted.then(|| Charge::of_taken(Arc::clone(&self.ledgers), self.key, resource, amount))
    }

    /// Returns whether the charge is one of this account.
    pub(crate) fn has(&self, charge: &Charge) -> bool {
        charge.is_of(&self.ledgers, self.key)
    }

    /// Charges the socket of a connection, with a pinned charge.
    pub(crate) fn charge_socket(&self) -> Option<Charge> {
        self.try_charge(Resource::HeldFds, 1).map(Charge::pin)
    }

    /// Returns the maximum amount of a resource for this account if no other account holds
    /// anything.
    pub(crate) fn most(&self, resource: Resource) -> usize {
        self.ledgers.ledger(resource).most()
    }

    /// Starts a receive if the descriptor table has room for all descriptors that it may deliver.
    pub(crate) fn begin_receive(&self) -> Option<Receiving<'_>> {
        self.ledgers.begin_receive()
    }

    /// Returns a charge with amount 0, which can grow.
    pub fn empty_charge(&self, resource: Resource) -> Charge {
        Charge::of_taken(Arc::clone(&self.ledgers), self.key, resource, 0)
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account").field("key", &self.key).field("usage", &self.usage()).finish()
    }
}
