//! Listening: strangers at the door, counted before they are let in.
//!
//! A client costs descriptors as soon as it is accepted, and time until it has said who it is. Both
//! are bounded here: so many clients at once may be in their handshake, half of them of one uid, and
//! what a client costs is charged to its uid. A table that is full, for whatever reason, is waited
//! for.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::address::{Address, Addresses, Bound, ListenError, SocketFile};
use crate::auth::HandshakeError;
use crate::budget::{Charge, FdBudget, Meter};
use crate::connection::Connection;
use crate::credentials::Credentials;
use crate::handshake::Socket;
use crate::server::{Server, Unauthenticated};

/// Clients that may be in their handshake at once, as in dbus-daemon for the system bus
/// (`max_incomplete_connections`).
const MAX_UNAUTHENTICATED: usize = 64;

/// What a client costs before it sends anything: its socket, and the pidfd of its process.
const FDS_OF_CLIENT: usize = 2;

/// How long to wait for room in a full table: at first, doubled each time, and at most.
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

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
/// let listener = Server::new(Guid::generate()?).listen(&address.into())?;
/// println!("listening at {}", listener.address());
/// # let addresses = listener.address().clone().into();
/// # let client = tokio::spawn(async move {
/// #     let mut connection = Client::new().connect(&addresses).await.unwrap();
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
pub struct Listener {
    socket: UnixListener,
    address: Address,
    _file: Option<SocketFile>,
    server: Arc<Server>,
    budget: FdBudget,
    door: Arc<Door>,
    refused: AtomicU64,
}

/// A client that has connected and has not said who it is.
///
/// Dropping it closes its socket.
#[derive(Debug)]
pub struct Incoming {
    socket: Socket,
    credentials: Credentials,
    server: Arc<Server>,
    cost: Cost,
    meter: Meter,
}

/// What a client occupies.
#[derive(Debug)]
pub(crate) struct Cost {
    /// For its socket and its pidfd, as long as they are open.
    pub(crate) charge: Charge,
    /// Among those who are in their handshake, as long as it is.
    _place: Place,
}

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
            door: Door::new(MAX_UNAUTHENTICATED),
            refused: AtomicU64::new(0),
        })
    }
}

impl Listener {
    /// Charges clients to this budget, which other listeners may share.
    pub fn with_budget(mut self, budget: FdBudget) -> Listener {
        self.budget = budget;
        self
    }

    /// Has at most so many clients in their handshake at once, 64 if this is not said, and half as
    /// many of one uid. With as many no other is accepted until one is through; of one uid, more
    /// are closed at once.
    pub fn with_max_unauthenticated(mut self, most: usize) -> Listener {
        self.door = Door::new(most.max(1));
        self
    }

    /// Where clients connect, with the guid of the server.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What clients are charged to.
    pub fn budget(&self) -> &FdBudget {
        &self.budget
    }

    /// Clients that were closed at once: their uid had as many in the handshake as it may, or no
    /// room left in the budget.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
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
        if !self.budget.could_hold(FDS_OF_CLIENT + waiting) {
            let needed = FDS_OF_CLIENT + waiting;
            let error = format!("the budget has no room for the {needed} descriptors of a client");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, error));
        }
        loop {
            let permit = self.door.places.clone().acquire_owned().await;
            let permit = permit.map_err(io::Error::other)?;
            let socket = self.accept_socket().await?;
            match self.admit(socket, permit, waiting) {
                Some(incoming) => return Ok(incoming),
                None => self.refused.fetch_add(1, Ordering::Relaxed),
            };
        }
    }

    async fn accept_socket(&self) -> io::Result<UnixStream> {
        let mut wait = FIRST_WAIT;
        loop {
            let error = match self.socket.accept().await {
                Ok((socket, _)) => return Ok(socket),
                Err(error) => error,
            };
            match Errno::from_io_error(&error) {
                // The client is gone again.
                Some(Errno::CONNABORTED | Errno::INTR | Errno::PROTO) => {}
                // The client stays in the queue of the socket, which stays readable.
                Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                    tokio::time::sleep(wait).await;
                    wait = LONGEST_WAIT.min(wait * 2);
                }
                _ => return Err(error),
            }
        }
    }

    /// Lets a client to the door, or closes its socket.
    fn admit(
        &self,
        socket: UnixStream,
        permit: OwnedSemaphorePermit,
        waiting: usize,
    ) -> Option<Incoming> {
        let uid = socket.peer_cred().ok()?.uid();
        let place = self.door.enter(uid, permit)?;
        let account = self.budget.account(uid);
        let charge = account.charge_with_room(FDS_OF_CLIENT, waiting)?;
        let socket = Socket::new(socket).ok()?;
        let mut credentials = Credentials::of(&socket).ok()?;
        credentials.add_pidfd(&socket);
        let (cost, meter) = (Cost { charge, _place: place }, account.meter(waiting));
        Some(Incoming { socket, credentials, server: Arc::clone(&self.server), cost, meter })
    }
}

impl Incoming {
    /// Who the client is, by the kernel.
    pub fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The whole handshake; [`Server::authorize`] decides.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; the socket is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it closes the socket.
    pub async fn handshake(self) -> Result<Connection, HandshakeError> {
        let server = Arc::clone(&self.server);
        server.finish(self.start()?).await
    }

    /// The first step of a handshake that is taken step by step; see [`server`](crate::server).
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn start(self) -> Result<Unauthenticated, HandshakeError> {
        let Incoming { socket, credentials, server, cost, meter } = self;
        server.start_with(socket, credentials, Some(cost), Some(meter))
    }
}

/// Who is in the handshake.
#[derive(Debug)]
struct Door {
    places: Arc<Semaphore>,
    most_of_uid: usize,
    by_uid: Mutex<HashMap<u32, usize>>,
}

impl Door {
    fn new(most: usize) -> Arc<Door> {
        let most = most.min(Semaphore::MAX_PERMITS);
        Arc::new(Door {
            places: Arc::new(Semaphore::new(most)),
            most_of_uid: most.div_ceil(2),
            by_uid: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u32, usize>> {
        // A number is whole after each statement that changes it.
        self.by_uid.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(self: &Arc<Door>, uid: u32, permit: OwnedSemaphorePermit) -> Option<Place> {
        let mut by_uid = self.lock();
        let count = by_uid.entry(uid).or_default();
        if *count >= self.most_of_uid {
            return None;
        }
        *count += 1;
        Some(Place { door: Arc::clone(self), uid, _permit: permit })
    }
}

/// One who is in the handshake, until this is dropped.
#[derive(Debug)]
struct Place {
    door: Arc<Door>,
    uid: u32,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_uid = self.door.lock();
        if let Some(count) = by_uid.get_mut(&self.uid) {
            *count -= 1;
            if *count == 0 {
                by_uid.remove(&self.uid);
            }
        }
    }
}
