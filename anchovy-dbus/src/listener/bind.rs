//! Creating a listener from addresses, or from a listening socket.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anchovy::{AnchovyListener, DBUS_SCM_RIGHTS, set_fd_passing};

use super::accept::Listener;
use crate::address::addresses::Addresses;
use crate::address::bind::Bound;
use crate::address::construct::Address;
use crate::address::listen_error::ListenError;
use crate::pending_handshakes::PendingHandshakes;
use crate::server::serve::Server;

/// Maximum number of clients in the handshake, as in dbus-daemon for the system bus
/// (`max_incomplete_connections`).
const MAX_UNAUTHENTICATED: usize = 64;

impl Server {
    /// Binds the first of these addresses that can be bound, and listens.
    ///
    /// Clients are charged to a [default budget](anchovy::Budget::default).
    /// [`Listener::with_budget`] sets another one.
    ///
    /// # Errors
    ///
    /// Returns a [`ListenError`] with the reason for each address.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
    pub fn bind(&self, addresses: &Addresses) -> Result<Listener, ListenError> {
        let mut options = AnchovyListener::builder();
        if self.kernel_refuses {
            options = options.fd_passing(false);
        }
        let Bound { listener, address } = addresses.bind_with(&options)?;
        Ok(self.listener(listener, address))
    }

    /// Creates a listener from a listening socket, such as one from socket activation.
    ///
    /// Clients are charged to the [budget](AnchovyListener::budget) of the socket. If it has none, they
    /// are charged to a [default](anchovy::Budget::default) one.
    ///
    /// `address` is the address that clients connect to. The guid of this server replaces that of the
    /// address.
    ///
    /// As with [`bind`](Self::bind), the kernel refuses descriptors until descriptor passing is agreed
    /// on, if it can; see [`fds_before_agreement`](Self::fds_before_agreement). If a client connected
    /// before this call and sent descriptors with its handshake, the handshake fails.
    ///
    /// # Examples
    ///
    /// ```
    /// use anchovy::AnchovyListener;
    /// use anchovy_dbus::{Address, Guid, Server};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let path = std::env::temp_dir().join(format!("anchovy-dbus-mode-{}", std::process::id()));
    /// // A socket that only this user can connect to.
    /// let socket = AnchovyListener::builder().mode(0o600).bind(&path)?;
    /// let listener = Server::new(Guid::generate()?).with_listener(socket, Address::path(&path)?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_listener(
        &self,
        listener: AnchovyListener<DBUS_SCM_RIGHTS>,
        address: Address,
    ) -> Listener {
        if self.kernel_refuses {
            // If the kernel cannot refuse descriptors, the handshake does.
            let _ = set_fd_passing(&listener, false);
        }
        self.listener(listener, address)
    }

    fn listener(&self, mut socket: AnchovyListener<DBUS_SCM_RIGHTS>, address: Address) -> Listener {
        let budget = socket.budget().cloned().unwrap_or_default();
        socket.set_budget(budget.clone());
        Listener {
            socket,
            address: address.with_guid(self.guid()),
            server: Arc::new(self.clone()),
            budget,
            handshakes: PendingHandshakes::new(MAX_UNAUTHENTICATED),
            refused: AtomicU64::new(0),
        }
    }
}
