//! The amounts of one resource that accounts hold, and the requests that wait for more.
//!
//! A request is woken only after its amount has been taken for it. So every woken task can continue,
//! and no later request overtakes it. Requests of one account are served in order. Releasing an
//! amount costs one comparison for each account with waiting requests, regardless of their number.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::key::AccountKey;
use super::share::Pool;

#[derive(Debug)]
pub(super) struct Ledger(Mutex<State>);

#[derive(Debug)]
struct State {
    pool: Pool,
    accounts: HashMap<AccountKey, Holding>,
    /// Accounts with waiting requests. Each round starts with a different account.
    waiting: VecDeque<AccountKey>,
    next_ticket: u64,
}

/// The amount that an account holds, and its waiting requests.
#[derive(Debug, Default)]
struct Holding {
    own: usize,
    /// The part of `own` that lasts as long as a connection, so that no request waits for its
    /// release.
    pinned: usize,
    /// Sorted by ticket number, so the oldest request is the first.
    queue: BTreeMap<u64, Waiting>,
    /// Amounts that were taken for requests that have not been polled since.
    granted: BTreeMap<u64, usize>,
}

#[derive(Debug)]
struct Waiting {
    wanted: Wanted,
    waker: Waker,
}

/// The amount that a request wants to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The whole amount, regardless of how long it has to wait.
    Exactly(usize),
    /// The whole amount. If the account holds nothing whose release the request could wait for
    /// (only connections and `mine`), as much as is available.
    UpTo { amount: usize, mine: usize },
}

impl Wanted {
    /// Returns the part of the amount that an account may take now, or `None` if the request has
    /// to wait.
    fn admitted(self, pool: &Pool, own: usize, pinned: usize) -> Option<usize> {
        if pool.admits(own, self.amount()) {
            return Some(self.amount());
        }
        let is_vain = matches!(self, Wanted::UpTo { mine, .. } if own <= pinned + mine);
        is_vain.then(|| pool.most(own))
    }

    pub(super) fn amount(self) -> usize {
        let (Wanted::Exactly(amount) | Wanted::UpTo { amount, .. }) = self;
        amount
    }
}

/// The position of a request in the queue of an account.
#[derive(Debug, Default)]
pub(super) struct Ticket(Option<u64>);

impl Ledger {
    pub(super) fn new(total: usize) -> Ledger {
        Ledger(Mutex::new(State {
            pool: Pool::new(total),
            accounts: HashMap::new(),
            waiting: VecDeque::new(),
            next_ticket: 0,
        }))
    }

    pub(super) fn total(&self) -> usize {
        self.lock().pool.total()
    }

    pub(super) fn used(&self) -> usize {
        self.lock().pool.used()
    }

    pub(super) fn used_by(&self, key: AccountKey) -> usize {
        self.lock().accounts.get(&key).map_or(0, |holding| holding.own)
    }

    /// Returns the amounts of all accounts that hold something.
    pub(super) fn holdings(&self) -> Vec<(AccountKey, usize)> {
        let state = self.lock();
        let holdings = state.accounts.iter().map(|(key, holding)| (*key, holding.own));
        holdings.filter(|(_, own)| *own > 0).collect()
    }

    /// Returns the maximum amount for one account if no other account holds anything.
    pub(super) fn most(&self) -> usize {
        Pool::new(self.total()).most(0)
    }

    /// Returns whether one account can take `amount` if no other account holds anything.
    pub(super) fn could_ever_take(&self, amount: usize) -> bool {
        Pool::new(self.total()).admits(0, amount)
    }

    /// Takes `amount` if the account has room for it and for another `more`.
    pub(super) fn try_take(&self, key: AccountKey, amount: usize, more: usize) -> bool {
        let mut state = self.lock();
        let own = state.accounts.get(&key).map_or(0, |holding| holding.own);
        let admitted = state.pool.admits(own, amount.saturating_add(more));
        if admitted {
            state.take(key, amount);
        }
        admitted
    }

