//! A server, with the whole handshake.

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

/// A builder for server connections and listeners: which clients are accepted, what is negotiated, and
/// the limits.
///
/// # Examples
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
    /// Creates a server that accepts clients of the process's effective uid and of root with
    /// `EXTERNAL`, and that agrees to descriptor passing.
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

    /// Sets the function that decides whether a client is accepted. Default: the process's effective
    /// uid and root are accepted, with `EXTERNAL`.
    ///
    /// The function receives the credentials that the kernel reports. It is not called for a client
    /// that uses [`External`](Mechanism::External) and claims another uid, which is always rejected.
    /// With [`Anonymous`](Mechanism::Anonymous), the client claims no uid.
    ///
    /// If [`anonymous`](Self::anonymous) was called before this method, the function also decides about
    /// clients that use `ANONYMOUS`. If `anonymous` is called after this method, these clients are accepted
    /// without a call of the function.
    pub fn authorize(
        mut self,
        authorize: impl Fn(&Credentials, Mechanism) -> bool + Send + Sync + 'static,
    ) -> Server {
        self.authorize = Arc::new(authorize);
        self
    }

    /// Offers `ANONYMOUS` in addition to `EXTERNAL`, and accepts every client that uses it without
    /// calling the function of [`authorize`](Self::authorize).
    ///
    /// If `authorize` is called after this method, its function decides about clients that use `ANONYMOUS`
    /// too.
    pub fn anonymous(mut self) -> Server {
        self.mechanisms = vec![Mechanism::External, Mechanism::Anonymous];
        let authorize = self.authorize;
        self.authorize = Arc::new(move |peer, mechanism| {
            mechanism == Mechanism::Anonymous || authorize(peer, mechanism)
        });
        self
    }

    /// Does not agree to descriptor passing. Default: the server agrees.
    pub fn without_fds(mut self) -> Server {
        self.unix_fds = false;
        self
    }

    /// Receives descriptors that clients send before descriptor passing is agreed on. Default: the
    /// kernel refuses them, if it can (`SO_PASSRIGHTS`, Linux 6.16).
    ///
    /// If the kernel refuses descriptors, a client that sends a message with descriptors before the server
    /// has sent `AGREE_UNIX_FD` gets `EPERM`. With this option, the descriptors stay with their message if
    /// descriptor passing is agreed on afterwards. If it is not agreed on, the connection is closed.
    pub fn fds_before_agreement(mut self) -> Server {
        self.kernel_refuses = false;
        self
    }

    /// Allows the server to send descriptors before it has received a message of the client. Default:
    /// until then, messages with descriptors are refused with
    /// [`FdsTooEarly`](crate::SendErrorKind::FdsTooEarly).
    ///
    /// A client that sends the whole handshake at once, without waiting for replies, may still be reading
    /// these replies. A client that uses sd-bus fails if descriptors arrive with them. Use this option only
    /// if the clients are known to accept descriptors with these replies.
    pub fn fds_at_once(mut self) -> Server {
        self.fds_at_once = true;
        self
    }

    /// Sets the limits that apply after the handshake. Default: [`Limits::server`].
    pub fn limits(mut self, limits: Limits) -> Server {
        self.limits = Arc::new(limits);
        self
    }

    /// Sets the limits that apply during the handshake. Default: [`HandshakeLimits::default`].
    pub fn handshake_limits(mut self, limits: HandshakeLimits) -> Server {
        self.handshake_limits = limits;
        self
    }

    /// Returns the guid of the server, which is sent to clients.
    pub fn guid(&self) -> Guid {
        self.guid
    }

    pub(crate) fn waiting_fds(&self) -> usize {
        self.limits.waiting_fds()
    }

    /// Performs the handshake on the accepted socket of a client.
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
        self.whole_handshake(self.start(socket)?).await
    }

    /// Performs the handshake from its first step.
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
                Progress::Cancelled(unauthenticated) => server = unauthenticated,
            }
        }
    }

    /// Starts a handshake whose steps the caller performs; see [`server`](crate::server). The caller
    /// decides which clients are accepted.
    ///
    /// [`HandshakeLimits::timeout`] starts with this call.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`AnchovyStream::new`](anchovy::AnchovyStream::new), and those of reading
    /// the credentials of the peer, as [`HandshakeError::Io`]. The socket is closed.
    ///
    /// # Panics
    ///
    /// Panics outside of a tokio runtime with I/O and time enabled.
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
