//! Charges for descriptors in flight to a peer.
//!
//! The kernel counts descriptors that were sent and not yet read against the sender's user, over
//! all sockets (unix(7)). A peer that does not read could use up this limit, so the descriptors
//! are charged to its account until it has read them.
//!
//! The kernel does not report which of them a peer has read. It reports how much of the sent data
//! is still queued (`SIOCOUTQ`). If that is 0, the peer has read all descriptors. Otherwise all
//! that were sent since then count as unread, so the charge is never too low. The kernel is asked
//! only if the charge is large.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

use crate::budget::{Account, Charge, ChargeRequest, Resource};
use crate::error::fd_error::FdError;

/// Number of descriptors up to which the kernel is not asked whether they were read. Each check
/// costs a system call.
const UNASKED: usize = 64;

/// The delay between two checks while a write waits. Each delay is twice as long as the previous
/// one.
const FIRST_WAIT: Duration = Duration::from_millis(1);
const LONGEST_WAIT: Duration = Duration::from_millis(64);

/// The charge of one connection, and a write that waits for room.
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

    /// Charges `count` descriptors that are about to be sent, if there is room.
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

    /// Charges `count` descriptors that are about to be sent, or waits until there is room. Room
    /// becomes available when this peer or another one of its account has read descriptors.
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
            // No event reports that a peer has read everything; write readiness comes much
            // earlier.
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

    /// Charges `count` descriptors that were sent before the account was set, if it has room.
    pub(crate) fn take_over(&mut self, count: usize) {
        // Without room, the kernel's limit still applies to them.
        let _ = self.charge.try_grow(count);
    }

    /// Releases the charge of `count` descriptors that were not sent.
    pub(crate) fn retract(&mut self, count: usize) {
        self.charge.shrink_to(self.charge.amount() - count.min(self.charge.amount()));
    }

    /// Moves the charge to the caller.
    pub(crate) fn take_charge(&mut self) -> Charge {
        self.charge.split_off(usize::MAX)
    }
}
