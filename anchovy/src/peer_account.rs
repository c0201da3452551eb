//! Charges of a connection to the account of its peer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::budget::{Account, Charge};
use crate::in_flight::InFlight;

/// The account of the peer of one socket.
#[derive(Debug)]
pub(crate) struct PeerAccount {
    account: Account,
    /// The charge for the socket itself, if it was charged.
    pub(crate) socket: Option<Charge>,
    in_flight: Mutex<InFlight>,
}

impl PeerAccount {
    pub(crate) fn new(account: Account, socket: Option<Charge>) -> PeerAccount {
        let in_flight = Mutex::new(InFlight::new(&account));
        PeerAccount { account, socket, in_flight }
    }

    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// Returns the charge for descriptors in flight. Only the writing half locks it, so it never
    /// blocks.
    pub(crate) fn in_flight(&self) -> MutexGuard<'_, InFlight> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
