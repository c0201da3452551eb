//! Connecting: everything at once, or step by step.
//!
//! [`Client`] does the whole handshake. Who wants to decide in between, takes the steps, each of
//! which is a type that has only what may come next:
//!
//! ```text
//! Unauthenticated ─ authenticate ─▶ Accepted(Authenticated) ─ negotiate_unix_fd ─▶ Negotiated
//!                        │  ▲                │      └────────────── begin ────┐        │ begin
//!                        ▼  │ authenticate   │ cancel                         ▼        ▼
//!                      Rejected ◀────────────┘                              Connection
//! ```
//!
//! ```
//! use anchovy_dbus::auth::Login;
//! use anchovy_dbus::client::Authentication;
//! use anchovy_dbus::{Client, Message};
//! # use anchovy_dbus::{Guid, Server};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let (socket, far) = tokio::net::UnixStream::pair()?;
//! # let server = Server::new(Guid::generate()?);
//! # let served = tokio::spawn(async move { server.handshake(far).await });
//! let client = Client::new().start(socket)?;
//! let authenticated = match client.authenticate(Login::External).await? {
//!     Authentication::Accepted(authenticated) => authenticated,
//!     Authentication::Rejected(rejected) => panic!("it takes {}", rejected.mechanisms()),
//! };
//! let negotiated = authenticated.negotiate_unix_fd().await?;
//! assert!(negotiated.unix_fds());
//! let mut connection = negotiated.begin().await?;
//! connection.send(Message::signal("/", "com.example.Door", "Opened").build()?).await?;
//! # served.await??;
//! # Ok(())
//! # }
//! ```
//!
//! A step that is skipped does not compile, for there is no such method:
//!
//! ```compile_fail,E0599
//! # async fn f(client: anchovy_dbus::client::Unauthenticated) {
//! client.begin().await; // nobody has been let in
//! # }
//! ```
//!
//! ```compile_fail,E0599
//! # async fn f(client: anchovy_dbus::client::Unauthenticated) {
//! client.negotiate_unix_fd().await; // servers take that once they have said OK
//! # }
//! ```
//!
//! ```compile_fail,E0599
//! # async fn f(rejected: anchovy_dbus::client::Rejected) {
//! rejected.begin().await;
//! # }
//! ```
//!
//! Nor does one that is repeated:
//!
//! ```compile_fail,E0382
//! # async fn f(client: anchovy_dbus::client::Unauthenticated) {
//! use anchovy_dbus::auth::Login;
//!
//! let first = client.authenticate(Login::External).await;
//! let again = client.authenticate(Login::External).await;
//! # }
//! ```
//!
//! ```compile_fail,E0599
//! # async fn f(negotiated: anchovy_dbus::client::Negotiated) {
//! negotiated.negotiate_unix_fd().await;
//! # }
//! ```
//!
//! ```compile_fail,E0382
//! # async fn f(authenticated: anchovy_dbus::client::Authenticated) {
//! let connection = authenticated.begin().await;
//! let another = authenticated.begin().await;
//! # }
//! ```
//!
//! Nor does a message before `BEGIN`:
//!
//! ```compile_fail,E0599
//! # async fn f(negotiated: anchovy_dbus::client::Negotiated, message: anchovy_dbus::Message) {
//! negotiated.send(message).await;
//! # }
//! ```
//!
//! ```compile_fail,E0599
//! # async fn f(authenticated: anchovy_dbus::client::Authenticated, message: anchovy_dbus::Message) {
//! authenticated.send(message).await;
//! # }
//! ```
//!
//! Whether descriptors may pass is the server's answer, which no type can know: sending them without
//! it fails with [`FdsNotAgreed`](crate::SendErrorKind::FdsNotAgreed), and the message comes back.

use std::error::Error;
use std::fmt;
use std::num::NonZeroU32;

use anchovy::IntoUnixStream;
use bytes::Bytes;

