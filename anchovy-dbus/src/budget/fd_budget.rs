//! A budget, its accounts, and what is charged to them.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use rustix::process::{Resource, getrlimit};

/// Descriptors that a server keeps for itself: what it has open besides its connections.
const RESERVE: usize = 64;

/// A bound on the descriptors that the peers of a server make it hold, over all of its connections
/// and for each uid.
///
/// Cloning it makes another handle of the same budget, so that several listeners share one.
///
/// ```
/// use anchovy_dbus::FdBudget;
///
/// let budget = FdBudget::new(4096, 1024); // 1024 for one uid
/// assert_eq!(budget.held(), 0);
/// ```
#[derive(Clone, Debug)]
pub struct FdBudget(Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) total: usize,
    per_uid: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) held: usize,
    by_uid: HashMap<u32, usize>,
    /// Receives that are under way, each of which may bring as much as the kernel carries.
    pub(super) receiving: usize,
    /// Who waits for room.
    pub(super) wakers: Vec<Waker>,
}

impl FdBudget {
    /// So many in all, and so many of them for one uid.
    pub fn new(total: usize, per_uid: usize) -> FdBudget {
        FdBudget(Arc::new(Shared { total, per_uid, state: Mutex::default() }))
    }

    /// What this process may have open (`RLIMIT_NOFILE`, getrlimit(2)), less a reserve for
    /// everything that is not a peer's; half of that for one uid.
    ///
    /// A limit that is raised later does not raise the budget.
    pub fn for_process(reserve: usize) -> FdBudget {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let total = limit.saturating_sub(reserve);
        FdBudget::new(total, total.div_ceil(2))
    }

    /// Descriptors that peers make this process hold, as far as the budget knows of them, and the
    /// room that is kept for the rest of messages that have begun.
    pub fn held(&self) -> usize {
        self.0.lock().held
    }

    /// The same, of the peers of this uid.
    pub fn held_by(&self, uid: u32) -> usize {
        self.0.lock().by_uid.get(&uid).copied().unwrap_or(0)
    }

    /// Could one uid have so many, if nobody had any?
    pub(crate) fn could_hold(&self, count: usize) -> bool {
        count <= self.0.total.min(self.0.per_uid)
    }

    /// The same, charged to a uid.
    pub(crate) fn account(&self, uid: u32) -> Account {
        Account { shared: Arc::clone(&self.0), uid }
    }
}

impl Default for FdBudget {
    /// Creates a budget [for this process](FdBudget::for_process), with a reserve of 64.
    fn default() -> FdBudget {
        FdBudget::for_process(RESERVE)
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Numbers are whole after each statement that changes them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A budget, and whom it is charged to.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(super) shared: Arc<Shared>,
    uid: u32,
}

impl Account {
    /// Charges so many, if there is room for them and for so many more.
    pub(crate) fn charge_with_room(&self, count: usize, more: usize) -> Option<FdCharge> {
        let mut state = self.shared.lock();
        if !self.has_room(&state, count + more) {
            return None;
        }
        self.take(&mut state, count);
        Some(FdCharge { account: self.clone(), count })
    }

    pub(super) fn has_room(&self, state: &State, count: usize) -> bool {
        let own = state.by_uid.get(&self.uid).copied().unwrap_or(0);
        state.held + count <= self.shared.total && own + count <= self.shared.per_uid
    }

    pub(super) fn take(&self, state: &mut State, count: usize) {
        if count > 0 {
            state.held += count;
            *state.by_uid.entry(self.uid).or_default() += count;
        }
    }

    pub(super) fn give(&self, state: &mut State, count: usize) {
        if count == 0 {
            return;
        }
        state.held -= count;
        if let Some(own) = state.by_uid.get_mut(&self.uid) {
            *own -= count;
            if *own == 0 {
                state.by_uid.remove(&self.uid);
            }
        }
    }

    /// Wakes everybody who waits, once the lock is let go of.
    pub(super) fn changed(mut state: MutexGuard<'_, State>) {
        let wakers = mem::take(&mut state.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// Descriptors that are charged until this is dropped.
#[derive(Debug)]
#[must_use = "dropping it ends the charge"]
pub(crate) struct FdCharge {
    pub(super) account: Account,
    pub(super) count: usize,
}

impl Drop for FdCharge {
    fn drop(&mut self) {
        if self.count > 0 {
            let mut state = self.account.shared.lock();
            self.account.give(&mut state, self.count);
            Account::changed(state);
        }
    }
}
