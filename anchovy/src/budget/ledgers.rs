//! The ledgers of all resources of a budget.

use std::os::fd::OwnedFd;
use std::sync::PoisonError;

use super::key::AccountKey;
use super::ledger::Ledger;
use super::lines::Lines;
use super::lingering::Lingering;
use super::resource::{Resource, Usage};
use crate::limits::DBUS_FD_LIMIT;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicUsize, Ordering};

#[derive(Debug)]
pub(super) struct Ledgers {
    held_fds: Ledger,
    fds_in_flight: Ledger,
    bytes: Ledger,
    lingering: Mutex<Vec<Lingering>>,
    /// Number of receives in progress. Each may deliver as many descriptors as one message can
    /// carry.
    receiving: AtomicUsize,
    lines: Lines,
}

/// A receive in progress.
#[derive(Debug)]
#[must_use = "the receive is over when this is dropped"]
pub(crate) struct Receiving<'a>(&'a Ledgers);

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        self.0.receiving.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Ledgers {
    pub(super) fn new(totals: &Usage) -> Ledgers {
        Ledgers {
            held_fds: Ledger::new(totals.held_fds),
            fds_in_flight: Ledger::new(totals.fds_in_flight),
            bytes: Ledger::new(totals.bytes),
            lingering: Mutex::new(Vec::new()),
            receiving: AtomicUsize::new(0),
            lines: Lines::new(),
        }
    }

    pub(super) fn ledger(&self, resource: Resource) -> &Ledger {
        match resource {
            Resource::HeldFds => &self.held_fds,
            Resource::FdsInFlight => &self.fds_in_flight,
            Resource::Bytes => &self.bytes,
        }
    }

    pub(super) fn lines(&self) -> &Lines {
        &self.lines
    }

    pub(super) fn totals(&self) -> Usage {
        self.each(Ledger::total)
    }

    pub(super) fn usage(&self) -> Usage {
        self.each(Ledger::used)
    }

    pub(super) fn usage_of(&self, key: AccountKey) -> Usage {
        self.each(|ledger| ledger.used_by(key))
    }

    /// Starts a receive if the descriptor table has room for the maximum that it may deliver,
    /// because descriptors are counted only after they are in the table. A single receive is
    /// always admitted.
    pub(super) fn begin_receive(&self) -> Option<Receiving<'_>> {
        let before = self.receiving.fetch_add(1, Ordering::AcqRel);
        let receiving = Receiving(self);
        let most = self.held_fds.used() + (before + 1) * DBUS_FD_LIMIT;
        (before == 0 || most <= self.held_fds.total()).then_some(receiving)
    }

    /// Keeps a socket whose peer has not read all descriptors that were sent to it. The amounts
    /// are already charged.
    pub(super) fn linger(&self, socket: OwnedFd, key: AccountKey, in_flight: usize, held: usize) {
        self.release_lingering();
        let lingering = Lingering { socket, key, in_flight, held };
        self.lingering.lock().unwrap_or_else(PoisonError::into_inner).push(lingering);
    }

    /// Closes kept sockets whose peers have read everything or disconnected, and releases their
    /// amounts. Returns whether there were any.
    pub(super) fn release_lingering(&self) -> bool {
        let mut over = Vec::new();
        self.lingering.lock().unwrap_or_else(PoisonError::into_inner).retain_mut(|lingering| {
            let is_over = lingering.is_over();
            if is_over {
                over.push((lingering.key, lingering.in_flight, lingering.held));
            }
            !is_over
        });
        for (key, in_flight, held) in &over {
            self.fds_in_flight.give_back(*key, *in_flight);
            self.held_fds.unpin(*key, *held);
            self.held_fds.give_back(*key, *held);
        }
        !over.is_empty()
    }

    fn each(&self, figure: impl Fn(&Ledger) -> usize) -> Usage {
        Usage {
            held_fds: figure(&self.held_fds),
            fds_in_flight: figure(&self.fds_in_flight),
            bytes: figure(&self.bytes),
        }
    }
}
