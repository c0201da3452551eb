//! What each accepted stream gets.

use std::io;

use tokio::net::UnixStream;

use crate::budget::Budget;
use crate::builder::StreamBuilder;
use crate::passing::set_fd_passing;
use crate::stream::anchovy_stream::AnchovyStream;

/// Limits and options of accepted streams.
#[derive(Clone, Debug)]
pub(super) struct AcceptOptions<const S: usize> {
    pub(super) stream: StreamBuilder<S>,
    /// To be set on each accepted socket, because it is not inherited.
    pub(super) fd_passing: Option<bool>,
    /// What each client is charged to.
    pub(super) budget: Option<Budget>,
}

impl<const S: usize> AcceptOptions<S> {
    /// Makes a stream of an accepted socket. Returns `None`, and closes the socket, if the account of
    /// the client has no room for it.
    pub(super) fn stream(&self, socket: UnixStream) -> io::Result<Option<AnchovyStream<S>>> {
        let charged = match &self.budget {
            None => None,
            Some(budget) => {
                let account = budget.account(socket.peer_cred()?.uid());
                let Some(charge) = account.charge_socket() else { return Ok(None) };
                Some((account, charge))
            }
        };
        if let Some(on) = self.fd_passing {
            // A kernel without the option leaves it to the limit of the stream.
            let _ = set_fd_passing(&socket, on);
        }
        let mut stream = self.stream.registered(socket)?;
        if let Some((account, charge)) = charged {
            stream.socket.set_account(account, Some(charge));
        }
        Ok(Some(stream))
    }
}