use crate::address::{Address, Addresses, ConnectError};
use crate::auth::{ClientAuth, HandshakeError, Login, Reply};
use crate::codec::MessageCodec;
use crate::connection::{Connection, Outcome, Role};
use crate::credentials::Credentials;
use crate::error::SendError;
use crate::guid::Guid;
use crate::handshake::{Driver, Machine, Socket};
use crate::limits::{HandshakeLimits, Limits};
use crate::message::Message;

/// How to connect: who to say one is, what to ask for, and within which limits.
///
/// ```no_run
/// use anchovy_dbus::auth::Login;
/// use anchovy_dbus::{Addresses, Client};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bus = Client::new().connect(&Addresses::session()?).await?;
///
/// // Through an old xdg-dbus-proxy, to a server that knows us by another number.
/// let addresses = "unix:path=/run/user/1000/.dbus-proxy/bus".parse()?;
/// let login = Login::ExternalUid(100_000);
/// let bus = Client::new().login(login).stepwise().connect(&addresses).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Client {
    login: Login,
    pipelined: bool,
    unix_fds: bool,
    guid: Option<Guid>,
    limits: Limits,
    handshake_limits: HandshakeLimits,
}

impl Default for Client {
    fn default() -> Client {
        Client::new()
    }
}

impl Client {
    /// Whoever the kernel says, asking for descriptors, everything in one write.
    pub fn new() -> Client {
        Client {
            login: Login::External,
            pipelined: true,
            unix_fds: true,
            guid: None,
            limits: Limits::client(),
            handshake_limits: HandshakeLimits::default(),
        }
    }

    /// Says this about who it is.
    pub fn login(mut self, login: Login) -> Client {
        self.login = login;
        self
    }

    /// Waits for each reply before it goes on: three round trips in place of one, which proxies
    /// take that lose their way otherwise (xdg-dbus-proxy before 0.1.6).
    ///
    /// Nothing then tells when the server has read `BEGIN`, and libdbus and sd-bus as servers lose
    /// descriptors that they read together with it. So let a message without any be answered before
    /// the first that has some, as a bus answers `Hello`.
    pub fn stepwise(mut self) -> Client {
        self.pipelined = false;
        self
    }

    /// Does not ask for descriptors.
    pub fn without_fds(mut self) -> Client {
        self.unix_fds = false;
        self
    }

    /// Accepts no server but the one with this guid. An address that names one does the same.
    pub fn guid(mut self, guid: Guid) -> Client {
        self.guid = Some(guid);
        self
    }

    /// Within these limits, once messages flow.
    pub fn limits(mut self, limits: Limits) -> Client {
        self.limits = limits;
        self
    }

    /// Within these limits until then.
    pub fn handshake_limits(mut self, limits: HandshakeLimits) -> Client {
        self.handshake_limits = limits;
        self
    }

    /// Connects to the first of these addresses that can be reached.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; nothing stays open.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it closes what it has opened.
    pub async fn connect(&self, addresses: &Addresses) -> Result<Connection, OpenError> {
        self.open(addresses, Bytes::new()).await
    }

    /// Connects, and sends a message: on a bus, the call of `Hello`, which has to be the first.
    /// Returns its serial too.
    ///
    /// It leaves in one write with the handshake, so that the bus has answered both after one round
    /// trip. Step by step it leaves behind the handshake, and so does a message with descriptors,
    /// for they may not be sent before they are agreed on.
    ///
    /// ```no_run
    /// use anchovy_dbus::{Addresses, Client, Message};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let hello = Message::method_call("/org/freedesktop/DBus", "Hello")
    ///     .interface("org.freedesktop.DBus")
    ///     .destination("org.freedesktop.DBus")
    ///     .build()?;
    /// let (mut bus, serial) = Client::new().connect_and_send(&Addresses::session()?, hello).await?;
    /// let answer = bus.receive().await?.expect("the bus answers");
    /// assert_eq!(answer.header().reply_serial(), Some(serial));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`OpenError`]; nothing stays open.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it closes what it has opened; the message may have left.
    pub async fn connect_and_send(
        &self,
        addresses: &Addresses,
        mut first: Message,
    ) -> Result<(Connection, NonZeroU32), OpenError> {
        let given = first.serial();
        let serial = given.unwrap_or(NonZeroU32::MIN);
        // What must not leave yet, or at all, goes the usual way, which says why.
        let may_leave = MessageCodec::new(self.limits.clone(), false).check(&first).is_ok();
        if !self.pipelined || !may_leave {
            let mut connection = self.connect(addresses).await?;
            let sent = connection.send(first).await;
            return sent.map(|serial| (connection, serial)).map_err(OpenError::First);
        }
        first.set_serial(serial);
        let bytes = first.to_bytes().expect("it has a serial, and was checked");
        let mut connection = self.open(addresses, bytes).await?;
        if given.is_none() {
            connection.go_on_after(serial);
        }
        Ok((connection, serial))
    }