    /// Takes the wanted amount, or waits until the account has room. Returns the amount taken.
    pub(super) fn poll_take(
        &self,
        key: AccountKey,
        wanted: Wanted,
        ticket: &mut Ticket,
        cx: &mut Context<'_>,
    ) -> Poll<usize> {
        let amount = wanted.amount();
        let mut state = self.lock();
        if let Some(number) = ticket.0 {
            let granted =
                state.accounts.get_mut(&key).and_then(|held| held.granted.remove(&number));
            match granted {
                Some(granted) if granted >= amount || matches!(wanted, Wanted::UpTo { .. }) => {
                    ticket.0 = None;
                    let wakers = state.give_back(key, granted.saturating_sub(amount));
                    drop(state);
                    wakers.into_iter().for_each(Waker::wake);
                    return Poll::Ready(granted.min(amount));
                }
                // The request now wants more than was taken for it.
                Some(granted) => {
                    let wakers = state.give_back(key, granted);
                    wakers.into_iter().for_each(Waker::wake);
                }
                None => {}
            }
        }
        let (own, pinned) = state.accounts.get(&key).map_or((0, 0), |held| (held.own, held.pinned));
        if let Some(admitted) = wanted.admitted(&state.pool, own, pinned) {
            state.forget(key, ticket);
            state.take(key, admitted);
            return Poll::Ready(admitted);
        }
        state.wait(key, wanted, ticket, cx.waker());
        Poll::Pending
    }

