//! How many descriptors strangers may make a process hold.
//!
//! A table of descriptors is shared by all connections of a server, so what one peer fills is
//! missing to the others. Three things of a peer are in it: its socket (and the pidfd of its
//! process), descriptors that have arrived and that nobody has taken yet, and, for an instant, a
//! set that is more than it may send, since the kernel hands a set over before anybody can count
//! it. The first two are charged to the peer's uid, until they are closed or taken; the last is
//! why receiving stops being concurrent when room is short.
//!
//! Who waits for room holds none that others wait for: a connection is charged for all that it may
//! have waiting before it reads, and keeps the room while anything waits. So a message that has
//! begun can always be read to its end, or be overdue.

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
    /// Charges so many, if there is room for them and for so many more.
    pub(crate) fn charge_with_room(&self, count: usize, more: usize) -> Option<Charge> {
        let mut state = self.shared.lock();
        if !self.has_room(&state, count + more) {
            return None;
        }
        self.take(&mut state, count);
        Some(Charge { account: self.clone(), count })
    }

    /// For a connection on which so many may wait for the rest of their message.
    pub(crate) fn meter(&self, most: usize) -> Meter {
        Meter { charge: Charge { account: self.clone(), count: 0 }, most }
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

impl Drop for Charge {
    fn drop(&mut self) {
        if self.count > 0 {
            let mut state = self.account.shared.lock();
            self.account.give(&mut state, self.count);
            Account::changed(state);
        }
    }
}

/// What the receives of one connection bring.
#[derive(Debug)]
pub(crate) struct Meter {
    /// For all that may wait, as long as anything does.
    charge: Charge,
    most: usize,
}

impl Meter {
    /// Waits until there is room for all that may wait on this connection, and until a receive may
    /// bring more than that for an instant.
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Receiving<'_>> {
        let Charge { account, count: before } = &mut self.charge;
        let (before, more) = (*before, self.most.saturating_sub(*before));
        let mut state = account.shared.lock();
        let most = state.held + more + (state.receiving + 1) * DBUS_FD_LIMIT;
        let alone = state.receiving == 0;
        // Nothing more than before is no question of room.
        let room = more == 0 || account.has_room(&state, more);
        if !room || !(alone || most <= account.shared.total) {
            if !state.wakers.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.wakers.push(cx.waker().clone());
            }
            return Poll::Pending;
        }
        state.receiving += 1;
        account.take(&mut state, more);
        drop(state);
        self.charge.count = before + more;
        Poll::Ready(Receiving { meter: self, keep: before })
    }

    /// The charge for so many that are taken; `waiting` stay.
    pub(crate) fn take(&mut self, count: usize, waiting: usize) -> Charge {
        let count = count.min(self.charge.count);
        self.charge.count -= count;
        let account = self.charge.account.clone();
        if waiting == 0 {
            self.charge = Charge { account: account.clone(), count: 0 };
        }
        Charge { account, count }
    }
}

/// A receive that is under way.
#[derive(Debug)]
pub(crate) struct Receiving<'a> {
    meter: &'a mut Meter,
    keep: usize,
}

impl Receiving<'_> {
    /// It is over: so many wait, and so many are about to be taken.
    pub(crate) fn settle(mut self, waiting: usize, taken: usize) {
        self.keep = if waiting > 0 { self.meter.most } else { taken };
    }
}

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        let Charge { account, count } = &mut self.meter.charge;
        let released = count.saturating_sub(self.keep);
        *count -= released;
        let mut state = account.shared.lock();
        state.receiving -= 1;
        account.give(&mut state, released);
        Account::changed(state);
    }
}

#[cfg(test)]
mod tests {
    //! Who waits for whom; what sockets and messages make of it is tested over sockets.

    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    impl Woken {
        fn times(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    fn task() -> (Arc<Woken>, Waker) {
        let woken = Arc::new(Woken::default());
        (Arc::clone(&woken), woken.into())
    }

    #[test]
    fn receives_are_concurrent_only_while_each_may_bring_a_kernel_set() {
        let (woken, waker) = task();
        let mut cx = Context::from_waker(&waker);
        for (total, concurrent) in [(2 * DBUS_FD_LIMIT + 16, true), (2 * DBUS_FD_LIMIT + 15, false)]
        {
            let budget = FdBudget::new(total, total);
            let (mut one, mut other) = (budget.account(1).meter(8), budget.account(2).meter(8));
            let Poll::Ready(first) = one.poll_receive(&mut cx) else { panic!("there is room") };
            let before = woken.times();
            let second = other.poll_receive(&mut cx);
            assert_eq!(second.is_ready(), concurrent, "{total}");
            drop(second);
            drop(first);
            assert_eq!(woken.times() - before, usize::from(!concurrent));
            assert!(other.poll_receive(&mut cx).is_ready());
            assert_eq!(budget.held(), 0);
        }
    }

    #[test]
    fn what_waits_keeps_its_room_until_it_is_taken() {
        let (_, waker) = task();
        let mut cx = Context::from_waker(&waker);
        let budget = FdBudget::new(100, 10);
        let mut meter = budget.account(1).meter(8);
        let receive = |meter: &mut Meter, cx: &mut Context<'_>, waiting, taken| {
            let Poll::Ready(receiving) = meter.poll_receive(cx) else { panic!("there is room") };
            receiving.settle(waiting, taken);
        };
        receive(&mut meter, &mut cx, 3, 0);
        assert_eq!((budget.held(), budget.held_by(1), budget.held_by(2)), (8, 8, 0));
        let rest = budget.account(1).charge_with_room(2, 0).expect("two are left");
        assert!(budget.account(1).charge_with_room(1, 0).is_none());
        receive(&mut meter, &mut cx, 0, 3);
        let message = meter.take(3, 0);
        assert_eq!(budget.held(), 5);
        drop(message);
        assert_eq!(budget.held(), 2);
        drop((rest, meter));
        assert_eq!((budget.held(), budget.held_by(1)), (0, 0));
    }

    #[test]
    fn a_task_waits_once_however_often_it_asks_and_all_who_wait_are_woken() {
        let budget = FdBudget::new(1000, 10);
        let filling = budget.account(1).charge_with_room(3, 7).expect("room");
        let tasks = [task(), task()];
        let mut meters = [budget.account(1).meter(8), budget.account(1).meter(8)];
        for _ in 0..3 {
            for ((_, waker), meter) in tasks.iter().zip(&mut meters) {
                assert!(meter.poll_receive(&mut Context::from_waker(waker)).is_pending());
            }
        }
        drop(filling);
        assert_eq!(tasks.each_ref().map(|(woken, _)| woken.times()), [1, 1]);
    }

    #[test]
    fn another_uid_is_not_asked_for_the_room_of_one() {
        let (_, waker) = task();
        let mut cx = Context::from_waker(&waker);
        let budget = FdBudget::new(20, 10);
        let _filling = budget.account(1).charge_with_room(10, 0).expect("room");
        assert!(budget.account(1).meter(1).poll_receive(&mut cx).is_pending());
        assert!(budget.account(2).meter(10).poll_receive(&mut cx).is_ready());
        assert!(budget.account(2).meter(11).poll_receive(&mut cx).is_pending());
        // What one may have, all may have together.
        let _more = budget.account(2).charge_with_room(5, 0).expect("room");
        assert!(budget.account(3).meter(6).poll_receive(&mut cx).is_pending());
    }
}
