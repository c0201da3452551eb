//! A listener that accepts clients.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anchovy::{AnchovyListener, Budget, DBUS_SCM_RIGHTS, Resource};

use super::incoming::Incoming;
use crate::address::construct::Address;
use crate::credentials::Credentials;
use crate::pending_handshakes::PendingHandshakes;
use crate::server::serve::Server;
use crate::socket::Socket;

/// Descriptors of a client that has sent nothing: its socket, and the pidfd of its process.
const FDS_OF_CLIENT: usize = 2;

/// A listening socket whose clients perform the handshake of a [`Server`].
///
/// Dropping the listener removes the file of a socket that [`Server::bind`] has made. For a socket that
/// was passed to [`Server::with_listener`], see
/// [`ListenerBuilder::unlink_on_drop`](anchovy::ListenerBuilder::unlink_on_drop).
///
/// # Examples
///
/// ```
/// use anchovy_dbus::{Address, Guid, Message, Server};
/// # use anchovy_dbus::Client;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let address = Address::tmpdir(std::env::temp_dir())?;
/// let listener = Server::new(Guid::generate()?).bind(&address.into())?;
/// println!("listening at {}", listener.address());
/// # let address = listener.address().clone();
/// # let client = tokio::spawn(async move {
/// #     let mut connection = Client::new().connect(address).await.unwrap();
/// #     connection.send(Message::method_call("/", "Ping").build().unwrap()).await.unwrap();
/// #     connection.receive().await.unwrap().unwrap()
/// # });
/// # let served =
/// loop {
///     let incoming = listener.accept().await?;
///     let task = tokio::spawn(async move {
///         let mut connection = incoming.handshake().await?;
///         while let Some(call) = connection.receive().await? {
///             connection.send(Message::method_return(&call).build()?).await?;
///         }
///         Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
///     });
/// #   break task;
/// }
/// # ;
/// # client.await?;
/// # served.await?.unwrap();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "the socket is closed when this is dropped"]
pub struct Listener {
    pub(super) socket: AnchovyListener<DBUS_SCM_RIGHTS>,
    pub(super) address: Address,
    pub(super) server: Arc<Server>,
    pub(super) budget: Budget,
    pub(super) handshakes: Arc<PendingHandshakes>,
    pub(super) refused: AtomicU64,
}

impl Listener {
    /// Sets the budget, which limits what clients make this process hold. It has an account for each uid,
    /// to which all clients of the uid are charged. Several listeners can share a budget. Default:
    /// [`Budget::default`].
    ///
    /// A client is charged for:
    ///
    /// - its socket and the pidfd of its process,
    /// - descriptors and bytes that have arrived and that are not yet received as messages,
    /// - descriptors of received messages, until they are taken or forwarded,
    /// - descriptors that were sent to it and that it has not read,
    /// - memory for messages that a [call](crate::Connection::call) keeps until they are received,
    /// - memory for messages that wait to be sent to it.
    ///
    /// For what happens at the limit, see the table in the
    /// [crate documentation](crate#limits-on-what-clients-make-a-server-hold).
    pub fn with_budget(mut self, budget: Budget) -> Listener {
        self.socket.set_budget(budget.clone());
        self.budget = budget;
        self
    }

    /// Sets the maximum number of clients in the handshake. 0 counts as 1. Default: 64, as in
    /// dbus-daemon for the system bus (`max_incomplete_connections`).
    ///
    /// At this number, a new client is accepted only if another uid has more clients in the handshake
    /// than the uid of the new client has. Then the oldest client of the uid with the most clients in the
    /// handshake is displaced: its handshake fails with
    /// [`HandshakeError::Displaced`](crate::HandshakeError::Displaced). Otherwise the new client is
    /// closed at once and [counted](Self::refused).
    pub fn with_max_unauthenticated(mut self, most: usize) -> Listener {
        self.handshakes = PendingHandshakes::new(most.max(1));
        self
    }

    /// Returns the address that clients connect to, with the guid of the server.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Returns the budget.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Returns the number of clients that were closed at once.
    ///
    /// A client is closed at once if the account of its uid has no room, or if the
    /// [maximum number](Self::with_max_unauthenticated) of clients is in the handshake and it cannot
    /// displace one of them.
    pub fn refused(&self) -> u64 {
        self.socket.refused() + self.refused.load(Ordering::Relaxed)
    }

    /// Accepts the next client.
    ///
    /// While the descriptor table is full, this method waits and tries again after an increasing delay.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidInput`](io::ErrorKind::InvalidInput) if the budget is too small for one client,
    /// or an error of accept(2) that is permanent.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. No client is lost.
    pub async fn accept(&self) -> io::Result<Incoming> {
        let waiting = self.server.waiting_fds();
        if !self.budget.could_ever_hold(Resource::HeldFds, FDS_OF_CLIENT + waiting) {
            let needed = FDS_OF_CLIENT + waiting;
            let error = format!(
                "a client needs {needed} descriptors, which the budget can never have; use a larger \
                 budget"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
        }
        loop {
            let (socket, _) = self.socket.accept().await?;
            match self.admit(socket, waiting) {
                Some(incoming) => return Ok(incoming),
                None => self.refused.fetch_add(1, Ordering::Relaxed),
            };
        }
    }

    /// Charges what the client needs besides its socket. If that is not possible, closes the socket.
    fn admit(&self, socket: Socket, waiting: usize) -> Option<Incoming> {
        let mut credentials = Credentials::from_socket(&socket).ok()?;
        // One descriptor, and room for those of a message.
        let charge = socket.account()?.try_charge_with_room(Resource::HeldFds, 1, waiting)?;
        // Last, because it may end the handshake of another client.
        let handshake = self.handshakes.begin(credentials.uid())?;
        credentials.add_charged_pidfd(&socket, charge);
        Some(Incoming { socket, credentials, server: Arc::clone(&self.server), handshake })
    }
}