    /// Marks `amount` of an account as pinned: requests do not wait for its release. Wakes
    /// requests that waited for it.
    pub(super) fn pin(&self, key: AccountKey, amount: usize) {
        let mut state = self.lock();
        let Some(holding) = state.accounts.get_mut(&key) else { return };
        holding.pinned += amount;
        if !holding.queue.is_empty() {
            let wakers = state.grant();
            drop(state);
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// Reverts [`pin`](Self::pin).
    pub(super) fn unpin(&self, key: AccountKey, amount: usize) {
        if let Some(holding) = self.lock().accounts.get_mut(&key) {
            holding.pinned -= amount;
        }
    }

    /// Cancels a request, and releases the amount that was taken for it.
    pub(super) fn cancel(&self, key: AccountKey, ticket: &mut Ticket) {
        if let Some(number) = ticket.0 {
            let mut state = self.lock();
            let granted =
                state.accounts.get_mut(&key).and_then(|held| held.granted.remove(&number));
            let wakers = granted.map_or_else(Vec::new, |granted| state.give_back(key, granted));
            state.forget(key, ticket);
            drop(state);
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    /// Releases `amount`, and wakes requests that can continue.
    pub(super) fn give_back(&self, key: AccountKey, amount: usize) {
        if amount > 0 {
            let wakers = self.lock().give_back(key, amount);
            wakers.into_iter().for_each(Waker::wake);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Ignores poisoning: the numbers are consistent after each statement that changes them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn take(&mut self, key: AccountKey, amount: usize) {
        if amount > 0 {
            let holding = self.accounts.entry(key).or_default();
            self.pool.take(&mut holding.own, amount);
        }
    }

    #[must_use = "these can go on now"]
    fn give_back(&mut self, key: AccountKey, amount: usize) -> Vec<Waker> {
        if amount == 0 {
            return Vec::new();
        }
        if let Some(holding) = self.accounts.get_mut(&key) {
            self.pool.give_back(&mut holding.own, amount);
        }
        self.drop_if_unused(key);
        self.grant()
    }

    /// Takes amounts for waiting requests that have room now. Returns their wakers.
    fn grant(&mut self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for _ in 0..self.waiting.len() {
            let Some(key) = self.waiting.pop_front() else { break };
            let Some(holding) = self.accounts.get_mut(&key) else { continue };
            while let Some(first) = holding.queue.first_entry() {
                let wanted = first.get().wanted;
                let Some(amount) = wanted.admitted(&self.pool, holding.own, holding.pinned) else {
                    break;
                };
                let (ticket, Waiting { waker, .. }) = first.remove_entry();
                self.pool.take(&mut holding.own, amount);
                holding.granted.insert(ticket, amount);
                wakers.push(waker);
            }
            if !holding.queue.is_empty() {
                self.waiting.push_back(key);
            }
        }
        wakers
    }

    fn wait(&mut self, key: AccountKey, wanted: Wanted, ticket: &mut Ticket, waker: &Waker) {
        let number = *ticket.0.get_or_insert_with(|| {
            self.next_ticket += 1;
            self.next_ticket
        });
        let holding = self.accounts.entry(key).or_default();
        if holding.queue.is_empty() {
            self.waiting.push_back(key);
        }
        match holding.queue.get_mut(&number) {
            Some(waiting) => {
                waiting.wanted = wanted;
                waiting.waker.clone_from(waker);
            }
            None => {
                holding.queue.insert(number, Waiting { wanted, waker: waker.clone() });
            }
        }
    }

    fn forget(&mut self, key: AccountKey, ticket: &mut Ticket) {
        let Some(number) = ticket.0.take() else { return };
        if let Some(holding) = self.accounts.get_mut(&key) {
            let was_queued = holding.queue.remove(&number).is_some();
            if was_queued && holding.queue.is_empty() {
                self.waiting.retain(|waiting| *waiting != key);
            }
        }
        self.drop_if_unused(key);
    }

    fn drop_if_unused(&mut self, key: AccountKey) {
        let unused = |holding: &Holding| {
            holding.own == 0 && holding.queue.is_empty() && holding.granted.is_empty()
        };
        if self.accounts.get(&key).is_some_and(unused) {
            self.accounts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A task with a request, which counts how often it was woken.
    struct Task {
        wakes: Arc<Wakes>,
        ticket: Ticket,
        key: AccountKey,
    }

    impl Task {
        fn new(uid: u32) -> Task {
            Task { wakes: Arc::default(), ticket: Ticket::default(), key: AccountKey::Uid(uid) }
        }

        fn poll(&mut self, ledger: &Ledger, amount: usize) -> bool {
            let waker = Arc::clone(&self.wakes).into();
            let mut cx = Context::from_waker(&waker);
            ledger
                .poll_take(self.key, Wanted::Exactly(amount), &mut self.ticket, &mut cx)
                .is_ready()
        }

        fn wakes(&self) -> usize {
            self.wakes.0.load(Ordering::Relaxed)
        }
    }

    const A: AccountKey = AccountKey::Uid(1);
    const B: AccountKey = AccountKey::Uid(2);

    #[test]
    fn only_requests_with_room_are_woken_and_in_order() {
        let ledger = Ledger::new(100);
        assert!(ledger.try_take(A, 50, 0));
        let mut tasks: Vec<_> = (0..1000).map(|_| Task::new(1)).collect();
        for task in &mut tasks {
            for _ in 0..3 {
                assert!(!task.poll(&ledger, 10));
            }
        }
        ledger.give_back(A, 20);
        let wakes: Vec<_> = tasks.iter().map(Task::wakes).collect();
        assert_eq!(wakes[..3], [1, 1, 0], "as many as there is room for, the oldest first");
        assert_eq!(wakes.iter().sum::<usize>(), 2);
        assert!(tasks[0].poll(&ledger, 10) && tasks[1].poll(&ledger, 10));
        assert!(!tasks[2].poll(&ledger, 10));
        assert_eq!(ledger.used(), 50);
        for task in &mut tasks {
            ledger.cancel(task.key, &mut task.ticket);
        }
        ledger.give_back(A, 50);
        assert_eq!(ledger.holdings(), []);
        assert!(ledger.lock().accounts.is_empty() && ledger.lock().waiting.is_empty());
    }

    #[test]
    fn an_amount_returned_by_one_account_wakes_another() {
        let ledger = Ledger::new(120);
        assert!(ledger.try_take(A, 60, 0) && ledger.try_take(B, 20, 0));
        let (mut first, mut second) = (Task::new(1), Task::new(2));
        assert!(!first.poll(&ledger, 5) && !second.poll(&ledger, 5));
        ledger.give_back(A, 30);
        assert_eq!((first.wakes(), second.wakes()), (0, 1), "the first still holds its share");
        assert!(second.poll(&ledger, 5));
        assert_eq!((ledger.used_by(A), ledger.used_by(B)), (30, 25));
    }

    #[test]
    fn a_canceled_request_passes_its_amount_to_the_next() {
        let ledger = Ledger::new(20);
        assert!(ledger.try_take(A, 10, 0));
        let (mut first, mut second) = (Task::new(1), Task::new(1));
        assert!(!first.poll(&ledger, 10) && !second.poll(&ledger, 10));
        ledger.give_back(A, 10);
        assert_eq!((first.wakes(), second.wakes()), (1, 0));
        ledger.cancel(A, &mut first.ticket);
        assert_eq!(second.wakes(), 1);
        assert!(second.poll(&ledger, 10));
    }

    #[test]
    fn a_waiting_request_can_change_its_amount() {
        let ledger = Ledger::new(40);
        assert!(ledger.try_take(A, 20, 0));
        let mut task = Task::new(1);
        assert!(!task.poll(&ledger, 5));
        ledger.give_back(A, 5);
        assert_eq!(task.wakes(), 1);
        assert!(!task.poll(&ledger, 6), "more than was waited for");
        assert_eq!(ledger.used(), 15);
        ledger.give_back(A, 1);
        assert!(task.poll(&ledger, 2), "less than was waited for");
        assert_eq!(ledger.used(), 16);
    }

    #[test]
    fn room_required_beside_an_amount_is_not_taken() {
        let ledger = Ledger::new(20);
        assert!(!ledger.try_take(A, 5, 6));
        assert!(ledger.try_take(A, 5, 5));
        assert_eq!(ledger.used(), 5);
        assert!(ledger.could_ever_take(10) && !ledger.could_ever_take(11));
    }

    #[test]
    fn a_request_that_waits_only_for_connections_takes_the_rest() {
        let ledger = Ledger::new(20);
        assert!(ledger.try_take(A, 4, 0));
        ledger.pin(A, 4);
        let mut ticket = Ticket::default();
        let mut cx = Context::from_waker(Waker::noop());
        let mut poll = |ticket: &mut Ticket, amount| {
            ledger.poll_take(A, Wanted::UpTo { amount, mine: 0 }, ticket, &mut cx)
        };
        assert_eq!(poll(&mut ticket, 8), Poll::Ready(6), "as much as there is");
        assert_eq!(poll(&mut ticket, 1), Poll::Pending, "six may come back");
        ledger.give_back(A, 6);
        assert_eq!(poll(&mut ticket, 8), Poll::Ready(1), "what was waited for");
        ledger.give_back(A, 1);
        ledger.unpin(A, 4);
        ledger.give_back(A, 4);
        assert_eq!(ledger.holdings(), []);
    }

    #[test]
    fn pinning_an_amount_wakes_requests_that_wait_for_it() {
        let ledger = Ledger::new(20);
        assert!(ledger.try_take(A, 4, 0));
        let mut task = Task::new(1);
        let waker = Arc::clone(&task.wakes).into();
        let mut cx = Context::from_waker(&waker);
        let mut poll = |task: &mut Task| {
            ledger.poll_take(A, Wanted::UpTo { amount: 8, mine: 0 }, &mut task.ticket, &mut cx)
        };
        assert_eq!(poll(&mut task), Poll::Pending);
        ledger.pin(A, 4);
        assert_eq!(task.wakes(), 1);
        assert_eq!(poll(&mut task), Poll::Ready(6));
    }
}
