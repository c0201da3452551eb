//! The memory that a framed stream keeps, and its charge.

use std::task::{Context, Poll};

use crate::budget::{Account, Charge, ChargeRequest, Resource};

/// The most memory in bytes that an empty buffer keeps. Larger memory is freed.
pub(super) const KEPT: usize = 256 << 10;

/// Memory of a buffer in bytes that is not charged, so that small frames and idle connections do not
/// access the ledger.
pub(super) const UNCHARGED: usize = 8 << 10;

/// The charge for the memory of one buffer.
#[derive(Debug)]
pub(super) struct MemoryCharge {
    charge: Charge,
    request: ChargeRequest,
}

/// The charge is more than the account could ever hold.
#[derive(Debug)]
pub(super) struct OverBudget;

impl MemoryCharge {
    pub(super) fn new(account: &Account) -> MemoryCharge {
        let charge = account.empty_charge(Resource::Bytes);
        MemoryCharge { charge, request: ChargeRequest::new() }
    }

    /// Returns whether a request for a larger charge waits.
    pub(super) fn is_waiting(&self) -> bool {
        self.request.is_waiting()
    }

    /// Charges memory of `bytes` in all, if the account has room for it.
    pub(super) fn try_charge(&mut self, bytes: usize) -> bool {
        let missing = self.missing(bytes);
        let is_charged = missing == 0 || self.charge.try_grow(missing);
        if is_charged {
            self.request.cancel();
        }
        is_charged
    }

    /// Charges memory of `bytes` in all, or waits until the account has room for it.
    pub(super) fn poll_charge(
        &mut self,
        cx: &mut Context<'_>,
        bytes: usize,
    ) -> Poll<Result<(), OverBudget>> {
        let missing = self.missing(bytes);
        if missing == 0 {
            self.request.cancel();
            return Poll::Ready(Ok(()));
        }
        let grown = self.charge.poll_grow(cx, missing, &mut self.request);
        if grown.is_pending() && !self.charge.could_ever_hold(chargeable(bytes)) {
            self.request.cancel();
            return Poll::Ready(Err(OverBudget));
        }
        grown.map(Ok)
    }

    /// Cancels a request that waits.
    pub(super) fn cancel(&mut self) {
        self.request.cancel();
    }

    /// Releases the charge for more than `bytes`. A request that waits continues to wait.
    pub(super) fn release_unused(&mut self, bytes: usize) {
        self.charge.shrink_to(chargeable(bytes));
    }

    fn missing(&self, bytes: usize) -> usize {
        chargeable(bytes).saturating_sub(self.charge.amount())
    }
}

fn chargeable(bytes: usize) -> usize {
    bytes.saturating_sub(UNCHARGED)
}
