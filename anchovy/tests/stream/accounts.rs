//! A stream whose account is replaced by another one.

use anchovy::Budget;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::*;

/// Returns a stream of account 1 with three received descriptors in its queue, and its peer.
async fn with_three_received(budget: &Budget) -> (Dbus, Dbus) {
    let (mut near, mut far) = Dbus::pair().unwrap();
    near.set_read_fd_limit(4).unwrap();
    near.set_account(budget.account(1));
    far.send_with_fds(b"three", &memfds(3)).await.unwrap();
    near.read_exact(&mut [0; 5]).await.unwrap();
    assert_eq!(held(budget), (3, 0));
    (near, far)
}

/// Returns the numbers of descriptors that accounts 1 and 2 hold.
fn held(budget: &Budget) -> (usize, usize) {
    (budget.usage_of(1).held_fds, budget.usage_of(2).held_fds)
}

/// Returns the numbers of descriptors in flight of accounts 1 and 2.
fn in_flight(budget: &Budget) -> (usize, usize) {
    (budget.usage_of(1).fds_in_flight, budget.usage_of(2).fds_in_flight)
}

async fn receive(near: &mut Dbus, far: &mut Dbus, count: usize) {
    far.send_with_fds(b"more", &memfds(count)).await.unwrap();
    near.read_exact(&mut [0; 4]).await.unwrap();
}

#[test]
fn queued_descriptors_move_to_a_new_account_with_the_next_read() {
    run(async {
        let budget = Budget::builder().held_fds(100).build();
        let (mut near, mut far) = with_three_received(&budget).await;
        near.set_account(budget.account(2));
        assert_eq!(held(&budget), (3, 0));
        receive(&mut near, &mut far, 2).await;
        assert_eq!(held(&budget), (0, 5));
        drop(near);
        assert_eq!(held(&budget), (0, 0));
    });
}

#[test]
fn an_account_of_another_budget_is_a_new_account() {
    run(async {
        let budgets = [(); 2].map(|()| Budget::builder().held_fds(100).build());
        let (mut near, mut far) = with_three_received(&budgets[0]).await;
        near.set_account(budgets[1].account(1));
        receive(&mut near, &mut far, 2).await;
        assert_eq!((held(&budgets[0]), held(&budgets[1])), ((0, 0), (5, 0)));
    });
}

#[test]
fn descriptors_that_are_taken_before_the_next_read_do_not_move() {
    run(async {
        let budget = Budget::builder().held_fds(100).build();
        let (mut near, mut far) = with_three_received(&budget).await;
        near.set_account(budget.account(2));
        near.read_queue_mut().clear();
        receive(&mut near, &mut far, 1).await;
        assert_eq!(held(&budget), (0, 1));
    });
}

#[test]
fn a_read_with_the_first_account_again_does_not_wait_for_its_own_charge() {
    run(async {
        // A single account may hold 7: the three in the queue, and four more.
        let budget = Budget::builder().held_fds(14).build();
        let (mut near, mut far) = with_three_received(&budget).await;
        near.set_account(budget.account(2));
        near.set_account(budget.account(1));
        receive(&mut near, &mut far, 4).await;
        assert_eq!(held(&budget), (7, 0));
    });
}

#[test]
fn unread_descriptors_move_to_a_new_account() {
    run(async {
        let budget = Budget::builder().fds_in_flight(100).build();
        let (mut near, _far) = Dbus::pair().unwrap();
        near.set_account(budget.account(1));
        near.send_with_fds(b"three", &memfds(3)).await.unwrap();
        assert_eq!(in_flight(&budget), (3, 0));
        near.set_account(budget.account(2));
        assert_eq!(in_flight(&budget), (0, 3));
        near.write_all(b"bytes").await.unwrap();
        drop(near);
        assert_eq!(in_flight(&budget), (0, 3), "the peer has not read them");
    });
}
