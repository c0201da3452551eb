//! Descriptors on their way to a peer.
//!
//! The kernel counts descriptors that were sent and not read yet against the user of the sender, over
//! all sockets (unix(7)). A peer that does not read would use up what the others need, so they are
//! charged to its account until it has read them.
//!
//! The kernel does not say which of them a peer has read. It says how much of what was sent is still
//! queued (`SIOCOUTQ`): once that is 0, all were read. Until then all that were sent since are taken
//! for unread, so a peer is charged too much rather than too little, and a peer that reads promptly
//! is asked about only when much is charged to it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::budget::{Account, Charge, ChargeRequest, Resource};
use crate::error::fd_error::FdError;

/// Descriptors that may be charged before the kernel is asked whether they were read. Asking costs
/// a system call.
const UNASKED: usize = 64;

/// Time between two questions while a write waits. Each is twice as long as the one before.
const FIRST_WAIT: Duration = Duration::from_millis(1);
const LONGEST_WAIT: Duration = Duration::from_millis(64);

/// What is charged for one connection, and a write that waits to charge more.
#[derive(Debug)]
pub(crate) struct InFlight {
    charge: Charge,
    request: ChargeRequest,
    wait: Option<Wait>,
}

#[derive(Debug)]
struct Wait {
    sleep: Pin<Box<Sleep>>,
    next: Duration,
}

impl InFlight {
    pub(crate) fn new(account: &Account) -> InFlight {
        InFlight {
            charge: account.empty_charge(Resource::FdsInFlight),
            request: ChargeRequest::new(),
            wait: None,
        }
    }

    /// Charges `count` descriptors that are about to be sent, if there is room for them.
    pub(crate) fn try_admit(&mut self, count: usize, is_drained: impl Fn() -> bool) -> bool {
        if self.charge.amount() >= UNASKED && is_drained() {
            self.charge.shrink_to(0);
        }
        if self.charge.try_grow(count) {
            return true;
        }
        if self.charge.amount() > 0 && is_drained() {
            self.charge.shrink_to(0);
            return self.charge.try_grow(count);
        }
        self.charge.release_lingering() && self.charge.try_grow(count)
    }

    /// Charges `count` descriptors that are about to be sent, or waits until there is room: because
    /// this peer has read, or because others have.
    pub(crate) fn poll_admit(
        &mut self,
        cx: &mut Context<'_>,
        count: usize,
        is_drained: impl Fn() -> bool,
    ) -> Poll<Result<(), FdError>> {
        if !self.charge.could_ever_hold(count) {
            return Poll::Ready(Err(FdError::TooManyInFlight { count }));
        }
        loop {
            let admitted = self.try_admit(count, &is_drained);
            if admitted || self.charge.poll_grow(cx, count, &mut self.request).is_ready() {
                self.request.cancel();
                self.wait = None;
                return Poll::Ready(Ok(()));
            }
            // No event tells when a peer has read all, and readiness to write comes long before.
            let wait = self.wait.get_or_insert_with(|| Wait {
                sleep: Box::pin(sleep(FIRST_WAIT)),
                next: 2 * FIRST_WAIT,
            });
            if wait.sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            wait.sleep.as_mut().reset(Instant::now() + wait.next);
            wait.next = LONGEST_WAIT.min(2 * wait.next);
        }
    }

    /// Takes `count` back that were not sent after all.
    pub(crate) fn retract(&mut self, count: usize) {
        self.charge.shrink_to(self.charge.amount() - count.min(self.charge.amount()));
    }

    /// Gives the charge up to somebody who returns it later.
    pub(crate) fn take_charge(&mut self) -> Charge {
        self.charge.split_off(usize::MAX)
    }
}
