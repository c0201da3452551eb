//! The order in which requests continue, and what a release costs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Wake;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

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
        ledger.poll_take(self.key, Wanted::Exactly(amount), &mut self.ticket, &mut cx).is_ready()
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
    // miri is slow.
    let tasks = if cfg!(miri) { 50 } else { 1000 };
    let mut tasks: Vec<_> = (0..tasks).map(|_| Task::new(1)).collect();
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

/// A task that uses the ledger while it is woken, as one does that its waker runs at once.
struct Immediate {
    ledger: Arc<Ledger>,
    is_woken: AtomicBool,
}

impl Wake for Immediate {
    fn wake(self: Arc<Self>) {
        assert!(self.ledger.0.try_lock().is_ok(), "woken while the ledger is locked");
        self.is_woken.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_request_that_wants_more_wakes_the_next_one_after_unlocking() {
    let ledger = Arc::new(Ledger::new(100));
    assert!(ledger.try_take(A, 50, 0));
    let mut first = Task::new(1);
    assert!(!first.poll(&ledger, 10));
    let next = Immediate { ledger: Arc::clone(&ledger), is_woken: AtomicBool::new(false) };
    let next = Arc::new(next);
    let waker = Arc::clone(&next).into();
    let (mut ticket, wanted) = (Ticket::default(), Wanted::Exactly(10));
    let mut cx = Context::from_waker(&waker);
    assert!(ledger.poll_take(A, wanted, &mut ticket, &mut cx).is_pending());

    ledger.give_back(A, 10);
    assert!(!first.poll(&ledger, 20), "it was granted 10");
    assert!(next.is_woken.load(Ordering::Relaxed));
}

#[test]
fn an_account_that_takes_nothing_is_not_kept() {
    let ledger = Ledger::new(100);
    assert!(ledger.try_take(A, 0, 0));
    assert!(ledger.lock().accounts.is_empty());
}

#[test]
fn an_account_that_has_returned_everything_is_not_kept() {
    let ledger = Ledger::new(100);
    assert!(ledger.try_take(A, 5, 0));
    ledger.give_back(A, 4);
    assert_eq!(ledger.lock().accounts.len(), 1);
    ledger.give_back(A, 1);
    assert!(ledger.lock().accounts.is_empty());
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

#[test]
fn a_release_that_lets_nobody_continue_takes_constant_time() {
    let ledger = Ledger::new(20_000);
    assert!(ledger.try_take(A, 9_000, 0));
    let mut tasks: Vec<_> = (10..110).map(Task::new).collect();
    for task in &tasks {
        assert!(ledger.try_take(task.key, 1, 0));
    }
    for task in &mut tasks {
        assert!(!task.poll(&ledger, 500));
    }
    for _ in 0..100 {
        ledger.lock().comparisons = 0;
        ledger.give_back(A, 1);
        assert!(ledger.lock().comparisons <= 1, "{}", ledger.lock().comparisons);
    }
    // Fewer accounts have larger shares, so that some requests can continue.
    tasks.iter().for_each(|task| ledger.give_back(task.key, 1));
    assert!(tasks.iter().map(Task::wakes).sum::<usize>() > 0);
    assert!(ledger.lock().comparisons > 0, "comparisons are counted");
}

#[test]
fn a_smaller_request_continues_when_the_one_before_it_is_canceled() {
    let ledger = Ledger::new(20);
    assert!(ledger.try_take(A, 6, 0));
    let (mut large, mut small) = (Task::new(1), Task::new(1));
    let waker = Arc::clone(&small.wakes).into();
    assert!(!large.poll(&ledger, 5));
    // It waits after the large request, although the account has room for it.
    ledger.lock().wait(A, Wanted::Exactly(4), &mut small.ticket, &waker);
    ledger.cancel(A, &mut large.ticket);
    assert_eq!(small.wakes(), 1);
    assert!(small.poll(&ledger, 4));
}

/// One thing that happens to an account.
#[derive(Clone, Copy, Debug)]
enum Step {
    Take(usize),
    Wait(usize, bool),
    GiveBack(usize),
    Cancel(usize),
    Pin(usize),
}

fn step() -> impl Strategy<Value = (u32, Step)> {
    let step = prop_oneof![
        (1..60usize).prop_map(Step::Take),
        (1..60usize, any::<bool>()).prop_map(|(amount, up_to)| Step::Wait(amount, up_to)),
        (1..60usize).prop_map(Step::GiveBack),
        (0..8usize).prop_map(Step::Cancel),
        (1..20usize).prop_map(Step::Pin),
    ];
    (0..6u32, step)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 3 } else { 1000 },
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(0x0b5e),
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_request_waits_that_has_room(
        total in 10..200usize,
        steps in prop::collection::vec(step(), 0..120),
    ) {
        let ledger = Ledger::new(total);
        let mut tickets: Vec<(AccountKey, Ticket, Wanted)> = Vec::new();
        let mut cx = Context::from_waker(Waker::noop());
        for (uid, step) in steps {
            let key = AccountKey::Uid(uid);
            match step {
                Step::Take(amount) => drop(ledger.try_take(key, amount, 0)),
                Step::Wait(amount, up_to) => {
                    let up_to = up_to.then_some(Wanted::UpTo { amount, mine: 0 });
                    let wanted = up_to.unwrap_or(Wanted::Exactly(amount));
                    let mut ticket = Ticket::default();
                    if ledger.poll_take(key, wanted, &mut ticket, &mut cx).is_pending() {
                        tickets.push((key, ticket, wanted));
                    }
                }
                Step::GiveBack(amount) => {
                    let granted: usize = {
                        let state = ledger.lock();
                        let holding = state.accounts.get(&key);
                        holding.map_or(0, |held| held.granted.values().sum())
                    };
                    let free = ledger.used_by(key) - granted;
                    ledger.give_back(key, amount.min(free));
                }
                Step::Cancel(index) if index < tickets.len() => {
                    let (key, mut ticket, _) = tickets.swap_remove(index);
                    ledger.cancel(key, &mut ticket);
                }
                Step::Cancel(_) => {}
                Step::Pin(amount) => ledger.pin(key, amount),
            }
            let state = ledger.lock();
            for (key, holding) in &state.accounts {
                if let Some((_, first)) = holding.queue.first_key_value() {
                    let wanted = first.wanted;
                    let admitted = wanted.admitted(&state.pool, holding.own, holding.pinned);
                    prop_assert_eq!(admitted, None, "{:?} waits for {:?}", key, wanted);
                }
            }
        }
        // Everything is canceled and returned, and nothing remains.
        for (key, mut ticket, _) in tickets {
            ledger.cancel(key, &mut ticket);
        }
        for (key, own) in ledger.holdings() {
            ledger.give_back(key, own);
        }
        let state = ledger.lock();
        prop_assert!(state.accounts.values().all(|held| held.own == 0 && held.queue.is_empty()));
    }
}
