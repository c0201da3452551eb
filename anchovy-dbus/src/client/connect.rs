//! Connecting to a server, with the whole handshake.

use std::num::NonZeroU32;
use std::sync::Arc;

use anchovy::IntoUnixStream;
use bytes::Bytes;

use super::open_error::OpenError;
use super::step::Step;
use super::steps::{Authentication, Rejected, Unauthenticated};
use crate::address::addresses::Addresses;
use crate::auth::client::ClientAuth;
use crate::auth::error::HandshakeError;
use crate::auth::login::Login;
use crate::bus::hello_call;
use crate::codec::MessageCodec;
use crate::connection::duplex::Connection;
use crate::guid::Guid;
use crate::handshake::driver::Driver;
use crate::limits::{HandshakeLimits, Limits};
use crate::message::content::Message;
use crate::socket::Socket;

/// A builder for client connections: the identity and the limits of the client, and whether it negotiates
/// descriptor passing.
///
/// # Examples
///
/// ```no_run
/// use anchovy_dbus::Client;
/// use anchovy_dbus::auth::Login;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let bus = Client::session().await?;
///
/// // An old xdg-dbus-proxy, in whose user namespace this user has the uid 100000.
/// let client = Client::new().login(Login::ExternalUid(100_000)).stepwise();
/// let mut bus = client.connect("unix:path=/run/user/1000/.dbus-proxy/bus").await?;
/// bus.hello().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[must_use = "a client does nothing until it connects"]
pub struct Client {
    login: Login,
    pipelined: bool,
    unix_fds: bool,
    guid: Option<Guid>,
    /// Shared by all connections that this client makes.
    limits: Arc<Limits>,
    handshake_limits: HandshakeLimits,
}

impl Default for Client {
    fn default() -> Client {
        Client::new()
    }
}

impl Client {
    /// Creates a client that authenticates with [`Login::External`], requests descriptor passing and
    /// sends the whole handshake in one write. The server uses the uid that the kernel reports.
    pub fn new() -> Client {
        Client {
            login: Login::External,
            pipelined: true,
            unix_fds: true,
            guid: None,
            limits: Arc::new(Limits::client()),
            handshake_limits: HandshakeLimits::default(),
        }
    }

    /// Sets the identity to authenticate as. Default: [`Login::External`].
    pub fn login(mut self, login: Login) -> Client {
        self.login = login;
        self
    }

    /// Waits for each reply of the handshake before the next request is sent (*stepwise*). Default: all
    /// requests are sent in one write (*pipelined*).
    ///
    /// A stepwise handshake takes up to three round trips instead of one. It is required for proxies that
    /// do not support a pipelined handshake (xdg-dbus-proxy before 0.1.6).
    ///
    /// Servers that use libdbus or sd-bus lose descriptors that they read together with `BEGIN`. After a
    /// stepwise handshake, the client does not know when the server has read `BEGIN`. So wait for the
    /// reply to a message without descriptors, such as `Hello`, before you send descriptors.
    ///
    /// A pipelined handshake does not require this. `BEGIN` is in the same write as the requests, so
    /// the server has read it when the replies arrive.
    pub fn stepwise(mut self) -> Client {
        self.pipelined = false;
        self
    }

    /// Does not negotiate descriptor passing. Default: it is negotiated.
    pub fn without_fds(mut self) -> Client {
        self.unix_fds = false;
        self
    }

    /// Sets the guid that the server must have. The guid of an address takes precedence. Default: none.
    pub fn guid(mut self, guid: Guid) -> Client {
        self.guid = Some(guid);
        self
    }

    /// Sets the limits that apply after the handshake. Default: [`Limits::client`].
    pub fn limits(mut self, limits: Limits) -> Client {
        self.limits = Arc::new(limits);
        self
    }

    /// Sets the limits that apply during the handshake. Default: [`HandshakeLimits::default`].
    pub fn handshake_limits(mut self, limits: HandshakeLimits) -> Client {
        self.handshake_limits = limits;
        self
    }