    async fn open(&self, addresses: &Addresses, behind: Bytes) -> Result<Connection, OpenError> {
        let connected = addresses.connect().await.map_err(OpenError::Connect)?;
        let address = connected.address;
        let mut client = self.clone();
        client.guid = address.guid().or(client.guid);
        match client.whole_handshake(connected.stream, behind).await {
            Ok(connection) => Ok(connection),
            Err(error) => Err(OpenError::Handshake { address, error }),
        }
    }

    /// The handshake on a socket that is connected already.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; the socket is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it closes the socket.
    pub async fn handshake(
        &self,
        socket: impl IntoUnixStream,
    ) -> Result<Connection, HandshakeError> {
        self.whole_handshake(socket, Bytes::new()).await
    }

    /// With bytes that leave behind it, if it leaves at once.
    async fn whole_handshake(
        &self,
        socket: impl IntoUnixStream,
        behind: Bytes,
    ) -> Result<Connection, HandshakeError> {
        if self.pipelined {
            return self.pipeline(socket, behind).await;
        }
        match self.start(socket)?.authenticate(self.login).await? {
            Authentication::Accepted(accepted) if self.unix_fds => {
                accepted.negotiate_unix_fd().await?.begin().await
            }
            Authentication::Accepted(accepted) => accepted.begin().await,
            Authentication::Rejected(Rejected { mechanisms, .. }) => {
                Err(HandshakeError::Rejected { mechanisms })
            }
        }
    }

    async fn pipeline(
        &self,
        socket: impl IntoUnixStream,
        behind: Bytes,
    ) -> Result<Connection, HandshakeError> {
        let mut step = self.step(socket)?;
        step.driver.behind = behind;
        step.driver.machine.pipeline(self.login, self.unix_fds);
        step.driver
            .until(|auth| {
                while auth.next_reply()?.is_some() {}
                Ok(auth.is_answered().then_some(()))
            })
            .await?;
        step.connection()
    }

    /// The first step of a handshake that is taken step by step; nothing is sent yet. The time that
    /// it may take begins.
    ///
    /// # Errors
    ///
    /// Those of [`AnchovyStream::new`](anchovy::AnchovyStream::new).
    ///
    /// # Panics
    ///
    /// Outside a runtime of tokio with timers.
    pub fn start(&self, socket: impl IntoUnixStream) -> Result<Unauthenticated, HandshakeError> {
        Ok(Unauthenticated { step: self.step(socket)? })
    }

    fn step(&self, socket: impl IntoUnixStream) -> Result<Step, HandshakeError> {
        let socket = Socket::new(socket)?;
        let mut auth = ClientAuth::new(self.handshake_limits.clone());
        if let Some(guid) = self.guid {
            auth.expect_guid(guid);
        }
        let driver = Driver::new(socket, auth, self.handshake_limits.deadline);
        Ok(Step { driver, limits: self.limits.clone() })
    }
}

/// Why a client is not connected.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// No address could be reached.
    Connect(ConnectError),
    /// One was reached, and the handshake came to nothing.
    Handshake {
        /// Which one.
        address: Address,
        /// Why.
        error: HandshakeError,
    },
    /// The message of [`connect_and_send`](Client::connect_and_send) was not sent.
    First(SendError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Connect(error) => error.fmt(f),
            OpenError::Handshake { address, error } => write!(f, "{address}: {error}"),
            OpenError::First(error) => error.fmt(f),
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            OpenError::Connect(error) => error.source(),
            OpenError::Handshake { error, .. } => error.source(),
            OpenError::First(error) => error.source(),
        }
    }
}

