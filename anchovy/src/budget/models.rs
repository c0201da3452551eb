//! What several tasks do with one budget at the same time, in every order.

use std::future::poll_fn;
use std::task::{Context, Waker};

use loom::future::block_on;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread::{self, JoinHandle};

use super::{Account, Budget, Charge, ChargeRequest, Resource, Usage};
use crate::limits::DBUS_FD_LIMIT;
use crate::sync::explore;

#[test]
fn a_request_that_waits_gets_what_another_charge_returns() {
    explore(|| {
        let budget = budget();
        let all = hold(&budget.account(1), 4);
        let waiting = spawn(budget.account(1), |account| drop(wait_for(account, 2)));
        drop(all);
        join(waiting);
        assert_eq!(budget.usage(), Usage::default());
    });
}

#[test]
fn two_requests_that_wait_both_continue() {
    explore(|| {
        let budget = budget();
        let all = hold(&budget.account(1), 4);
        let waiting =
            [3, 1].map(|amount| spawn(budget.account(1), move |account| wait_for(account, amount)));
        drop(all);
        // Each holds its amount until the other has it.
        let charges = waiting.map(join);
        assert_eq!(charges.each_ref().map(Charge::amount), [3, 1]);
        drop(charges);
        assert_eq!(budget.usage(), Usage::default());
    });
}

#[test]
fn a_request_of_another_account_continues_too() {
    explore(|| {
        let budget = budget();
        let all = hold(&budget.account(1), 4);
        // While the first account holds something, the share of the second one is 1.
        let waiting = spawn(budget.account(2), |account| wait_for(account, 2).amount());
        drop(all);
        assert_eq!(join(waiting), 2);
        assert_eq!(budget.usage(), Usage::default());
    });
}

#[test]
fn concurrent_charges_do_not_exceed_the_share() {
    explore(|| {
        let budget = budget();
        let charges = [(); 2]
            .map(|()| spawn(budget.account(1), |account| account.try_charge(RESOURCE, 3)))
            .map(join);
        assert_eq!(charges.iter().flatten().count(), 1);
        drop(charges);
        assert_eq!(budget.usage(), Usage::default());
    });
}

#[test]
fn a_canceled_request_passes_its_amount_on() {
    explore(|| {
        let budget = budget();
        let all = hold(&budget.account(1), 4);
        let canceled = spawn(budget.account(1), |account| {
            let (mut charge, mut request) = (account.empty_charge(RESOURCE), ChargeRequest::new());
            let mut cx = Context::from_waker(Waker::noop());
            let _ = charge.poll_grow(&mut cx, 4, &mut request);
        });
        let waiting = spawn(budget.account(1), |account| wait_for(account, 4).amount());
        drop(all);
        join(canceled);
        assert_eq!(join(waiting), 4);
        assert_eq!(budget.usage(), Usage::default());
    });
}

#[test]
fn a_request_continues_when_only_pinned_charges_remain() {
    explore(|| {
        let budget = budget();
        let all = hold(&budget.account(1), 4);
        let waiting = spawn(budget.account(1), |account| {
            let (mut charge, mut request) = (account.empty_charge(RESOURCE), ChargeRequest::new());
            block_on(poll_fn(|cx| charge.poll_grow_up_to(cx, 2, &mut request)));
            charge.amount()
        });
        let all = all.pin();
        assert_eq!(join(waiting), 0, "nothing is left, and nothing to wait for");
        drop(all);
        assert_eq!(budget.usage(), Usage::default());
    });
}

#[test]
fn parts_of_a_charge_return_their_amounts_separately() {
    explore(|| {
        let budget = budget();
        let mut all = hold(&budget.account(1), 4);
        let part = all.split_off(2);
        let waiting = spawn(budget.account(1), |account| wait_for(account, 4).amount());
        let returning = thread::spawn(move || drop(part));
        drop(all);
        join(returning);
        assert_eq!(join(waiting), 4);
        assert_eq!(budget.usage(), Usage::default());
    });
}

#[test]
fn concurrent_receives_have_room_in_the_descriptor_table() {
    explore(|| {
        // Room for the descriptors of one message, and not of two.
        let budget = Budget::builder().held_fds(2 * DBUS_FD_LIMIT - 1).build();
        let in_progress = Arc::new(AtomicUsize::new(0));
        let receivers = [(); 2].map(|()| {
            let in_progress = Arc::clone(&in_progress);
            spawn(budget.account(1), move |account| {
                let Some(_receiving) = account.begin_receive() else { return 0 };
                assert_eq!(in_progress.fetch_add(1, Ordering::SeqCst), 0);
                in_progress.fetch_sub(1, Ordering::SeqCst);
                1
            })
        });
        assert_ne!(receivers.map(join).iter().sum::<usize>(), 0, "one of them can go ahead");
    });
}

const RESOURCE: Resource = Resource::Bytes;

/// Returns a budget of which one account can hold 4.
fn budget() -> Budget {
    Budget::builder().held_fds(8).fds_in_flight(8).bytes(8).build()
}

fn hold(account: &Account, amount: usize) -> Charge {
    account.try_charge(RESOURCE, amount).expect("there is room")
}

/// Waits until the account has room. A request that is never woken fails the model.
fn wait_for(account: &Account, amount: usize) -> Charge {
    let (mut charge, mut request) = (account.empty_charge(RESOURCE), ChargeRequest::new());
    block_on(poll_fn(|cx| charge.poll_grow(cx, amount, &mut request)));
    charge
}

fn spawn<T: 'static>(
    account: Account,
    work: impl FnOnce(&Account) -> T + 'static,
) -> JoinHandle<T> {
    thread::spawn(move || work(&account))
}

fn join<T>(thread: JoinHandle<T>) -> T {
    thread.join().expect("the thread has not panicked")
}
