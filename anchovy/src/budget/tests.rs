use std::task::{Context, Waker};

use super::*;
use crate::limits::DBUS_FD_LIMIT;

/// Returns an account that may hold 20 descriptors.
fn account() -> Account {
    Budget::builder().held_fds(40).build().account(1)
}

#[test]
fn an_account_reports_what_it_holds_of_each_resource() {
    let budget = Budget::builder().held_fds(40).fds_in_flight(40).bytes(40).build();
    let account = budget.account(1);
    let charges = [Resource::HeldFds, Resource::FdsInFlight, Resource::Bytes].map(|resource| {
        let amount = 1 + resource as usize;
        (account.try_charge(resource, amount), budget.account(2).try_charge(resource, 1))
    });
    let usage = account.usage();
    assert_eq!((usage.held_fds, usage.fds_in_flight, usage.bytes), (1, 2, 3));
    drop(charges);
    assert_eq!(account.usage(), Usage::default());
}

#[test]
fn one_account_could_hold_half_of_the_total() {
    let budget = Budget::builder().held_fds(40).build();
    assert!(budget.could_ever_hold(Resource::HeldFds, 20));
    assert!(!budget.could_ever_hold(Resource::HeldFds, 21));
}

#[test]
fn a_dropped_request_lets_the_next_one_continue() {
    let account = account();
    let mut cx = Context::from_waker(Waker::noop());
    let mut held = account.try_charge(Resource::HeldFds, 20).expect("room");
    let (mut large, mut small) = (held.split_off(0), held.split_off(0));
    let (mut first, mut second) = (ChargeRequest::new(), ChargeRequest::new());
    assert!(large.poll_grow(&mut cx, 5, &mut first).is_pending());
    assert!(small.poll_grow(&mut cx, 2, &mut second).is_pending());
    held.shrink_to(17);
    assert_eq!(account.usage().held_fds, 17, "the first request is larger");
    drop(first);
    assert_eq!(account.usage().held_fds, 17 + 2, "taken for the second request");
    assert!(small.poll_grow(&mut cx, 2, &mut second).is_ready());
    assert_eq!(small.amount(), 2);
}

#[test]
fn an_account_that_only_waits_is_no_holder() {
    let budget = Budget::builder().held_fds(40).build();
    let _held = budget.account(1).try_charge(Resource::HeldFds, 20).expect("room");
    let mut waiting = budget.account(2).empty_charge(Resource::HeldFds);
    let (mut cx, mut request) = (Context::from_waker(Waker::noop()), ChargeRequest::new());
    assert!(waiting.poll_grow(&mut cx, 20, &mut request).is_pending());
    assert_eq!(budget.holders(Resource::HeldFds), [(AccountKey::Uid(1), 20)]);
}

#[test]
fn a_released_charge_is_no_longer_pinned() {
    let account = account();
    let _held = account.try_charge(Resource::HeldFds, 9).expect("room");
    let pinned = account.try_charge(Resource::HeldFds, 10).expect("room").pin();
    drop(pinned);
    // It would continue with less if everything were pinned.
    let mut charge = account.empty_charge(Resource::HeldFds);
    let (mut cx, mut request) = (Context::from_waker(Waker::noop()), ChargeRequest::new());
    assert!(charge.poll_grow_up_to(&mut cx, 15, &mut request).is_pending());
}

#[test]
fn a_key_is_printed_with_its_kind() {
    assert_eq!(AccountKey::Uid(1000).to_string(), "uid 1000");
    assert_eq!(AccountKey::Other(7).to_string(), "account 7");
}

#[test]
fn concurrent_receives_need_room_for_a_full_set_each() {
    let begins_second = |held_fds| {
        let account = Budget::builder().held_fds(held_fds).build().account(1);
        let _first = account.begin_receive().expect("a single receive is always admitted");
        account.begin_receive().is_some()
    };
    assert!(begins_second(2 * DBUS_FD_LIMIT));
    assert!(!begins_second(2 * DBUS_FD_LIMIT - 1));
}

#[test]
fn debug_of_a_budget_has_its_usage_and_its_totals() {
    let debug = format!("{:?}", Budget::builder().held_fds(40).build());
    assert!(debug.starts_with("Budget { usage: Usage { held_fds: 0,"), "{debug}");
    assert!(debug.contains("totals: ") && debug.contains("held_fds: 40"), "{debug}");
}

#[test]
fn debug_of_an_account_has_its_key_and_its_usage() {
    let account = account();
    let _held = account.try_charge(Resource::HeldFds, 3);
    let debug = format!("{account:?}");
    assert!(debug.starts_with("Account { key: "), "{debug}");
    assert!(debug.contains("usage: Usage { held_fds: 3,"), "{debug}");
}

#[test]
fn debug_of_a_charge_has_its_resource_and_its_amount() {
    let charge = account().try_charge(Resource::HeldFds, 3).expect("room");
    let debug = format!("{charge:?}");
    assert!(debug.contains("resource: HeldFds, amount: 3"), "{debug}");
}

#[test]
fn debug_of_a_request_tells_whether_it_waits() {
    assert_eq!(format!("{:?}", ChargeRequest::new()), "ChargeRequest { waits: false }");
}

#[test]
fn a_budget_has_512_mib_by_default() {
    assert_eq!(Budget::default().totals().bytes, 512 << 20);
}
