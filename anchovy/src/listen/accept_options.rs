//! Limits and options of accepted streams.

use std::io;

use crate::budget::Budget;
use crate::builder::StreamBuilder;
use crate::reactor::Accepted;
use crate::stream::anchovy_stream::AnchovyStream;

/// Limits and options of accepted streams.
#[derive(Clone, Debug)]
pub(super) struct AcceptOptions<const S: usize> {
    pub(super) stream: StreamBuilder<S>,
    /// Set on each accepted socket, because it is not inherited.
    pub(super) fd_passing: Option<bool>,
    /// Whether the kernel has refused descriptors since before listen(2).
    pub(super) refused: bool,
    /// The budget that clients are charged to.
    pub(super) budget: Option<Budget>,
}

impl<const S: usize> AcceptOptions<S> {
    /// Converts an accepted socket into a stream. If the account of the client has no room for it,
    /// closes the socket and returns `None`. Such a socket is never registered with tokio, which saves
    /// two system calls.
    #[inline]
    pub(super) fn stream(&self, socket: Accepted) -> io::Result<Option<AnchovyStream<S>>> {
        let charged = match &self.budget {
            None => None,
            Some(budget) => {
                let account = budget.account(socket.peer_cred()?.uid());
                let Some(charge) = account.charge_socket() else { return Ok(None) };
                Some((account, charge))
            }
        };
        let mut stream = self.stream.registered(socket.register()?, self.refused)?;
        if let Some(on) = self.fd_passing {
            // If the kernel does not have the option, the limit of the stream applies.
            let _ = stream.socket.set_fd_passing(on);
        }
        if let Some((account, charge)) = charged {
            stream.socket.set_account(account, Some(charge));
        }
        Ok(Some(stream))
    }
}
