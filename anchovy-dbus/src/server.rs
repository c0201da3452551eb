//! Being connected to: the whole handshake, or step by step.
//!
//! [`Server`] does the whole handshake, and asks a function of its user who may come in. Who wants
//! to take the time for that, or to decide more, takes the steps:
//!
//! ```text
//! Unauthenticated ─ request ─▶ Request ─ accept ─▶ Accepted ─ begin ─▶ Begun(Connection)
//!        ▲                        │ reject             │
//!        └────────────────────────┴────────────────────┘ Cancelled
//! ```
//!
//! ```
//! use anchovy_dbus::server::Progress;
//! use anchovy_dbus::{Client, Guid, Server};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (ours, theirs) = tokio::net::UnixStream::pair()?;
//! let client = tokio::spawn(async move { Client::new().handshake(theirs).await });
//!
//! let mut server = Server::new(Guid::generate()?).start(ours)?;
//! let connection = loop {
//!     let request = server.request().await?;
//!     println!("{:?} of uid {:?} asks", request.mechanism(), request.uid());
//!     match request.accept().begin().await? {
//!         Progress::Begun(connection) => break connection,
//!         Progress::Cancelled(again) => server = again,
//!     }
//! };
//! assert!(connection.unix_fds());
//! # client.await??;
//! # Ok(())
//! # }
//! ```
//!
//! Nobody gets in without having asked, and nothing is sent before the client begins:
//!
//! ```compile_fail,E0599
//! # fn f(server: anchovy_dbus::server::Unauthenticated) {
//! server.accept();
//! # }
//! ```
//!
//! ```compile_fail,E0599
//! # async fn f(server: anchovy_dbus::server::Unauthenticated) {
//! server.begin().await;
//! # }
//! ```
//!
//! ```compile_fail,E0599
//! # async fn f(request: anchovy_dbus::server::Request) {
//! request.begin().await; // it is not decided yet
//! # }
//! ```
//!
//! ```compile_fail,E0382
//! # async fn f(request: anchovy_dbus::server::Request) {
//! request.accept();
//! request.reject().await;
//! # }
//! ```
//!
//! ```compile_fail,E0599
//! # async fn f(accepted: anchovy_dbus::server::Accepted, message: anchovy_dbus::Message) {
//! accepted.send(message).await;
//! # }
//! ```

use std::fmt;
use std::sync::Arc;

use anchovy::IntoUnixStream;

use crate::auth::{self, Event, HandshakeError, Mechanism, ServerAuth};
use crate::budget::Meter;
use crate::connection::{Connection, Outcome, Role};
use crate::credentials::Credentials;
use crate::guid::Guid;
use crate::handshake::{Driver, Machine, Serving, Socket, refuse_fds};
use crate::limits::{HandshakeLimits, Limits};
use crate::listener::Cost;

/// How to serve: who may come in, what is offered, and within which limits.
///
/// ```
/// use anchovy_dbus::{Guid, Limits, Server};
///
/// # fn main() -> std::io::Result<()> {
/// let server = Server::new(Guid::generate()?)
///     .authorize(|credentials, _mechanism| credentials.uid() == 1000)
///     .limits(Limits { max_received_fds: 4, ..Limits::server() });
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Server {
    guid: Guid,
    mechanisms: Vec<Mechanism>,
    unix_fds: bool,
    pub(crate) kernel_refuses: bool,
    fds_at_once: bool,
    authorize: Arc<Authorize>,
    limits: Limits,
    handshake_limits: HandshakeLimits,
}

type Authorize = dyn Fn(&Credentials, Mechanism) -> bool + Send + Sync;

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("guid", &self.guid)
            .field("mechanisms", &self.mechanisms)
            .field("unix_fds", &self.unix_fds)
            .field("limits", &self.limits)
            .field("handshake_limits", &self.handshake_limits)
            .finish_non_exhaustive()
    }
}

impl Server {
    /// Lets in whoever has the uid of this process, and root, by `EXTERNAL`; agrees to descriptors.
    pub fn new(guid: Guid) -> Server {
        let own = rustix::process::geteuid().as_raw();
        Server {
            guid,
            mechanisms: vec![Mechanism::External],
            unix_fds: true,
            kernel_refuses: true,
            fds_at_once: false,
            authorize: Arc::new(move |peer, mechanism| {
                mechanism == Mechanism::External && (peer.uid() == own || peer.uid() == 0)
            }),
            limits: Limits::server(),
            handshake_limits: HandshakeLimits::default(),
        }
    }

