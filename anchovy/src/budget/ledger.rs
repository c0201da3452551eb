//! The amounts of one resource that accounts hold, and the requests that wait for more.
//!
//! A request is woken only after its amount has been taken for it. So every woken task can continue,
//! and no later request overtakes it. Requests of one account are served in order.
//!
//! A release that lets no request continue takes constant time, however many accounts and requests
//! wait: the oldest request of the account itself is compared, and the smallest amount that has to be
//! free for any other one. All accounts with waiting requests are compared only if that amount is
//! free, or if fewer accounts hold something, which makes the shares of all others larger.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

use super::key::AccountKey;
use super::share::Pool;
use crate::sync::{Mutex, MutexGuard};

#[derive(Debug)]
pub(super) struct Ledger(Mutex<State>);

#[derive(Debug)]
struct State {
    pool: Pool,
    accounts: HashMap<AccountKey, Holding>,
    /// Accounts with waiting requests. Each round starts with a different account.
    waiting: VecDeque<AccountKey>,
    /// While less than this is free, no waiting request has room, unless fewer than `holders` accounts
    /// hold something.
    free_needed: i128,
    holders: usize,
    next_ticket: u64,
    /// Number of requests that were compared with what is free.
    #[cfg(test)]
    comparisons: usize,
}

/// The amount that an account holds, and its waiting requests.
#[derive(Debug, Default)]
struct Holding {
    own: usize,
    /// Whether the account is in the list of accounts with waiting requests. It may stay there without
    /// any until all accounts are compared.
    is_listed: bool,
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
            free_needed: i128::MAX,
            holders: 0,
            next_ticket: 0,
            #[cfg(test)]
            comparisons: 0,
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
        let mut wakers = Vec::new();
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
                Some(granted) => wakers = state.give_back(key, granted),
                None => {}
            }
        }
        let (own, pinned) = state.accounts.get(&key).map_or((0, 0), |held| (held.own, held.pinned));
        if let Some(admitted) = wanted.admitted(&state.pool, own, pinned) {
            state.take(key, admitted);
            wakers.extend(state.forget(key, ticket));
            drop(state);
            wakers.into_iter().for_each(Waker::wake);
            return Poll::Ready(admitted);
        }
        state.wait(key, wanted, ticket, cx.waker());
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        Poll::Pending
    }

    /// Marks `amount` of an account as pinned: requests do not wait for its release. Wakes
    /// requests that waited for it.
    pub(super) fn pin(&self, key: AccountKey, amount: usize) {
        let mut state = self.lock();
        let Some(holding) = state.accounts.get_mut(&key) else { return };
        holding.pinned += amount;
        if !holding.queue.is_empty() {
            let mut wakers = Vec::new();
            state.grant_to(key, &mut wakers);
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
            let mut wakers = granted.map_or_else(Vec::new, |granted| state.give_back(key, granted));
            wakers.extend(state.forget(key, ticket));
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
            // The account may hold something for the first time, which counts for its requests too.
            if let Some(wanted) = holding.queue.values().next().map(|first| first.wanted) {
                self.note_needed(key, wanted);
            }
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
        let mut wakers = Vec::new();
        self.grant_to(key, &mut wakers);
        if self.pool.free() >= self.free_needed || self.pool.holders() < self.holders {
            self.grant_to_all(&mut wakers);
        }
        wakers
    }

    /// Takes amounts for waiting requests that have room now. Adds their wakers to `wakers`.
    fn grant_to_all(&mut self, wakers: &mut Vec<Waker>) {
        // Amounts that are taken meanwhile make `free_needed` of the others larger, never smaller,
        // and an account that takes something for the first time adds a holder.
        (self.free_needed, self.holders) = (i128::MAX, self.pool.holders());
        for _ in 0..self.waiting.len() {
            let Some(key) = self.waiting.pop_front() else { break };
            self.grant_to(key, wakers);
            let Some(holding) = self.accounts.get_mut(&key) else { continue };
            if holding.queue.is_empty() {
                holding.is_listed = false;
                self.drop_if_unused(key);
            } else {
                self.waiting.push_back(key);
            }
        }
    }

    /// Takes amounts for the requests of one account that have room now. Adds their wakers to
    /// `wakers`.
    fn grant_to(&mut self, key: AccountKey, wakers: &mut Vec<Waker>) {
        let Some(holding) = self.accounts.get_mut(&key) else { return };
        while let Some(first) = holding.queue.first_entry() {
            #[cfg(test)]
            {
                self.comparisons += 1;
            }
            let wanted = first.get().wanted;
            let Some(amount) = wanted.admitted(&self.pool, holding.own, holding.pinned) else {
                self.note_needed(key, wanted);
                break;
            };
            let (ticket, Waiting { waker, .. }) = first.remove_entry();
            self.pool.take(&mut holding.own, amount);
            holding.granted.insert(ticket, amount);
            wakers.push(waker);
        }
    }

    fn wait(&mut self, key: AccountKey, wanted: Wanted, ticket: &mut Ticket, waker: &Waker) {
        let number = *ticket.0.get_or_insert_with(|| {
            self.next_ticket += 1;
            self.next_ticket
        });
        let holding = self.accounts.entry(key).or_default();
        if !std::mem::replace(&mut holding.is_listed, true) {
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
        self.note_needed(key, wanted);
    }

    /// Notes how much has to be free for a request of this account.
    fn note_needed(&mut self, key: AccountKey, wanted: Wanted) {
        let own = self.accounts.get(&key).map_or(0, |holding| holding.own);
        let needed = self.pool.free_needed(own, wanted.amount());
        self.free_needed = self.free_needed.min(needed);
        // With fewer holders than now, it would be less.
        self.holders = self.holders.max(self.pool.holders());
    }

    /// Removes a request. The next one of the account may want less, and have room at once: returns
    /// the wakers of requests that can continue.
    #[must_use = "these can go on now"]
    fn forget(&mut self, key: AccountKey, ticket: &mut Ticket) -> Vec<Waker> {
        let mut wakers = Vec::new();
        let Some(number) = ticket.0.take() else { return wakers };
        if let Some(holding) = self.accounts.get_mut(&key) {
            holding.queue.remove(&number);
            self.grant_to(key, &mut wakers);
        }
        self.drop_if_unused(key);
        wakers
    }

    fn drop_if_unused(&mut self, key: AccountKey) {
        let unused = |holding: &Holding| {
            let is_idle = holding.queue.is_empty() && holding.granted.is_empty();
            holding.own == 0 && is_idle && !holding.is_listed
        };
        if self.accounts.get(&key).is_some_and(unused) {
            self.accounts.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests;
