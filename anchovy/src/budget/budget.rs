//! The budget itself, and its totals.

use std::fmt;
use std::sync::Arc;

use rustix::process::{Resource as SystemResource, getrlimit};

use super::account::Account;
use super::key::AccountKey;
use super::ledgers::Ledgers;
use super::resource::{Resource, Usage};

/// Descriptors that are kept for the process itself: what it has open besides its connections.
const RESERVE: usize = 64;

/// Bytes for all peers together, if nothing else is set: one D-Bus message of the greatest length
/// (128 MiB), in a buffer that was doubled on the way, is what a single account may hold.
const BYTES: usize = 512 << 20;

/// What a process grants its peers, divided among them.
///
/// Descriptors that peers make this process hold, descriptors that are on their way to them, and
/// memory are charged to [accounts](Account): by default one for each uid. What an account may hold
/// shrinks with the number of accounts that hold something, so that no set of peers can take what the
/// next one needs: while n accounts hold something, at least 1/(n+1) of each total is free, and a
/// newcomer may take 1/((n+1)·(n+2)) of it.
///
/// At its bound a peer is paused (nothing is read from it or sent to it) or ended; other accounts do
/// not notice.
///
/// Clones are handles of the same budget. Several listeners of a process should share one.
///
/// ```
/// use anchovy::{Budget, Resource};
///
/// let budget = Budget::builder().held_fds(1200).build();
/// let half = budget.account(1000).try_charge(Resource::HeldFds, 600).expect("half of it");
/// assert!(budget.account(1000).try_charge(Resource::HeldFds, 1).is_none());
/// assert!(budget.account(1001).try_charge(Resource::HeldFds, 200).is_some());
/// drop(half);
/// assert_eq!(budget.usage().held_fds, 0);
/// ```
#[derive(Clone)]
pub struct Budget(Arc<Ledgers>);

impl Budget {
    /// Returns a builder, whose totals are derived from the limits of this process.
    pub fn builder() -> BudgetBuilder {
        BudgetBuilder { reserve: RESERVE, held_fds: None, fds_in_flight: None, bytes: BYTES }
    }

    /// Returns the account with this key. A user id makes the account of that user.
    pub fn account(&self, key: impl Into<AccountKey>) -> Account {
        Account::new(Arc::clone(&self.0), key.into())
    }

    /// Returns what is charged to all accounts together.
    pub fn usage(&self) -> Usage {
        self.0.usage()
    }

    /// Returns the totals.
    pub fn totals(&self) -> Usage {
        self.0.totals()
    }

    /// Returns what is charged to the account with this key.
    pub fn usage_of(&self, key: impl Into<AccountKey>) -> Usage {
        self.0.usage_of(key.into())
    }

    /// Returns the accounts that hold something of a resource, with the amounts, in no order.
    pub fn holders(&self, resource: Resource) -> Vec<(AccountKey, usize)> {
        self.0.ledger(resource).holdings()
    }

    /// Returns whether a single account could hold `amount` of a resource if nobody held anything.
    pub fn could_ever_hold(&self, resource: Resource, amount: usize) -> bool {
        self.0.ledger(resource).could_ever_take(amount)
    }
}

impl Default for Budget {
    /// Returns a budget with the default totals; see [`Budget::builder`].
    fn default() -> Budget {
        Budget::builder().build()
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("usage", &self.usage())
            .field("totals", &self.totals())
            .finish_non_exhaustive()
    }
}

/// A builder for [`Budget`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct BudgetBuilder {
    reserve: usize,
    held_fds: Option<usize>,
    fds_in_flight: Option<usize>,
    bytes: usize,
}

impl BudgetBuilder {
    /// Sets how many descriptors are kept for the process itself where a total is derived from its
    /// limit. Default: 64.
    pub fn reserve(mut self, reserve: usize) -> Self {
        self.reserve = reserve;
        self
    }

    /// Sets the total of descriptors that peers may make this process hold. Default:
    /// `RLIMIT_NOFILE` (getrlimit(2)) at the time of [`build`](Self::build), less the
    /// [`reserve`](Self::reserve).
    pub fn held_fds(mut self, total: usize) -> Self {
        self.held_fds = Some(total);
        self
    }

    /// Sets the total of descriptors that may be on their way to peers. Default: `RLIMIT_NOFILE`,
    /// which is also the kernel's bound for all processes of this user (unix(7)), less the
    /// [`reserve`](Self::reserve).
    pub fn fds_in_flight(mut self, total: usize) -> Self {
        self.fds_in_flight = Some(total);
        self
    }

    /// Sets the total of bytes. Default: 512 MiB, half of which a single account may hold.
    pub fn bytes(mut self, total: usize) -> Self {
        self.bytes = total;
        self
    }

    /// Makes the budget.
    pub fn build(&self) -> Budget {
        let limit = getrlimit(SystemResource::Nofile).current.unwrap_or(u64::MAX);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(self.reserve);
        Budget(Arc::new(Ledgers::new(&Usage {
            held_fds: self.held_fds.unwrap_or(limit),
            fds_in_flight: self.fds_in_flight.unwrap_or(limit),
            bytes: self.bytes,
        })))
    }
}
