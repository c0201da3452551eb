//! D-Bus: the scenarios that all peers run.
//!
//! A caller does [`Work`]s. A service has three methods: `Echo` returns its arguments, `Take`
//! keeps them, and `Give` returns its own descriptors. `drive` calls and `serve` serves, and the
//! scripts in `scripts/` do the same. So any two of them can be combined, directly or through a
//! bus or a proxy.

pub(crate) mod abus;
pub(crate) mod bus;
pub(crate) mod busd;
pub(crate) mod dbus_broker;
pub(crate) mod dbus_daemon;
pub(crate) mod dbus_fast;
mod drive;
pub(crate) mod gdbus;
pub(crate) mod libdbus;
mod proxied;
mod script;
pub(crate) mod sd_bus;
mod serve;
pub(crate) mod xdg_dbus_proxy;
pub(crate) mod zbus;

use std::os::fd::AsFd;

use anchovy_dbus::{Address, Addresses, Client, Connection, Guid, Message, MessageType, Server};
use interop_tests::{Directory, Identity, identities};

pub(crate) use drive::{Work, drive};
pub(crate) use script::Script;
pub(crate) use serve::serve;

pub(crate) const PATH: &str = "/org/example/Test";
pub(crate) const INTERFACE: &str = "org.example.Test";
pub(crate) const BUS: &str = "org.freedesktop.DBus";

/// More bytes than both buffers of a socket hold (`net.core.wmem_default`, 208 KiB).
pub(crate) const LARGE: usize = 4 << 20;

/// Number of descriptors that `Give` returns.
pub(crate) const GIVEN: usize = 2;

pub(crate) fn guid() -> Guid {
    Guid::parse(b"0123456789abcdef0123456789abcdef").expect("32 digits")
}

/// Returns a server with default settings.
pub(crate) fn server() -> Server {
    Server::new(guid())
}

type NewClient = fn() -> Client;

/// The clients, and the first work of each with a server that may not be anchovy-dbus.
///
/// After a stepwise handshake, a client does not know when the server has read `BEGIN`. libdbus
/// and sd-bus read it together with the following bytes, and without room for descriptors: libdbus
/// loses them, and sd-bus disconnects. So a message without descriptors has to be answered first,
/// as a bus answers `Hello`.
pub(crate) const LOGINS: &[(NewClient, Option<Work>)] =
    &[(Client::new, None), (|| Client::new().stepwise(), Some(Work::Call))];

/// Returns the address of a socket in a directory.
pub(crate) fn address_in(directory: &Directory, name: &str) -> Addresses {
    Address::path(directory.join(name)).expect("a path").into()
}

/// Returns a body with an array of descriptor indices.
pub(crate) fn indices(count: usize) -> Vec<u8> {
    let count = u32::try_from(count).expect("a few");
    [4 * count].into_iter().chain(0..count).flat_map(u32::to_ne_bytes).collect()
}

/// Returns a body with one text.
pub(crate) fn text(text: &str) -> Vec<u8> {
    let mut body = u32::try_from(text.len()).expect("short").to_ne_bytes().to_vec();
    body.extend_from_slice(text.as_bytes());
    body.push(0);
    body
}

/// Returns the first text of a body.
pub(crate) fn text_of(message: &Message) -> String {
    let body = message.body();
    let length = u32::from_ne_bytes(body[..4].try_into().expect("a length")) as usize;
    String::from_utf8(body[4..4 + length].to_vec()).expect("text")
}

/// Returns the next message, after checking that its descriptors are close-on-exec.
pub(crate) async fn received(connection: &mut Connection) -> Option<Message> {
    let message = connection.receive().await.expect("nothing wrong")?;
    see_close_on_exec(message.fds());
    Some(message)
}

/// Checks that received descriptors are close-on-exec.
pub(crate) fn see_close_on_exec<F: AsFd>(fds: &[F]) {
    for fd in fds {
        let flags = rustix::io::fcntl_getfd(fd).expect("an open descriptor");
        assert!(flags.contains(rustix::io::FdFlags::CLOEXEC), "a child would inherit it");
    }
}

/// Returns a message as a line of a transcript, without values that differ between peers.
pub(crate) fn line(message: &Message) -> String {
    let header = message.header();
    let kind = match header.message_type() {
        MessageType::MethodCall => "call",
        MessageType::MethodReturn => "return",
        MessageType::Error => "error",
        MessageType::Signal => "signal",
        MessageType::Unknown(_) => "unknown",
    };
    let name = header.member().or(header.error_name()).unwrap_or_default();
    let space = if name.is_empty() { "" } else { " " };
    let fds = match message.fds().len() {
        0 => String::new(),
        count => format!(", {count} descriptors"),
    };
    format!("{kind}{space}{name}({}){fds}", header.signature())
}

/// Returns identities as the scripts print them.
pub(crate) fn written(identities: &[Identity]) -> String {
    let words = identities.iter().map(|(device, inode)| format!("{device}:{inode}"));
    words.collect::<Vec<_>>().join(" ")
}

/// Returns the identities of a message's descriptors.
pub(crate) fn identities_of(message: &Message) -> Vec<Identity> {
    identities(message.fds())
}