    /// Asks this who may come in. With [`External`](Mechanism::External), the credentials are those
    /// that the client claims, too; with others, they are only what the kernel says.
    pub fn authorize(
        mut self,
        authorize: impl Fn(&Credentials, Mechanism) -> bool + Send + Sync + 'static,
    ) -> Server {
        self.authorize = Arc::new(authorize);
        self
    }

    /// Offers `ANONYMOUS` as well, and lets in whoever uses it.
    pub fn anonymous(mut self) -> Server {
        self.mechanisms = vec![Mechanism::External, Mechanism::Anonymous];
        let authorize = self.authorize;
        self.authorize = Arc::new(move |peer, mechanism| {
            mechanism == Mechanism::Anonymous || authorize(peer, mechanism)
        });
        self
    }

    /// Does not agree to descriptors.
    pub fn without_fds(mut self) -> Server {
        self.unix_fds = false;
        self
    }

    /// Leaves it to this process to refuse descriptors that were not agreed on, in place of the
    /// kernel.
    ///
    /// Where the kernel refuses them (`SO_PASSRIGHTS`, Linux 6.16), a client that sends a message
    /// with descriptors before it has read `AGREE_UNIX_FD` gets `EPERM`. This is for clients that
    /// do: their descriptors stay with their messages if descriptors are agreed on, and close the
    /// connection otherwise.
    pub fn fds_before_agreement(mut self) -> Server {
        self.kernel_refuses = false;
        self
    }

    /// Allows messages with descriptors to be sent before the client has sent a message.
    ///
    /// A client that sends its whole handshake at once may still be reading the replies, and those
    /// of sd-bus die of descriptors among them; for clients that are known not to.
    pub fn fds_at_once(mut self) -> Server {
        self.fds_at_once = true;
        self
    }

    /// Within these limits, once messages flow.
    pub fn limits(mut self, limits: Limits) -> Server {
        self.limits = limits;
        self
    }

    /// Within these limits until then.
    pub fn handshake_limits(mut self, limits: HandshakeLimits) -> Server {
        self.handshake_limits = limits;
        self
    }

    /// What clients are told whom they have reached.
    pub fn guid(&self) -> Guid {
        self.guid
    }

    pub(crate) fn waiting_fds(&self) -> usize {
        self.limits.max_waiting_fds.max(2 * self.limits.max_received_fds)
    }

    /// The handshake on a socket that a client has connected to.
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
        self.finish(self.start(socket)?).await
    }

    /// As [`handshake`](Self::handshake), from the first step.
    pub(crate) async fn finish(
        &self,
        mut server: Unauthenticated,
    ) -> Result<Connection, HandshakeError> {
        loop {
            let request = server.request().await?;
            if !(self.authorize)(request.credentials(), request.mechanism()) {
                server = request.reject().await?;
                continue;
            }
            match request.accept().begin().await? {
                Progress::Begun(connection) => return Ok(connection),
                Progress::Cancelled(again) => server = again,
            }
        }
    }

    /// The first step of a handshake that is taken step by step. The time that it may take begins;
    /// whoever is let in is for the user to decide.
    ///
    /// # Errors
    ///
    /// Those of [`AnchovyStream::new`](anchovy::AnchovyStream::new), and of asking for the peer's credentials.
    ///
    /// # Panics
    ///
    /// Outside a runtime of tokio with timers.
    pub fn start(&self, socket: impl IntoUnixStream) -> Result<Unauthenticated, HandshakeError> {
        let socket = Socket::new(socket)?;
        let mut credentials = Credentials::of(&socket)?;
        credentials.add_pidfd(&socket);
        self.start_with(socket, credentials, None, None)
    }

    pub(crate) fn start_with(
        &self,
        mut socket: Socket,
        credentials: Credentials,
        cost: Option<Cost>,
        meter: Option<Meter>,
    ) -> Result<Unauthenticated, HandshakeError> {
        crate::codec::limit_socket(&mut socket, &self.limits, self.unix_fds)?;
        if self.kernel_refuses {
            refuse_fds(&socket, true);
        }
        let limits = self.handshake_limits.clone();
        let mut auth = ServerAuth::new(self.guid, Some(credentials.uid()), limits);
        auth.set_mechanisms(&self.mechanisms);
        auth.set_unix_fds(self.unix_fds);
        let machine = Serving { auth, kernel_refuses: self.kernel_refuses };
        let mut driver = Driver::new(socket, machine, self.handshake_limits.deadline);
        driver.meter = meter;
        let (guid, fds_at_once) = (self.guid, self.fds_at_once);
        let limits = self.limits.clone();
        let step = Step { driver, credentials, cost, guid, fds_at_once, limits };
        Ok(Unauthenticated { step: Box::new(step) })
    }
}

