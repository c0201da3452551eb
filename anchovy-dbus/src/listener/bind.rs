//! A listener from addresses, or from a socket that is bound.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::net::UnixListener;

use super::accept::Listener;
use crate::address::addresses::Addresses;
use crate::address::listen::{Bound, ListenError};
use crate::budget::fd_budget::FdBudget;
use crate::pending_handshakes::PendingHandshakes;
use crate::server::serve::Server;

/// Clients that may be in their handshake at once, as in dbus-daemon for the system bus
/// (`max_incomplete_connections`).
const MAX_UNAUTHENTICATED: usize = 64;

impl Server {
    /// Listens at the first of these addresses that can be listened at, with the
    /// [budget](FdBudget) of this process.
    ///
    /// # Errors
    ///
    /// [`ListenError`].
    ///
    /// # Panics
    ///
    /// Outside a runtime of tokio.
    pub fn listen(&self, addresses: &Addresses) -> Result<Listener, ListenError> {
        let bound = addresses.listen()?;
        let address = bound.address.clone();
        self.listen_on(bound).map_err(|error| ListenError::of(address, error))
    }

    /// Listens on a socket that is bound already.
    ///
    /// # Errors
    ///
    /// Those of registering it with tokio.
    ///
    /// # Panics
    ///
    /// Outside a runtime of tokio.
    pub fn listen_on(&self, bound: Bound) -> io::Result<Listener> {
        let Bound { listener, address, file } = bound;
        listener.set_nonblocking(true)?;
        if self.kernel_refuses {
            // What connections have from their start. A kernel that cannot refuse leaves it to us.
            let _ = anchovy::set_fd_passing(&listener, false);
        }
        Ok(Listener {
            socket: UnixListener::from_std(listener)?,
            address: address.with_guid(self.guid()),
            _file: file,
            server: Arc::new(self.clone()),
            budget: FdBudget::default(),
            handshakes: PendingHandshakes::new(MAX_UNAUTHENTICATED),
            refused: AtomicU64::new(0),
        })
    }
}
