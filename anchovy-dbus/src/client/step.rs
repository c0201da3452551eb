//! What every step of a handshake has.

use crate::auth::client::ClientAuth;
use crate::auth::error::HandshakeError;
use crate::connection::{Connection, Outcome, Role};
use crate::credentials::Credentials;
use crate::handshake::{Driver, Machine};
use crate::limits::Limits;

/// What every step carries on.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) driver: Driver<ClientAuth>,
    pub(super) limits: Limits,
}

impl Step {
    pub(super) fn connection(self) -> Result<Connection, HandshakeError> {
        let Driver { socket, machine, .. } = self.driver;
        let Some(guid) = machine.guid() else {
            unreachable!("a handshake is over when the server has said who it is");
        };
        let (unix_fds, credentials) = (machine.unix_fds(), Credentials::of(&socket)?);
        let rest = Machine::into_rest(machine);
        let outcome = Outcome { socket, rest, unix_fds, guid, credentials, role: Role::Client };
        Ok(Connection::new(outcome, &self.limits)?)
    }
}
