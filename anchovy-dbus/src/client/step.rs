//! The data of every step of a handshake.

use std::sync::Arc;

use crate::auth::client::ClientAuth;
use crate::auth::error::HandshakeError;
use crate::connection::duplex::Connection;
use crate::credentials::Credentials;
use crate::handshake::driver::Driver;
use crate::handshake::machine::Machine;
use crate::handshake::outcome::{HandshakeOutcome, Role};
use crate::limits::Limits;

/// The data that each step passes to the next.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) driver: Driver<ClientAuth>,
    pub(super) limits: Arc<Limits>,
}

impl Step {
    pub(super) fn connection(self) -> Result<Connection, HandshakeError> {
        let Driver { socket, machine, .. } = self.driver;
        let Some(guid) = machine.guid() else {
            unreachable!("a handshake ends after the server has sent its guid");
        };
        let (unix_fds, credentials) = (machine.unix_fds(), Credentials::from_socket(&socket)?);
        let rest = Machine::into_rest(machine)?;
        let outcome =
            HandshakeOutcome { socket, rest, unix_fds, guid, credentials, role: Role::Client };
        Ok(Connection::new(outcome, self.limits)?)
    }
}
