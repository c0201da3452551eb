//! F15: halves of messages with descriptors, whose other halves never come.

use std::io::{self, ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use interop_tests::memfd;

use crate::attacked::{against, report};
use crate::beside::beside;
use crate::child::{say, told_to_stop, wait_for_the_end};
use crate::servers::ServerKind;
use crate::wire::{authenticate, connect_at_once, method_call, send_fds};

pub(crate) const DBUS: &str = "half-messages";
pub(crate) const WAYLAND: &str = "half-requests";

/// More than one user gets.
const CONNECTIONS: usize = 200;

/// MB that the server may grow by.
const MEMORY: f64 = 16.0;

pub(crate) fn of_dbus(path: &Path) {
    let start = method_call("Wait", 1000, 16);
    halves(path, authenticate, &start, 16);
}

pub(crate) fn of_wayland(path: &Path) {
    // A request of 400 bytes for an object that has descriptors, without the last 388 of them.
    let start: Vec<u8> =
        [5, 400 << 16, 0].iter().flat_map(|word: &u32| word.to_ne_bytes()).collect();
    halves(path, connect_at_once, &start, 28);
}

/// Begins a message with descriptors on each connection, and replaces the connections that the server
/// ends.
fn halves(path: &Path, begin: impl Fn(&Path) -> io::Result<UnixStream>, half: &[u8], fds: usize) {
    let file = memfd();
    let mut sockets: [Option<UnixStream>; CONNECTIONS] = [const { None }; CONNECTIONS];
    let mut begun = 0;
    say("begins");
    while !told_to_stop() {
        for socket in &mut sockets {
            end(socket);
            if socket.is_none() {
                *socket = begin(path).ok().filter(|open| {
                    open.set_nonblocking(true).is_ok() && send_fds(open, half, &file, fds).is_ok()
                });
                begun += usize::from(socket.is_some());
            }
            if told_to_stop() {
                break;
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    // The server ends the other connections in time.
    while sockets.iter().any(Option::is_some) {
        sockets.iter_mut().for_each(end);
        std::thread::sleep(Duration::from_millis(1));
    }
    say(format_args!("{begun} messages begun, and all connections ended"));
    wait_for_the_end();
}

/// Closes a socket if the server has ended the connection.
fn end(place: &mut Option<UnixStream>) {
    let is_ended = place.as_mut().is_some_and(|socket| match socket.read(&mut [0; 64]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    });
    if is_ended {
        *place = None;
    }
}

fn halves_are_bounded(kind: ServerKind, attack: &str) {
    against(kind, |attacked| {
        let beside = beside(attacked, attack);
        report("F15", format_args!("{kind:?}, {beside}"));
        beside.assert_bounds(kind.most_descriptors(), MEMORY);
    });
}

#[test]
fn half_messages_with_descriptors_are_bounded_and_end_in_time() {
    halves_are_bounded(ServerKind::DbusWithShortTimeouts, DBUS);
}

#[test]
fn half_requests_with_descriptors_are_bounded_and_end_in_time() {
    halves_are_bounded(ServerKind::WaylandWithShortTimeouts, WAYLAND);
}