/// What every step carries on.
#[derive(Debug)]
struct Step {
    driver: Driver<ClientAuth>,
    limits: Limits,
}

impl Step {
    fn connection(self) -> Result<Connection, HandshakeError> {
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

/// A client that has said nothing yet.
#[derive(Debug)]
pub struct Unauthenticated {
    step: Step,
}

/// What a server says to being told who the client is.
#[derive(Debug)]
pub enum Authentication {
    /// Come in.
    Accepted(Authenticated),
    /// Not like this.
    Rejected(Rejected),
}

/// A client that was turned away, and may try something else.
#[derive(Debug)]
pub struct Rejected {
    step: Step,
    mechanisms: String,
}

/// A client that was let in.
#[derive(Debug)]
pub struct Authenticated {
    step: Step,
    guid: Guid,
}

/// A client that has asked for descriptors.
#[derive(Debug)]
pub struct Negotiated {
    step: Step,
}

impl Unauthenticated {
    /// Says who the client is.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; the socket is closed. To be rejected is none.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it closes the socket, as every step does.
    pub async fn authenticate(self, login: Login) -> Result<Authentication, HandshakeError> {
        authenticate(self.step, login).await
    }
}

impl Rejected {
    /// The mechanisms that the server names, separated by blanks; sd-bus names none.
    pub fn mechanisms(&self) -> &str {
        &self.mechanisms
    }

    /// Says it in another way. Servers bound how often.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; the socket is closed.
    pub async fn authenticate(self, login: Login) -> Result<Authentication, HandshakeError> {
        authenticate(self.step, login).await
    }
}

async fn authenticate(mut step: Step, login: Login) -> Result<Authentication, HandshakeError> {
    step.driver.machine.authenticate(login);
    Ok(match step.driver.until(ClientAuth::next_reply).await? {
        Reply::Accepted(guid) => Authentication::Accepted(Authenticated { step, guid }),
        Reply::Rejected(mechanisms) => Authentication::Rejected(Rejected { step, mechanisms }),
        Reply::UnixFds(_) => unreachable!("it was not asked"),
    })
}

impl Authenticated {
    /// The guid of the server, which is that of the address if the address names one.
    pub fn guid(&self) -> Guid {
        self.guid
    }

    /// Asks whether descriptors may pass.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; the socket is closed. To be told no is none.
    pub async fn negotiate_unix_fd(mut self) -> Result<Negotiated, HandshakeError> {
        self.step.driver.machine.negotiate_unix_fd();
        self.step.driver.until(ClientAuth::next_reply).await?;
        Ok(Negotiated { step: self.step })
    }

    /// Begins, without descriptors.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; the socket is closed.
    pub async fn begin(self) -> Result<Connection, HandshakeError> {
        begin(self.step).await
    }

    /// Takes it back, to log in anew.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; the socket is closed.
    pub async fn cancel(self) -> Result<Rejected, HandshakeError> {
        cancel(self.step).await
    }
}

impl Negotiated {
    /// May they?
    pub fn unix_fds(&self) -> bool {
        self.step.driver.machine.unix_fds()
    }

    /// Begins.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; the socket is closed.
    pub async fn begin(self) -> Result<Connection, HandshakeError> {
        begin(self.step).await
    }

    /// Takes it all back, to log in anew.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; the socket is closed.
    pub async fn cancel(self) -> Result<Rejected, HandshakeError> {
        cancel(self.step).await
    }
}

async fn begin(mut step: Step) -> Result<Connection, HandshakeError> {
    step.driver.machine.begin();
    step.driver.until(|_| Ok(Some(()))).await?;
    step.connection()
}

async fn cancel(mut step: Step) -> Result<Rejected, HandshakeError> {
    step.driver.machine.cancel();
    match step.driver.until(ClientAuth::next_reply).await? {
        Reply::Rejected(mechanisms) => Ok(Rejected { step, mechanisms }),
        _ => unreachable!("nothing else was asked"),
    }
}
