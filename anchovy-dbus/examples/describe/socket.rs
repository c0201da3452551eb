//! What a socket is, and what it is connected to.

use std::fmt;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;

use rustix::net::sockopt::{socket_acceptconn, socket_type};
use rustix::net::{
    AddressFamily, SocketAddrAny, SocketAddrUnix, SocketType, getpeername, getsockname,
};
use serde::Serialize;

/// A socket and its addresses. The address of a Unix socket is a path, or `@` and an abstract name.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Socket {
    family: &'static str,
    #[serde(rename = "type")]
    socket_type: &'static str,
    inode: u64,
    /// The address that the socket is bound to.
    #[serde(skip_serializing_if = "Option::is_none")]
    local: Option<String>,
    listening: bool,
    connected: bool,
    /// The address of the peer, if the peer is bound to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
}

impl Socket {
    pub(super) fn from_fd(fd: BorrowedFd<'_>, inode: u64) -> Socket {
        let local = getsockname(fd).ok();
        let peer = getpeername(fd);
        Socket {
            family: match local.as_ref().map(SocketAddrAny::address_family) {
                Some(AddressFamily::UNIX) => "unix",
                Some(AddressFamily::INET) => "inet",
                Some(AddressFamily::INET6) => "inet6",
                Some(AddressFamily::NETLINK) => "netlink",
                _ => "other",
            },
            socket_type: match socket_type(fd) {
                Ok(SocketType::STREAM) => "stream",
                Ok(SocketType::DGRAM) => "datagram",
                Ok(SocketType::SEQPACKET) => "seqpacket",
                _ => "other",
            },
            inode,
            local: local.and_then(address),
            listening: socket_acceptconn(fd).unwrap_or(false),
            connected: peer.is_ok(),
            peer: peer.ok().flatten().and_then(address),
        }
    }
}

/// Returns the text of an address, or `None` if it has no name or is of another family.
fn address(any: SocketAddrAny) -> Option<String> {
    if let Ok(inet) = SocketAddr::try_from(any.clone()) {
        return Some(inet.to_string());
    }
    let unix = SocketAddrUnix::try_from(any).ok()?;
    if let Some(path) = unix.path_bytes() {
        return Some(String::from_utf8_lossy(path).into_owned());
    }
    abstract_name(&unix)
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn abstract_name(unix: &SocketAddrUnix) -> Option<String> {
    // The kernel reports the address of an unnamed socket as an abstract name of no bytes.
    let name = unix.abstract_name().filter(|name| !name.is_empty())?;
    Some(format!("@{}", String::from_utf8_lossy(name)))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn abstract_name(_: &SocketAddrUnix) -> Option<String> {
    None
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} socket:[{}]", self.family, self.socket_type, self.inode)?;
        match (&self.local, self.listening) {
            (Some(local), true) => write!(f, " listening on {}", local.escape_debug())?,
            (Some(local), false) => write!(f, " bound to {}", local.escape_debug())?,
            (None, true) => write!(f, " listening")?,
            (None, false) => {}
        }
        match (&self.peer, self.connected) {
            (Some(peer), _) => write!(f, " connected to {}", peer.escape_debug()),
            (None, true) => write!(f, " connected"),
            (None, false) => Ok(()),
        }
    }
}
