//! The descriptors that wait on one connection.

use std::task::{Context, Poll};

use anchovy::DBUS_FD_LIMIT;

use super::fd_budget::{Account, FdCharge};

/// What the receives of one connection bring.
#[derive(Debug)]
pub(crate) struct FdMeter {
    /// For all that may wait, as long as anything does.
    charge: FdCharge,
    most: usize,
}

impl FdMeter {
    /// Creates a meter for a connection on which at most `most` descriptors wait for the rest of
    /// their message.
    pub(crate) fn new(account: Account, most: usize) -> FdMeter {
        FdMeter { charge: FdCharge { account, count: 0 }, most }
    }

    /// Waits until there is room for all that may wait on this connection, and until a receive may
    /// bring more than that for an instant.
    pub(crate) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<ReceivePermit<'_>> {
        let FdCharge { account, count: before } = &mut self.charge;
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
        Poll::Ready(ReceivePermit { meter: self, keep: before })
    }

    /// The charge for so many that are taken; `waiting` stay.
    pub(crate) fn take(&mut self, count: usize, waiting: usize) -> FdCharge {
        let count = count.min(self.charge.count);
        self.charge.count -= count;
        let account = self.charge.account.clone();
        if waiting == 0 {
            self.charge = FdCharge { account: account.clone(), count: 0 };
        }
        FdCharge { account, count }
    }
}

/// Permission for one receive, until it is over.
#[derive(Debug)]
#[must_use = "dropping it ends the receive"]
pub(crate) struct ReceivePermit<'a> {
    meter: &'a mut FdMeter,
    keep: usize,
}

impl ReceivePermit<'_> {
    /// It is over: so many wait, and so many are about to be taken.
    pub(crate) fn complete(mut self, waiting: usize, taken: usize) {
        self.keep = if waiting > 0 { self.meter.most } else { taken };
    }
}

impl Drop for ReceivePermit<'_> {
    fn drop(&mut self) {
        let FdCharge { account, count } = &mut self.meter.charge;
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

    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Wake, Waker};

    use super::super::fd_budget::FdBudget;
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
            let (mut one, mut other) =
                (FdMeter::new(budget.account(1), 8), FdMeter::new(budget.account(2), 8));
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
        let mut meter = FdMeter::new(budget.account(1), 8);
        let receive = |meter: &mut FdMeter, cx: &mut Context<'_>, waiting, taken| {
            let Poll::Ready(receiving) = meter.poll_receive(cx) else { panic!("there is room") };
            receiving.complete(waiting, taken);
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
        let mut meters = [FdMeter::new(budget.account(1), 8), FdMeter::new(budget.account(1), 8)];
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
        assert!(FdMeter::new(budget.account(1), 1).poll_receive(&mut cx).is_pending());
        assert!(FdMeter::new(budget.account(2), 10).poll_receive(&mut cx).is_ready());
        assert!(FdMeter::new(budget.account(2), 11).poll_receive(&mut cx).is_pending());
        // What one may have, all may have together.
        let _more = budget.account(2).charge_with_room(5, 0).expect("room");
        assert!(FdMeter::new(budget.account(3), 6).poll_receive(&mut cx).is_pending());
    }
}