    /// Connects to the bus of this login session ([`Addresses::session`]) with default options, and
    /// calls `Hello`.
    ///
    /// The handshake and `Hello` are sent together, so connecting takes one round trip. The returned
    /// connection has a [`unique_name`](Connection::unique_name).
    ///
    /// # Errors
    ///
    /// Returns an [`OpenError`]. The socket is closed.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, the socket is closed.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use anchovy_dbus::Client;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let bus = Client::session().await?;
    /// println!("connected as {:?}", bus.unique_name());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn session() -> Result<Connection, OpenError> {
        Client::new().connect_to_bus(&Addresses::session()?).await
    }

    /// Connects to the system bus ([`Addresses::system`]) with default options, and calls `Hello`, as
    /// [`session`](Self::session) does.
    ///
    /// # Errors
    ///
    /// Returns an [`OpenError`]. The socket is closed.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, the socket is closed.
    pub async fn system() -> Result<Connection, OpenError> {
        Client::new().connect_to_bus(&Addresses::system()?).await
    }

    async fn connect_to_bus(&self, addresses: &Addresses) -> Result<Connection, OpenError> {
        let (mut connection, _) = self.connect_and_send(addresses, hello_call()).await?;
        connection.hello().await.map_err(OpenError::Hello)?;
        Ok(connection)
    }

    /// Connects to the first of these addresses that accepts a connection, and performs the handshake.
    ///
    /// `addresses` can be [`Addresses`], an [`Address`](crate::Address), a reference to one of them, or
    /// a string. If the server is a bus, call [`hello`](Connection::hello) on the returned connection
    /// before you send anything else.
    ///
    /// # Errors
    ///
    /// Returns an [`OpenError`]. The socket is closed.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, the socket is closed.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use anchovy_dbus::Client;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let mut bus = Client::new().connect("unix:path=/tmp/bus").await?;
    /// println!("connected as {}", bus.hello().await?);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect<A>(&self, addresses: A) -> Result<Connection, OpenError>
    where
        A: TryInto<Addresses>,
        A::Error: Into<OpenError>,
    {
        let addresses = addresses.try_into().map_err(Into::into)?;
        self.open(&addresses, Bytes::new()).await
    }

    /// Connects as [`connect`](Self::connect) does and sends a message. Returns the connection and the
    /// serial of the message. If the server is a bus, the message must be a call of `Hello`.
    ///
    /// The message is sent in one write with the handshake, so the peer can reply to both after one
    /// round trip. It is sent after the handshake if the client is [stepwise](Self::stepwise), or if
    /// the message has descriptors, which must be negotiated first.
    ///
    /// # Errors
    ///
    /// Returns an [`OpenError`]. The socket is closed.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
    ///
    /// # Cancel safety
    ///
    /// This method is not cancel safe. If the future is dropped, the socket is closed and the message is
    /// dropped. The peer may have received it.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use anchovy_dbus::{Client, Message};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let ping = Message::method_call("/", "Ping").interface("org.freedesktop.DBus.Peer").build()?;
    /// let (mut peer, serial) =
    ///     Client::new().connect_and_send("unix:path=/tmp/service", ping).await?;
    /// let reply = peer.receive().await?.expect("the peer replies");
    /// assert_eq!(reply.header().reply_serial(), Some(serial));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect_and_send<A>(
        &self,
        addresses: A,
        mut first: Message,
    ) -> Result<(Connection, NonZeroU32), OpenError>
    where
        A: TryInto<Addresses>,
        A::Error: Into<OpenError>,
    {
        let addresses = addresses.try_into().map_err(Into::into)?;
        let given = first.serial();
        let serial = given.unwrap_or(NonZeroU32::MIN);
        // `send` returns the error of a message that cannot be sent.
        let codec = MessageCodec::with_shared(Arc::clone(&self.limits)).without_fds();
        let is_plain = codec.check(&first).is_ok();
        if !self.pipelined || !is_plain {
            let mut connection = self.open(&addresses, Bytes::new()).await?;
            let sent = connection.send(first).await;
            return sent.map(|serial| (connection, serial)).map_err(OpenError::First);
        }
        first.set_serial(serial);
        let bytes = first.to_bytes().expect("it has a serial, and was checked");
        let mut connection = self.open(&addresses, bytes).await?;
        connection.note_sent(&first, serial, given.is_some());
        Ok((connection, serial))
    }

    async fn open(&self, addresses: &Addresses, trailing: Bytes) -> Result<Connection, OpenError> {
        let connected = addresses.connect().await.map_err(OpenError::Connect)?;
        let address = connected.address;
        let mut client = self.clone();
        client.guid = address.guid().or(client.guid);
        match client.whole_handshake(connected.stream, trailing).await {
            Ok(connection) => Ok(connection),
            Err(error) => Err(OpenError::Handshake { address, error }),
        }
    }

    /// Performs the handshake on a connected socket.
    ///
    /// # Errors
    ///
    /// Returns a [`HandshakeError`]. The socket is closed.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
    ///
    /// # Cancel safety
    ///
    /// This method is cancel safe. If the future is dropped, the socket is closed.
    pub async fn handshake(
        &self,
        socket: impl IntoUnixStream,
    ) -> Result<Connection, HandshakeError> {
        self.whole_handshake(socket, Bytes::new()).await
    }

    /// Performs the handshake. If it is pipelined, `trailing` is sent after it in the same write.
    async fn whole_handshake(
        &self,
        socket: impl IntoUnixStream,
        trailing: Bytes,
    ) -> Result<Connection, HandshakeError> {
        if self.pipelined {
            return self.pipeline(socket, trailing).await;
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
        trailing: Bytes,
    ) -> Result<Connection, HandshakeError> {
        let mut step = self.step(socket)?;
        step.driver.trailing = trailing;
        step.driver.machine.set_unix_fds(self.unix_fds);
        step.driver.machine.pipeline(self.login)?;
        step.driver
            .until(|auth| {
                while auth.next_reply()?.is_some() {}
                Ok(auth.is_answered().then_some(()))
            })
            .await?;
        step.connection()
    }

    /// Starts a handshake whose steps the caller performs; see [`client`](crate::client). Nothing is
    /// sent.
    ///
    /// [`HandshakeLimits::timeout`] starts with this call.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`AnchovyStream::new`](anchovy::AnchovyStream::new) as
    /// [`HandshakeError::Io`]. The socket is closed.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
    pub fn start(&self, socket: impl IntoUnixStream) -> Result<Unauthenticated, HandshakeError> {
        Ok(Unauthenticated { step: self.step(socket)? })
    }

    fn step(&self, socket: impl IntoUnixStream) -> Result<Step, HandshakeError> {
        let socket = Socket::new(socket)?;
        let mut auth = ClientAuth::new(self.handshake_limits.clone());
        if let Some(guid) = self.guid {
            auth.expect_guid(guid);
        }
        let driver = Driver::new(socket, auth, self.handshake_limits.timeout);
        Ok(Step { driver, limits: Arc::clone(&self.limits) })
    }
}
