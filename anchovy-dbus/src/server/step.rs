//! The data of every step of a handshake.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use crate::auth::error::HandshakeError;
use crate::connection::duplex::Connection;
use crate::credentials::Credentials;
use crate::guid::Guid;
use crate::handshake::driver::Driver;
use crate::handshake::machine::Machine;
use crate::handshake::outcome::{HandshakeOutcome, Role};
use crate::handshake::serving::Serving;
use crate::limits::Limits;
use crate::pending_handshakes::PendingHandshake;

/// The data that each step passes to the next.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) driver: Driver<Serving>,
    pub(super) credentials: Credentials,
    /// The slot among the handshakes of a listener, until this one is over.
    pub(super) pending: Option<PendingHandshake>,
    pub(super) guid: Guid,
    pub(super) fds_at_once: bool,
    pub(super) limits: Arc<Limits>,
}

impl Step {
    /// Sends the output of the state machine, and receives until `step` has an outcome or another client
    /// has taken the slot.
    pub(super) async fn until<T>(
        &mut self,
        step: impl FnMut(&mut Serving) -> Result<Option<T>, HandshakeError>,
    ) -> Result<T, HandshakeError> {
        let Step { driver, pending, .. } = self;
        let mut driven = pin!(driver.until(step));
        poll_fn(|cx| {
            // First, because the end of the handshake may have arrived.
            if let Poll::Ready(outcome) = driven.as_mut().poll(cx) {
                return Poll::Ready(outcome);
            }
            match pending {
                Some(pending) => pending.poll_displaced(cx).map(Err),
                None => Poll::Pending,
            }
        })
        .await
    }

    pub(super) fn connection(self) -> Result<Connection, HandshakeError> {
        let Step { driver, credentials, guid, fds_at_once, limits, .. } = self;
        let Driver { socket, machine, .. } = driver;
        let unix_fds = machine.auth.unix_fds();
        let rest = Machine::into_rest(machine)?;
        let role = Role::Server { fds_at_once };
        let outcome = HandshakeOutcome { socket, rest, unix_fds, guid, credentials, role };
        Ok(Connection::new(outcome, limits)?)
    }
}
