//! F19: a hostile D-Bus server.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use interop_tests::memfd;

use crate::clients_attacked::clients_survive;
use crate::hostile_servers::{self, Case, repeat, say_nothing, slowly};
use crate::servers::ServerKind;
use crate::wire::{method_call, read_until, send_fds};

pub(crate) const ATTACK: &str = "dbus-server";

const OK: &[u8] = b"DATA\r\nOK 0123456789abcdef0123456789abcdef\r\nAGREE_UNIX_FD\r\n";

const CASES: &[Case] = &[
    ("silence", say_nothing, "did not finish the handshake within 500ms"),
    ("end at once", |_| Ok(()), "closed"),
    ("a line without end", |client| repeat(client, b"A"), "limit is 16384 bytes"),
    (
        "rejections without end",
        |client| repeat(client, b"REJECTED EXTERNAL\r\n"),
        "rejected the client",
    ),
    ("challenges without end", |client| repeat(client, b"DATA 00\r\n"), "replied \"DATA 00\""),
    ("unknown lines without end", |client| repeat(client, b"HELLO\r\n"), "replied \"HELLO\""),
    ("a slow line", |client| slowly(client, &[b'A'; 1000]), "did not finish the handshake"),
    ("descriptors before OK", descriptors_before_ok, "passing was not negotiated"),
    ("descriptors with OK", descriptors_with_ok, "passing was not negotiated"),
    (
        "silence after OK",
        |client| begun(client).and_then(|()| say_nothing(client)),
        "did not reply to the call within 500ms",
    ),
    (
        "calls without end",
        |client| begun(client).and_then(|()| repeat(client, &tiny())),
        "is 1024, limit is 1024",
    ),
    ("descriptors without end", descriptors_without_end, "limit is 256"),
    ("half a message with descriptors", half_a_message, "did not reply to the call within 500ms"),
    ("a slow message", slow_message, "did not reply to the call within 500ms"),
    ("a message that is too long", too_long, "limit is 134217728"),
    ("zeros", |client| begun(client).and_then(|()| repeat(client, &[0])), "expected 'l' or 'B'"),
];

/// Attacks as a server at this path.
pub(crate) fn attack(path: &Path) {
    hostile_servers::attack(path, CASES);
}

fn begun(client: &mut UnixStream) -> io::Result<()> {
    client.write_all(OK)?;
    read_until(client, b"BEGIN\r\n")
}

fn tiny() -> Vec<u8> {
    method_call("A", 0, 0)
}

fn descriptors_before_ok(client: &mut UnixStream) -> io::Result<()> {
    send_fds(client, b"D", &memfd(), 253)?;
    say_nothing(client)
}

fn descriptors_with_ok(client: &mut UnixStream) -> io::Result<()> {
    send_fds(client, OK, &memfd(), 253)?;
    say_nothing(client)
}

fn descriptors_without_end(client: &mut UnixStream) -> io::Result<()> {
    begun(client)?;
    let (message, file) = (method_call("A", 0, 253), memfd());
    loop {
        send_fds(client, &message, &file, 253)?;
    }
}

fn half_a_message(client: &mut UnixStream) -> io::Result<()> {
    begun(client)?;
    send_fds(client, &method_call("A", 1000, 253), &memfd(), 253)?;
    say_nothing(client)
}

fn slow_message(client: &mut UnixStream) -> io::Result<()> {
    begun(client)?;
    slowly(client, &method_call("A", 1000, 0))
}

fn too_long(client: &mut UnixStream) -> io::Result<()> {
    begun(client)?;
    client.write_all(&method_call("A", 1 << 27, 0))?;
    say_nothing(client)
}

#[test]
fn clients_survive_a_hostile_dbus_server() {
    clients_survive("F19", ServerKind::Dbus, ATTACK, CASES);
}
