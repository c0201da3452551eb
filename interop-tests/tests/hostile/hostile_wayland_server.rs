//! F20: a hostile Wayland server.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use interop_tests::memfd;

use crate::clients_attacked::clients_survive;
use crate::hostile_servers::{self, Case, repeat, say_nothing, skip, slowly};
use crate::servers::ServerKind;
use crate::wire::send_fds;

pub(crate) const ATTACK: &str = "wayland-server";

/// The ids of the first objects of a client.
const DISPLAY: u32 = 1;
const REGISTRY: u32 = 2;
const CALLBACK: u32 = 3;
/// An object that the client does not know.
const OTHER: u32 = 77;

/// The length of `wl_display.get_registry` and `wl_display.sync`, which the client sends.
const REQUESTS: usize = 24;

const CASES: &[Case] = &[
    ("silence", say_nothing, "did not reply within 500ms"),
    ("end at once", |_| Ok(()), "closed|Broken pipe|reset"),
    ("globals without end", |client| client.write_all(&globals(5000)), "limit is 4096"),
    (
        "the same globals without end",
        |client| repeat(client, &globals(1000)),
        "did not reply within 500ms",
    ),
    ("a global that comes and goes without end", come_and_go, "did not reply within 500ms"),
    (
        "deletions without end",
        |client| repeat(client, &event(DISPLAY, 1, &[OTHER])),
        "did not reply within 500ms",
    ),
    (
        "events without end",
        |client| repeat(client, &event(OTHER, 0, &[])),
        "too many messages arrived",
    ),
    ("descriptors without end", descriptors_without_end, "limit is 1024"),
    ("half an event with descriptors", half_an_event, "did not reply within 500ms"),
    ("a slow event", |client| slowly(client, &globals(100)), "did not reply within 500ms"),
    (
        "an event of 4 bytes",
        |client| send(client, &header(OTHER, 0, 4)),
        "it has 4 bytes, minimum is 8",
    ),
    (
        "an event of 65532 bytes",
        |client| send(client, &header(OTHER, 0, 65532)),
        "it has 65532 bytes, limit is 4096",
    ),
    ("zeros", |client| repeat(client, &[0]), "an object is null"),
    ("a global without an end of its string", unterminated, "does not end with a NUL"),
    (
        "an unknown event of the callback",
        |client| send(client, &event(CALLBACK, 9, &[0])),
        "opcode",
    ),
];

/// Attacks as a server at this path.
pub(crate) fn attack(path: &Path) {
    hostile_servers::attack(path, CASES);
}

fn header(object: u32, opcode: u32, size: u32) -> Vec<u8> {
    [object, size << 16 | opcode].iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn event(object: u32, opcode: u32, arguments: &[u32]) -> Vec<u8> {
    let mut event = header(object, opcode, 8 + 4 * arguments.len() as u32);
    event.extend(arguments.iter().flat_map(|word| word.to_ne_bytes()));
    event
}

/// `wl_registry.global` of an interface "abc".
fn global(name: u32) -> Vec<u8> {
    event(REGISTRY, 0, &[name, 4, u32::from_ne_bytes(*b"abc\0"), 1])
}

fn globals(count: u32) -> Vec<u8> {
    (1..=count).flat_map(global).collect()
}

fn send(client: &mut UnixStream, bytes: &[u8]) -> io::Result<()> {
    client.write_all(bytes)?;
    say_nothing(client)
}

fn come_and_go(client: &mut UnixStream) -> io::Result<()> {
    repeat(client, &[global(1), event(REGISTRY, 1, &[1])].concat())
}

fn unterminated(client: &mut UnixStream) -> io::Result<()> {
    send(client, &event(REGISTRY, 0, &[1, 4, u32::from_ne_bytes(*b"abcd"), 1]))
}

fn descriptors_without_end(client: &mut UnixStream) -> io::Result<()> {
    skip(client, REQUESTS)?;
    let (event, file) = (event(DISPLAY, 1, &[OTHER]), memfd());
    loop {
        send_fds(client, &event, &file, 28)?;
    }
}

fn half_an_event(client: &mut UnixStream) -> io::Result<()> {
    send_fds(client, &header(REGISTRY, 0, 400), &memfd(), 28)?;
    say_nothing(client)
}

#[test]
fn clients_survive_a_hostile_wayland_server() {
    clients_survive("F20", ServerKind::Wayland, ATTACK, CASES);
}
