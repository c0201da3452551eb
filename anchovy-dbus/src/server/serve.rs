//! A server that does the whole handshake.

use std::fmt;
use std::sync::Arc;

use anchovy::IntoUnixStream;

use super::step::Step;
use super::steps::{Progress, Unauthenticated};
use crate::auth::error::HandshakeError;
use crate::auth::mechanism::Mechanism;
use crate::auth::server::ServerAuth;
use crate::connection::duplex::Connection;
use crate::credentials::Credentials;
use crate::guid::Guid;
use crate::handshake::driver::Driver;
use crate::handshake::serving::Serving;
use crate::limits::{HandshakeLimits, Limits};
use crate::pending_handshakes::PendingHandshake;
use crate::socket::{Socket, limit_received_fds, set_fd_passing};

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
#[must_use = "a server does nothing until it is bound or given a socket"]
pub struct Server {
    guid: Guid,
    mechanisms: Vec<Mechanism>,
    unix_fds: bool,
    pub(crate) kernel_refuses: bool,
    fds_at_once: bool,
    authorize: Arc<Authorize>,
    /// Shared by all connections of this server.
    limits: Arc<Limits>,
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
    /// Accepts the uid of this process and root, by `EXTERNAL`; agrees to descriptors.
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
            limits: Arc::new(Limits::server()),
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

    /// Offers `ANONYMOUS` as well, and accepts every client that uses it.
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
        self.limits = Arc::new(limits);
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
        self.limits.waiting_fds()
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
        self.whole_handshake(self.start(socket)?).await
    }

    /// Does the handshake from its first step.
    pub(crate) async fn whole_handshake(
        &self,
        mut server: Unauthenticated,
    ) -> Result<Connection, HandshakeError> {
        loop {
            let request = server.request().await?;
            if !(self.authorize)(request.peer_cred(), request.mechanism()) {
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
        let mut credentials = Credentials::from_socket(&socket)?;
        credentials.add_pidfd(&socket);
        self.start_with(socket, credentials, None)
    }

    pub(crate) fn start_with(
        &self,
        mut socket: Socket,
        credentials: Credentials,
        pending: Option<PendingHandshake>,
    ) -> Result<Unauthenticated, HandshakeError> {
        let limit = if self.unix_fds { self.limits.max_received_fds } else { 0 };
        limit_received_fds(&mut socket, limit)?;
        if self.kernel_refuses {
            set_fd_passing(&socket, false);
        }
        let limits = self.handshake_limits.clone();
        let mut auth = ServerAuth::new(self.guid, Some(credentials.uid()), limits);
        auth.set_mechanisms(&self.mechanisms);
        auth.set_unix_fds(self.unix_fds);
        let machine = Serving { auth, kernel_refuses: self.kernel_refuses, fds_pass: false };
        let driver = Driver::new(socket, machine, self.handshake_limits.timeout);
        let (guid, fds_at_once) = (self.guid, self.fds_at_once);
        let limits = Arc::clone(&self.limits);
        let step = Step { driver, credentials, pending, guid, fds_at_once, limits };
        Ok(Unauthenticated { step: Box::new(step) })
    }
}
