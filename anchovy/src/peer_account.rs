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

    /// Moves the charges of the former account of the socket to this one, if it has room for them.
    /// The socket otherwise stays charged to the former account.
    pub(crate) fn take_over(&mut self, mut former: PeerAccount) {
        let in_flight = former.in_flight().take_charge().amount();
        self.in_flight().take_over(in_flight);
        if self.socket.is_none() && former.socket.is_some() {
            self.socket = self.account.charge_socket().or(former.socket.take());
        }
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
