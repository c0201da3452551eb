//! What every step of a handshake has.

use crate::auth::error::HandshakeError;
use crate::connection::{Connection, Outcome, Role};
use crate::credentials::Credentials;
use crate::guid::Guid;
use crate::handshake::{Driver, Machine, Serving};
use crate::limits::Limits;
use crate::listener::Cost;

/// What every step carries on.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) driver: Driver<Serving>,
    pub(super) credentials: Credentials,
    pub(super) cost: Option<Cost>,
    pub(super) guid: Guid,
    pub(super) fds_at_once: bool,
    pub(super) limits: Limits,
}

impl Step {
    pub(super) fn connection(self) -> Result<Connection, HandshakeError> {
        let Step { driver, credentials, cost, guid, fds_at_once, limits } = self;
        let Driver { socket, machine, meter, .. } = driver;
        let unix_fds = machine.auth.unix_fds();
        let rest = Machine::into_rest(machine);
        let role = Role::Server { fds_at_once, cost, meter };
        let outcome = Outcome { socket, rest, unix_fds, guid, credentials, role };
        Ok(Connection::new(outcome, &limits)?)
    }
}
