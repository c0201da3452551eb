//! Limits and options of accepted streams.

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
    /// Set on each accepted socket, because it is not inherited.
    pub(super) fd_passing: Option<bool>,
    /// The budget that clients are charged to.
    pub(super) budget: Option<Budget>,
}

impl<const S: usize> AcceptOptions<S> {
    /// Converts an accepted socket into a stream. If the account of the client has no room for it,
    /// closes the socket and returns `None`.
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
            // If the kernel does not have the option, the limit of the stream applies.
            let _ = set_fd_passing(&socket, on);
        }
        let mut stream = self.stream.registered(socket)?;
        if let Some((account, charge)) = charged {
            stream.socket.set_account(account, Some(charge));
        }
        Ok(Some(stream))
    }
}
