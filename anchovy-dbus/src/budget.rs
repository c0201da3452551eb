//! How many descriptors strangers may make a process hold.
//!
//! A table of descriptors is shared by all connections of a server, so what one peer fills is
//! missing to the others. Three things of a peer are in it: its socket (and the pidfd of its
//! process), descriptors that have arrived and that nobody has taken yet, and, for an instant, a
//! set that is more than it may send, since the kernel hands a set over before anybody can count
//! it. The first two are charged to the peer's uid, until they are closed or taken; the last is
//! why receiving stops being concurrent when room is short.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use anchovy::DBUS_FD_LIMIT;
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
struct Shared {
    total: usize,
    per_uid: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    held: usize,
    by_uid: HashMap<u32, usize>,
    /// Receives that are under way, each of which may bring as much as the kernel carries.
    receiving: usize,
    /// Who waits for room.
    wakers: Vec<Waker>,
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
    pub fn of_this_process(reserve: usize) -> FdBudget {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let total = limit.saturating_sub(reserve);
        FdBudget::new(total, total.div_ceil(2))
    }

    /// Descriptors that peers make this process hold, as far as the budget knows of them.
    pub fn held(&self) -> usize {
        self.0.lock().held
    }

    /// Descriptors that the peers of this uid make this process hold.
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
    /// [Of this process](FdBudget::of_this_process), less 64.
    fn default() -> FdBudget {
        FdBudget::of_this_process(RESERVE)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        // Numbers are whole after each statement that changes them.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A budget, and whom it is charged to.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    shared: Arc<Shared>,
    uid: u32,
}

impl Account {
    /// A charge for none.
    pub(crate) fn nothing(&self) -> Charge {
        Charge { account: self.clone(), count: 0 }
    }

    /// Charges so many, if there is room for them.
    pub(crate) fn charge(&self, count: usize) -> Option<Charge> {
        self.charge_with_room(count, 0)
    }

    /// Charges so many, if there is room for them and for so many more.
    pub(crate) fn charge_with_room(&self, count: usize, more: usize) -> Option<Charge> {
        let mut state = self.shared.lock();
        if !self.has_room(&state, count + more) {
            return None;
        }
        self.take(&mut state, count);
        Some(Charge { account: self.clone(), count })
    }

    /// Waits until a receive may bring so many, and charges them until it has.
    pub(crate) fn poll_receive(&self, count: usize, cx: &mut Context<'_>) -> Poll<Receiving<'_>> {
        let mut state = self.shared.lock();
        let most = state.held + count + (state.receiving + 1) * DBUS_FD_LIMIT;
        let alone = state.receiving == 0;
        if !self.has_room(&state, count) || !(alone || most <= self.shared.total) {
            if !state.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.wakers.push(cx.waker().clone());
            }
            return Poll::Pending;
        }
        state.receiving += 1;
        self.take(&mut state, count);
        Poll::Ready(Receiving { account: self, count })
    }

    fn has_room(&self, state: &State, count: usize) -> bool {
        let own = state.by_uid.get(&self.uid).copied().unwrap_or(0);
        state.held + count <= self.shared.total && own + count <= self.shared.per_uid
    }

    fn take(&self, state: &mut State, count: usize) {
        if count > 0 {
            state.held += count;
            *state.by_uid.entry(self.uid).or_default() += count;
        }
    }

    fn give(&self, state: &mut State, count: usize) {
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
    fn changed(mut state: MutexGuard<'_, State>) {
        let wakers = std::mem::take(&mut state.wakers);
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// Descriptors that are charged until this is dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    account: Account,
    count: usize,
}

impl Charge {
    /// Splits off a charge for some of them.
    pub(crate) fn split(&mut self, count: usize) -> Charge {
        let count = count.min(self.count);
        self.count -= count;
        Charge { account: self.account.clone(), count }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if self.count > 0 {
            let mut state = self.account.shared.lock();
            self.account.give(&mut state, self.count);
            Account::changed(state);
        }
    }
}

/// A receive that is under way.
#[derive(Debug)]
pub(crate) struct Receiving<'a> {
    account: &'a Account,
    count: usize,
}

impl Receiving<'_> {
    /// It is over: what was charged before, and for it, is now a charge for so many.
    pub(crate) fn settle(mut self, charge: &mut Charge, now: usize) {
        let charged = charge.count + self.count;
        charge.count = now.min(charged);
        self.count = charged - charge.count;
    }
}

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        let mut state = self.account.shared.lock();
        state.receiving -= 1;
        self.account.give(&mut state, self.count);
        Account::changed(state);
    }
}
