//! The servers that are attacked: how each is made.
//!
//! The parameters of all of them are in this file: limits, timeouts and budgets.

use std::path::Path;
use std::time::Duration;

use anchovy::{AnchovyListener, DBUS_SCM_RIGHTS, IntoUnixStream};
use anchovy_dbus::{Address, Addresses, Budget, Guid, HandshakeLimits, Limits, Server};
use anchovy_wayland::{Connection, Listener, ObjectId};

/// Bytes that all clients together may make [`ServerKind::DbusWithLittleMemory`] hold; one user, half
/// of them.
pub(crate) const LITTLE_MEMORY: usize = 128 << 20;

/// The time after which [`ServerKind::DbusWithLittleMemory`] ends a connection with an unfinished
/// message.
pub(crate) const MESSAGE_TIMEOUT: Duration = Duration::from_secs(2);

/// Bytes that [`ServerKind::DbusWithLittleAddressSpace`] can allocate.
pub(crate) const ADDRESS_SPACE: usize = 64 << 20;

/// The timeouts of handshakes, messages and descriptors of the servers with short ones.
pub(crate) const SHORT_TIMEOUT: Duration = Duration::from_millis(500);

/// The descriptors that [`ServerKind::DbusForManyClients`] may hold for all clients together; for one
/// user, half of them.
const MANY_FDS: usize = 24_000;

/// The object of the Wayland server whose first request has a descriptor, as `wl_shm` has.
pub(crate) const OBJECT_WITH_FDS: ObjectId = ObjectId::new(5).expect("not 0");

/// A server of this suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServerKind {
    /// D-Bus with the defaults of the crate.
    Dbus,
    /// The same, with the descriptor limit that processes usually have.
    DbusWithFewFds,
    /// D-Bus with room for thousands of clients of one user.
    DbusForManyClients,
    /// D-Bus with a small budget of bytes and a short timeout for messages.
    DbusWithLittleMemory,
    /// D-Bus that can allocate little memory.
    DbusWithLittleAddressSpace,
    /// D-Bus that receives descriptors before descriptor passing is agreed on, as on kernels that cannot
    /// refuse them.
    DbusWithEarlyFds,
    /// D-Bus with short timeouts for handshakes, messages and descriptors.
    DbusWithShortTimeouts,
    /// Wayland with the limits and the default budget that the crate has for servers, and the usual
    /// descriptor limit.
    Wayland,
    /// The same with short timeouts for messages and descriptors.
    WaylandWithShortTimeouts,
    /// Lines of text with descriptors, over `anchovy::codec`.
    Lines,
    /// The same without `SO_INQ`.
    LinesWithoutInq,
    /// Tokio without our crates: echoes what the first client sends and drops every other client.
    Bare,
}

impl ServerKind {
    const ALL: &[ServerKind] = &[
        ServerKind::Dbus,
        ServerKind::DbusWithFewFds,
        ServerKind::DbusForManyClients,
        ServerKind::DbusWithLittleMemory,
        ServerKind::DbusWithLittleAddressSpace,
        ServerKind::DbusWithEarlyFds,
        ServerKind::DbusWithShortTimeouts,
        ServerKind::Wayland,
        ServerKind::WaylandWithShortTimeouts,
        ServerKind::Lines,
        ServerKind::LinesWithoutInq,
        ServerKind::Bare,
    ];

    pub(crate) fn name(self) -> String {
        format!("{self:?}")
    }

    pub(crate) fn from_name(name: &str) -> Option<ServerKind> {
        ServerKind::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// Returns the `RLIMIT_NOFILE` of the server.
    pub(crate) fn descriptor_limit(self) -> u64 {
        match self {
            ServerKind::DbusWithFewFds
            | ServerKind::Wayland
            | ServerKind::WaylandWithShortTimeouts => 1024,
            ServerKind::DbusForManyClients => 16_384,
            _ => 4096,
        }
    }

    /// Returns the number of descriptors that clients can make the server have open. The default budget
    /// is the limit less 64, and the server itself has fewer than 32.
    pub(crate) fn most_descriptors(self) -> usize {
        self.descriptor_limit() as usize - 32
    }
}

/// Binds the listener of a D-Bus server.
pub(crate) fn dbus_listener(kind: ServerKind, path: &Path) -> anchovy_dbus::Listener {
    let addresses: Addresses = Address::path(path).expect("an absolute path").into();
    let mut server = Server::new(Guid::generate().expect("random bytes")).authorize(|_, _| true);
    if kind == ServerKind::DbusWithLittleMemory {
        let limits = Limits { message_timeout: Some(MESSAGE_TIMEOUT), ..Limits::server() };
        server = server.limits(limits);
    } else if kind == ServerKind::DbusWithShortTimeouts {
        let time = Some(SHORT_TIMEOUT);
        let limits = Limits { message_timeout: time, fd_timeout: time, ..Limits::server() };
        let handshake = HandshakeLimits { timeout: SHORT_TIMEOUT, ..HandshakeLimits::default() };
        server = server.limits(limits).handshake_limits(handshake);
    } else if kind == ServerKind::DbusWithEarlyFds {
        server = server.fds_before_agreement();
    }
    let listener = server.bind(&addresses).expect("a path that is free");
    match kind {
        ServerKind::DbusForManyClients => {
            listener.with_budget(Budget::builder().held_fds(MANY_FDS).build())
        }
        ServerKind::DbusWithLittleMemory => {
            listener.with_budget(Budget::builder().bytes(LITTLE_MEMORY).build())
        }
        _ => listener,
    }
}

/// Makes the connection of an accepted Wayland client.
pub(crate) fn wayland_connection(
    kind: ServerKind,
    stream: impl IntoUnixStream,
) -> Connection<fn(ObjectId, u16) -> usize> {
    let signatures: fn(ObjectId, u16) -> usize =
        |object, opcode| usize::from((object, opcode) == (OBJECT_WITH_FDS, 0));
    let mut limits = anchovy_wayland::Limits::server();
    if kind == ServerKind::WaylandWithShortTimeouts {
        limits.message_timeout = Some(SHORT_TIMEOUT);
        limits.fd_timeout = Some(SHORT_TIMEOUT);
    }
    Connection::new(stream, signatures, limits).expect("a socket")
}

/// Binds the listener of a server of lines.
pub(crate) fn lines_listener(kind: ServerKind, path: &Path) -> AnchovyListener<DBUS_SCM_RIGHTS> {
    let builder = AnchovyListener::builder().inq(kind == ServerKind::Lines);
    builder.bind(path).expect("a path that is free")
}

/// Binds the listener of a Wayland server.
pub(crate) fn wayland_listener(path: &Path) -> Listener {
    Listener::bind(path).expect("a path that is free")
}
