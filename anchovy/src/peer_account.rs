//! What a connection charges to the account of its peer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::budget::{Account, Charge};
use crate::in_flight::InFlight;

/// The account of the peer of one socket.
#[derive(Debug)]
pub(crate) struct PeerAccount {
    account: Account,
    /// For the socket itself, if somebody has charged it.
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

    /// Only the half that writes asks for it, so nobody waits for the lock.
    pub(crate) fn in_flight(&self) -> MutexGuard<'_, InFlight> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
