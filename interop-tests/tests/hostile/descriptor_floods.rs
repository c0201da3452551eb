//! F11, F12, F13: floods of descriptors before the handshake, in it and after it.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use interop_tests::{kernel_is_at_least, memfd};

use crate::attacked::{against, report};
use crate::beside::beside;
use crate::child::{say, told_to_stop, wait_for_the_end};
use crate::servers::ServerKind;
use crate::tally::Tally;
use crate::wire::{
    authenticate, connect_at_once, method_call, read_until, send_fds, within_a_second,
};

pub(crate) const BEFORE: &str = "descriptors-before-the-handshake";
pub(crate) const WITHIN: &str = "descriptors-in-the-handshake";
pub(crate) const AFTER: &str = "descriptors-after-the-handshake";

const CONNECTIONS: usize = 32;
/// As many as one `sendmsg` takes.
const MOST_FDS: usize = 253;
/// As many as the server accepts in a message.
const MESSAGE_FDS: usize = 16;

/// MB that the server may grow by.
const MEMORY: f64 = 16.0;

/// Sends descriptors as the first bytes of each connection: as many as a message may have, and on every
/// other connection as many as the kernel takes. The server refuses them in different places.
pub(crate) fn before(path: &Path) {
    flood(path, connect_at_once, |connection| {
        (b"\0AUTH".to_vec(), if connection % 2 == 0 { MESSAGE_FDS } else { MOST_FDS })
    });
}

/// Negotiates descriptor passing, and sends descriptors with a part of `BEGIN` or with all of it.
pub(crate) fn within(path: &Path) {
    let begin = |path: &Path| {
        let mut socket = within_a_second(connect_at_once(path)?)?;
        socket.write_all(b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\n")?;
        read_until(&mut socket, b"AGREE_UNIX_FD\r\n")?;
        Ok(socket)
    };
    flood(path, begin, |connection| match connection % 3 {
        0 => (b"BEG".to_vec(), MESSAGE_FDS - 1),
        1 => (b"BEGIN\r\n".to_vec(), MESSAGE_FDS),
        _ => (b"BEG".to_vec(), MOST_FDS),
    });
}

/// Sends messages with as many descriptors as the server accepts; on every other connection, with as
/// many as the kernel takes.
pub(crate) fn after(path: &Path) {
    let message = method_call("Drop", 0, MESSAGE_FDS as u32);
    flood(path, authenticate, |connection| {
        let fds = if connection % 2 == 0 { MESSAGE_FDS } else { MOST_FDS };
        (message.clone(), fds)
    });
}

/// What a flood has done.
#[derive(Default)]
struct Count {
    sent: u64,
    refused: u64,
    ended: u64,
}

/// Sends the bytes and as many copies of a descriptor on each connection until the test says that it is
/// enough, and replaces the connections that the server ends.
fn flood(
    path: &Path,
    begin: impl Fn(&Path) -> io::Result<UnixStream>,
    part: impl Fn(usize) -> (Vec<u8>, usize),
) {
    let file = memfd();
    let parts: Vec<_> = (0..CONNECTIONS).map(part).collect();
    let mut sockets: [Option<UnixStream>; CONNECTIONS] = [const { None }; CONNECTIONS];
    let mut count = Count::default();
    say("begins");
    while !told_to_stop() {
        for (socket, (bytes, fds)) in sockets.iter_mut().zip(&parts) {
            let Some(open) = socket else {
                *socket = begin(path).ok();
                if let Some(socket) = socket {
                    socket.set_nonblocking(true).expect("a socket");
                }
                continue;
            };
            // Answers are read, so that the server does not wait for room for them.
            let is_ended = match open.read(&mut [0; 4096]) {
                Ok(count) => count == 0,
                Err(error) => error.kind() != ErrorKind::WouldBlock,
            };
            match send_fds(open, bytes, &file, *fds) {
                Ok(()) => count.sent += 1,
                Err(error) if is_refusal(&error) => count.refused += 1,
                Err(error) if error.kind() == ErrorKind::WouldBlock && !is_ended => {}
                Err(_) => {
                    count.ended += 1;
                    *socket = None;
                }
            }
        }
    }
    let Count { sent, refused, ended } = count;
    say(format_args!(
        "{sent} sets sent, {refused} refused by the kernel, {ended} connections ended"
    ));
    wait_for_the_end();
}

/// Returns whether the kernel carries no descriptors: to this socket (`SO_PASSRIGHTS`), or of this user
/// for now.
fn is_refusal(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EPERM | libc::ETOOMANYREFS))
}

/// The number of sets that the hostile clients say they have sent, and of connections that ended.
fn sent_and_ended(said: &[String; 2]) -> [u64; 2] {
    let number = |text: &str, at| text.split(' ').nth(at).and_then(|word| word.parse::<u64>().ok());
    [0, 8].map(|at| said.iter().map(|said| number(said, at).expect("a number")).sum())
}

/// Fails if a flood exceeds the bounds, or if no connection has ended with each of these errors.
fn a_flood_is_bounded(row: &str, kind: ServerKind, attack: &str, errors: &[&str]) {
    flood_with(row, kind, attack, |_, ends| {
        for error in errors {
            assert!(ends.contains(error), "no connection ended because {error}: {ends}");
        }
    });
}

fn flood_with(row: &str, kind: ServerKind, attack: &str, check: impl Fn([u64; 2], &str)) {
    against(kind, |attacked| {
        let beside = beside(attacked, attack);
        let tally = Tally::ask(&mut attacked.server);
        report(row, format_args!("{kind:?}, {beside}; server: {}", tally.ends));
        beside.assert_bounds(kind.most_descriptors(), MEMORY);
        check(sent_and_ended(&beside.said), &tally.ends);
    });
}

#[test]
fn descriptors_before_the_handshake_are_refused_by_the_kernel() {
    flood_with("F11", ServerKind::Dbus, BEFORE, |[sent, _], _| {
        assert!(sent == 0 || !kernel_is_at_least(6, 16), "{sent} sets were sent");
    });
}

#[test]
fn descriptors_before_the_handshake_end_their_connection() {
    let errors = [
        "the peer sent 16 descriptors, descriptor passing was not negotiated",
        "the peer sent 253 descriptors at once, limit is 16",
    ];
    a_flood_is_bounded("F11", ServerKind::DbusWithEarlyFds, BEFORE, &errors);
}

#[test]
fn descriptors_in_the_handshake_end_their_connection() {
    let errors = [
        "the peer sent 15 descriptors, descriptor passing was not negotiated",
        "the peer sent 16 descriptors, descriptor passing was not negotiated",
        "the peer sent 253 descriptors at once, limit is 16",
    ];
    a_flood_is_bounded("F12", ServerKind::Dbus, WITHIN, &errors);
}

#[test]
fn more_descriptors_than_a_message_may_have_end_their_connection() {
    let errors = ["the peer sent or declared 253 descriptors in one message, limit is 16"];
    a_flood_is_bounded("F13", ServerKind::Dbus, AFTER, &errors);
}
