//! How long receives wait after large descriptor sets.

use std::task::Waker;

use super::*;
use crate::budget::resource::Usage;

const A: AccountKey = AccountKey::Uid(1);
const B: AccountKey = AccountKey::Uid(2);

fn ledgers() -> Arc<Ledgers> {
    Arc::new(Ledgers::new(&Usage { held_fds: 1000, fds_in_flight: 1000, bytes: 1000 }))
}

fn poll(turn: &mut Turn, ledgers: &Arc<Ledgers>, key: AccountKey) -> bool {
    turn.poll(&mut Context::from_waker(Waker::noop()), ledgers, key).is_ready()
}

/// Returns the number of rounds that a receive waits.
fn wait(turn: &mut Turn, ledgers: &Arc<Ledgers>, key: AccountKey) -> usize {
    (0..).find(|_| poll(turn, ledgers, key)).expect("a number")
}

#[test]
fn a_receive_after_a_large_set_waits_a_round_for_each_64_descriptors() {
    for (fds, rounds) in [(0, 0), (63, 0), (64, 1), (127, 1), (128, 2), (253, 3)] {
        let ledgers = ledgers();
        ledgers.lines().note_set(A, fds);
        assert_eq!(wait(&mut Turn::default(), &ledgers, A), rounds, "{fds} descriptors");
        assert_eq!(wait(&mut Turn::default(), &ledgers, A), 0, "the second after {fds}");
        assert_eq!(ledgers.lines().len(), 0);
    }
}

#[test]
fn the_rounds_of_several_sets_add_up() {
    let ledgers = ledgers();
    ledgers.lines().note_set(A, 64);
    ledgers.lines().note_set(A, 253);
    assert_eq!(wait(&mut Turn::default(), &ledgers, A), 4);
}

#[test]
fn receives_of_an_account_have_one_turn_in_each_round() {
    let ledgers = ledgers();
    ledgers.lines().note_set(A, 128);
    let mut turns = [(); 4].map(|()| (Turn::default(), None));
    for round in 0..10 {
        for (turn, begins) in &mut turns {
            if begins.is_none() && poll(turn, &ledgers, A) {
                *begins = Some(round);
            }
        }
    }
    assert_eq!(turns.map(|(_, begins)| begins), [2, 3, 4, 5].map(Some));
    assert_eq!(ledgers.lines().len(), 0);
}

#[test]
fn receives_of_other_accounts_do_not_wait() {
    let ledgers = ledgers();
    ledgers.lines().note_set(A, 253);
    let mut first = Turn::default();
    assert!(!poll(&mut first, &ledgers, A));
    assert!(poll(&mut Turn::default(), &ledgers, B));
}

#[test]
fn a_receive_that_is_not_polled_holds_up_no_other() {
    let ledgers = ledgers();
    ledgers.lines().note_set(A, 64);
    let mut abandoned = Turn::default();
    assert!(!poll(&mut abandoned, &ledgers, A));
    assert_eq!(wait(&mut Turn::default(), &ledgers, A), 2);
    // Its round is over now, although it has not been polled.
    assert_eq!(wait(&mut Turn::default(), &ledgers, A), 0);
}

#[test]
fn a_dropped_turn_leaves_its_rounds_to_the_next_receive() {
    let ledgers = ledgers();
    ledgers.lines().note_set(A, 253);
    let mut dropped = Turn::default();
    assert!(!poll(&mut dropped, &ledgers, A));
    drop(dropped);
    assert_eq!(wait(&mut Turn::default(), &ledgers, A), 4);
    assert_eq!(ledgers.lines().len(), 0);
}

#[test]
fn a_set_that_arrives_while_receives_wait_delays_only_later_ones() {
    let ledgers = ledgers();
    ledgers.lines().note_set(A, 64);
    let (mut before, mut after) = (Turn::default(), Turn::default());
    assert!(!poll(&mut before, &ledgers, A));
    ledgers.lines().note_set(A, 253);
    assert!(!poll(&mut after, &ledgers, A));
    assert_eq!(wait(&mut before, &ledgers, A), 0);
    // One round for the receive before it, three for the set; one of them is over.
    assert_eq!(wait(&mut after, &ledgers, A), 3);
}

#[test]
fn a_wait_is_limited_to_256_rounds() {
    let ledgers = ledgers();
    for _ in 0..1000 {
        ledgers.lines().note_set(A, 253);
    }
    let mut turns = [(); 2].map(|()| Turn::default());
    assert_eq!(turns.each_mut().map(|turn| wait(turn, &ledgers, A)), [256, 0]);
    for _ in 0..1000 {
        ledgers.lines().note_set(A, 253);
    }
    let mut first = Turn::default();
    assert!(!poll(&mut first, &ledgers, A));
    assert_eq!(wait(&mut Turn::default(), &ledgers, A), 256);
    drop(first);
    assert_eq!(ledgers.lines().len(), 0);
}

#[test]
fn sets_of_accounts_without_a_further_receive_are_forgotten() {
    let ledgers = ledgers();
    ledgers.lines().note_set(A, 253);
    let mut waiting = Turn::default();
    assert!(!poll(&mut waiting, &ledgers, A));
    // miri is slow.
    let last = if cfg!(miri) { 99 } else { 9999 };
    for number in 0..=last {
        ledgers.lines().note_set(AccountKey::Other(number), 253);
    }
    assert!(ledgers.lines().len() < 10, "{} accounts", ledgers.lines().len());
    // A line is not forgotten.
    assert_eq!(wait(&mut Turn::default(), &ledgers, A), 4);
    assert_eq!(wait(&mut waiting, &ledgers, A), 2);
    assert_eq!(wait(&mut Turn::default(), &ledgers, AccountKey::Other(last)), 3);
}
