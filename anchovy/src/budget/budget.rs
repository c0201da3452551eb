//! The budget and its totals.

use std::fmt;
use std::sync::Arc;

use rustix::process::{Resource as SystemResource, getrlimit};

use super::account::Account;
use super::key::AccountKey;
use super::ledgers::Ledgers;
use super::resource::{Resource, Usage};

/// Number of descriptors reserved for the process itself, for everything but its connections.
const RESERVE: usize = 64;

/// The default total of bytes. A single account may hold half of it: one D-Bus message of the
/// maximum length (128 MiB) in a buffer that was doubled while it grew.
const BYTES: usize = 512 << 20;

/// A limit on the descriptors and the memory that all peers together make a process hold. Each group of
/// peers can use only a share of them.
///
/// A budget limits three resources, each with a *total*: descriptors that this process holds for its
/// peers, descriptors that were sent to peers and not read by them (*in flight*), and bytes of memory.
/// While something is held for a peer, it is *charged* to the [account](Account) of the peer: the number
/// of descriptors or bytes counts as held by the account. By default, there is one account for each uid.
///
/// Of each resource, an account may hold at most (total − amounts of all other accounts) / (n + 1). Here n
/// is the number of accounts that hold something of the resource, including the account itself. So a
/// single account may hold half of the total. The maximum of an account falls when other accounts take
/// more. An account that then holds more than its maximum keeps what it has and gets nothing more.
///
/// While n accounts hold something of a resource, at least 1/(n+1) of its total is free. An account that
/// holds nothing yet can get at least 1/((n+1)·(n+2)) of the total. So no group of peers can use up what
/// another group needs.
///
/// When an account reaches the maximum of a resource, its streams wait until there is room again:
///
/// | Resource | Without room |
/// |---|---|
/// | received descriptors | nothing is read; a listener disconnects further clients of the account |
/// | descriptors in flight | no descriptors are sent; bytes without descriptors are still sent |
/// | bytes of memory | a framed stream (module `codec`) that needs more memory to receive does not read; one that needs more memory to send accepts no further frame |
///
/// Other accounts are not affected. A stream does not wait for room if the wait could never end; see
/// [`set_account`](crate::AnchovyStream::set_account). If the account holds only the sockets of connections
/// and what the stream itself has received, a read does not wait: it fails if more descriptors arrive than
/// there is room for. A send fails if the account could never have room for its descriptors.
///
/// Clones refer to the same budget. All listeners of a process should share one budget.
///
/// # Time
///
/// Opening 253 received descriptors and closing them takes a tenth of a millisecond. So after a set of at least
/// 64 descriptors, further receives of its account take turns with other tasks. The first one waits one *round*
/// for each 64 descriptors of the set, and each further one a round more, at most 256 rounds. In a round, tokio
/// runs all tasks that are ready. Peers of one account thus delay other accounts only by single sets, however
/// many connections they have.
///
/// If no other task is ready, a round takes about a microsecond. The `try_` methods do not wait.
///
/// # Examples
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
    /// Returns a builder. Its default totals of descriptors are derived from `RLIMIT_NOFILE`; the
    /// default total of bytes is always 512 MiB.
    pub fn builder() -> BudgetBuilder {
        BudgetBuilder { reserve: RESERVE, held_fds: None, fds_in_flight: None, bytes: BYTES }
    }

    /// Returns the account with this key. A `u32` is a user id.
    pub fn account(&self, key: impl Into<AccountKey>) -> Account {
        Account::new(Arc::clone(&self.0), key.into())
    }

    /// Returns the sum of the amounts that are charged to all accounts.
    pub fn usage(&self) -> Usage {
        self.0.usage()
    }

    /// Returns the totals.
    pub fn totals(&self) -> Usage {
        self.0.totals()
    }

    /// Returns the amounts that are charged to the account with this key.
    pub fn usage_of(&self, key: impl Into<AccountKey>) -> Usage {
        self.0.usage_of(key.into())
    }

    /// Returns the accounts that hold something of a resource, and their amounts, in no particular
    /// order.
    pub fn holders(&self, resource: Resource) -> Vec<(AccountKey, usize)> {
        self.0.ledger(resource).holdings()
    }

    /// Returns whether one account can hold `amount` of a resource if no other account holds
    /// anything.
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
    /// Sets the number of descriptors that are reserved for the process itself. The number is subtracted
    /// from default totals only, not from totals that the program sets. Default: 64.
    pub fn reserve(mut self, reserve: usize) -> Self {
        self.reserve = reserve;
        self
    }

    /// Sets the total number of descriptors that peers may make this process hold. Default:
    /// `RLIMIT_NOFILE` (getrlimit(2)) at the time of [`build`](Self::build), less the
    /// [`reserve`](Self::reserve).
    pub fn held_fds(mut self, total: usize) -> Self {
        self.held_fds = Some(total);
        self
    }

    /// Sets the total number of descriptors in flight: sent to peers and not read by them. Default:
    /// `RLIMIT_NOFILE`, less the [`reserve`](Self::reserve). The kernel applies `RLIMIT_NOFILE` to all
    /// processes of this user together (unix(7)).
    pub fn fds_in_flight(mut self, total: usize) -> Self {
        self.fds_in_flight = Some(total);
        self
    }

    /// Sets the total number of bytes. Default: 512 MiB, of which a single account may hold half.
    pub fn bytes(mut self, total: usize) -> Self {
        self.bytes = total;
        self
    }

    /// Builds the budget.
    pub fn build(&self) -> Budget {
        let limit = || {
            let limit = getrlimit(SystemResource::Nofile).current.unwrap_or(u64::MAX);
            usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(self.reserve)
        };
        Budget(Arc::new(Ledgers::new(&Usage {
            held_fds: self.held_fds.unwrap_or_else(limit),
            fds_in_flight: self.fds_in_flight.unwrap_or_else(limit),
            bytes: self.bytes,
        })))
    }
}