/// What every step carries on.
#[derive(Debug)]
struct Step {
    driver: Driver<Serving>,
    credentials: Credentials,
    cost: Option<Cost>,
    guid: Guid,
    fds_at_once: bool,
    limits: Limits,
}

impl Step {
    fn connection(self) -> Result<Connection, HandshakeError> {
        let Step { driver, credentials, cost, guid, fds_at_once, limits } = self;
        let Driver { socket, machine, meter, .. } = driver;
        let unix_fds = machine.auth.unix_fds();
        let rest = Machine::into_rest(machine);
        let role = Role::Server { fds_at_once, cost, meter };
        let outcome = Outcome { socket, rest, unix_fds, guid, credentials, role };
        Ok(Connection::new(outcome, &limits)?)
    }
}

/// A client that has not said who it is, or was turned away.
#[derive(Debug)]
pub struct Unauthenticated {
    step: Box<Step>,
}

/// A client that has said who it is, truly as far as can be told, and waits to be let in.
#[derive(Debug)]
pub struct Request {
    step: Box<Step>,
    request: auth::Request,
}

/// A client that was let in, and has not begun.
#[derive(Debug)]
pub struct Accepted {
    step: Box<Step>,
}

/// What a client does that was let in.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is matched at once, and nobody keeps many")]
pub enum Progress {
    /// It begins.
    Begun(Connection),
    /// It takes back who it is, and may log in anew.
    Cancelled(Unauthenticated),
}

impl Unauthenticated {
    /// Who the client is, by the kernel.
    pub fn credentials(&self) -> &Credentials {
        &self.step.credentials
    }

    /// Waits until the client has said who it is. What it says is compared with what the kernel
    /// says; who lies is rejected without anybody being asked.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; the socket is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it closes the socket, as every step does.
    pub async fn request(mut self) -> Result<Request, HandshakeError> {
        let request = |serving: &mut Serving| {
            Ok(match serving.auth.next_event()? {
                Some(Event::Request(request)) => Some(request),
                _ => None,
            })
        };
        let request = self.step.driver.until(request).await?;
        Ok(Request { step: self.step, request })
    }
}

impl Request {
    /// Who the client is, by the kernel.
    pub fn credentials(&self) -> &Credentials {
        &self.step.credentials
    }

    /// How it says who it is.
    pub fn mechanism(&self) -> Mechanism {
        self.request.mechanism
    }

    /// Its uid, by the kernel and by the client; nobody's with `ANONYMOUS`.
    pub fn uid(&self) -> Option<u32> {
        self.request.uid
    }

    /// Lets it in.
    pub fn accept(mut self) -> Accepted {
        self.step.driver.machine.auth.accept();
        Accepted { step: self.step }
    }

    /// Turns it away; it may try again, some times.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; the socket is closed.
    pub async fn reject(mut self) -> Result<Unauthenticated, HandshakeError> {
        let mut decided = false;
        self.step
            .driver
            .until(|serving| {
                if !std::mem::replace(&mut decided, true) {
                    serving.auth.reject()?;
                }
                Ok(Some(()))
            })
            .await?;
        Ok(Unauthenticated { step: self.step })
    }
}

impl Accepted {
    /// Waits until the client begins, agreeing to descriptors if they are offered.
    ///
    /// # Errors
    ///
    /// [`HandshakeError`]; the socket is closed.
    pub async fn begin(mut self) -> Result<Progress, HandshakeError> {
        let begins = |serving: &mut Serving| {
            Ok(match serving.auth.next_event()? {
                Some(Event::Begin) => Some(true),
                Some(Event::Cancelled) => Some(false),
                _ => None,
            })
        };
        if self.step.driver.until(begins).await? {
            Ok(Progress::Begun(self.step.connection()?))
        } else {
            Ok(Progress::Cancelled(Unauthenticated { step: self.step }))
        }
    }
}
