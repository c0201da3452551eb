//! A listener, and how it accepts clients.

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

/// What a client costs before it sends anything: its socket, and the pidfd of its process.
const FDS_OF_CLIENT: usize = 2;

/// A socket that clients connect to.
///
/// The file of the socket is removed when the listener is dropped.
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
    /// Sets the budget that clients are charged to, each to the account of its uid, which other
    /// listeners may share. Default: [`Budget::default`].
    ///
    /// A client is charged for its socket and the pidfd of its process, for descriptors and bytes that
    /// have arrived and are not received as messages, for the descriptors of received messages until
    /// they are taken or sent on, and for descriptors that were sent to it and that it has not read.
    pub fn with_budget(mut self, budget: Budget) -> Listener {
        self.socket.set_budget(budget.clone());
        self.budget = budget;
        self
    }

    /// Sets the number of clients that may be in their handshake at once. Default: 64.
    ///
    /// Once there are as many, a further client takes the place of another if its uid has fewer
    /// clients in their handshake than the uid that has the most: the oldest handshake of that one
    /// ends with [`HandshakeError::Displaced`](crate::HandshakeError::Displaced). Otherwise the
    /// further client is closed at once, and [counted](Self::refused).
    pub fn with_max_unauthenticated(mut self, most: usize) -> Listener {
        self.handshakes = PendingHandshakes::new(most.max(1));
        self
    }

    /// Where clients connect, with the guid of the server.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// Returns the budget that clients are charged to.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Returns the number of clients that were closed at once, because their uid had no room left in
    /// the budget, or because as many clients were in their handshake as may be and no other uid had
    /// more of them.
    pub fn refused(&self) -> u64 {
        self.socket.refused() + self.refused.load(Ordering::Relaxed)
    }

    /// The next client.
    ///
    /// A full table of descriptors is no error: it is waited for, a little longer each time.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if the budget is too small for any client;
    /// otherwise those of accept(2) that will not pass.
    ///
    /// # Cancel safety
    ///
    /// No client is lost if this is dropped.
    pub async fn accept(&self) -> io::Result<Incoming> {
        let waiting = self.server.waiting_fds();
        if !self.budget.could_ever_hold(Resource::HeldFds, FDS_OF_CLIENT + waiting) {
            let needed = FDS_OF_CLIENT + waiting;
            let error = format!("the budget has no room for the {needed} descriptors of a client");
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

    /// Reserves what the client occupies beside its socket, or closes that.
    fn admit(&self, socket: Socket, waiting: usize) -> Option<Incoming> {
        let mut credentials = Credentials::from_socket(&socket).ok()?;
        // One descriptor, and room for those of a message.
        let charge = socket.account()?.try_charge_with_room(Resource::HeldFds, 1, waiting)?;
        // Last, for it may end the handshake of another.
        let handshake = self.handshakes.begin(credentials.uid())?;
        credentials.add_charged_pidfd(&socket, charge);
        Some(Incoming { socket, credentials, server: Arc::clone(&self.server), handshake })
    }
}
