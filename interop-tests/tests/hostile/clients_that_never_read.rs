//! F18: clients that send requests for as long as they can, and read no answer.

use std::io::{self, ErrorKind, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::attacked::{against, report};
use crate::beside::beside;
use crate::child::{say, told_to_stop, wait_for_the_end};
use crate::servers::ServerKind;
use crate::wire::{authenticate, connect_at_once, method_call};

pub(crate) const DBUS: &str = "unread-answers";
pub(crate) const WAYLAND: &str = "unread-events";

const CONNECTIONS: usize = 30;

/// MB that the server may grow by: at most 64 KiB of answers and 8 KiB of requests for each connection,
/// and what their tasks need.
const MEMORY: f64 = 32.0;

/// Bytes that a connection may send after the attack. The buffers of both sockets and of the connection are
/// full or nearly full then.
const FURTHER: u64 = 512 << 10;

/// The time without progress after which a connection cannot send. A shorter time would let the test pass
/// although the server reads slowly; it never lets it fail.
const IDLE: Duration = Duration::from_millis(500);

/// The word before the number of bytes of the connection that sent on.
const SINGLE: &str = "one more";

pub(crate) fn of_dbus(path: &Path) {
    never_read(path, authenticate, &method_call("Answer", 0, 0));
}

pub(crate) fn of_wayland(path: &Path) {
    let request = [1_u32.to_ne_bytes(), (8_u32 << 16).to_ne_bytes()].concat();
    never_read(path, connect_at_once, &request);
}

/// Sends requests on each connection until the server reads no more of them.
fn never_read(path: &Path, begin: impl Fn(&Path) -> io::Result<UnixStream>, request: &[u8]) {
    let requests = request.repeat((32 << 10) / request.len());
    let mut sockets = Vec::new();
    for _ in 0..CONNECTIONS {
        let Ok(socket) = begin(path) else { break };
        socket.set_nonblocking(true).expect("a socket");
        // The bytes of `requests` that were sent last, so that no request is cut.
        sockets.push((socket, 0));
    }
    say("begins");
    let (mut sent, mut progress) = (0_u64, Instant::now());
    while !told_to_stop() {
        for (socket, at) in &mut sockets {
            match socket.write(&requests[*at..]) {
                Ok(count) => {
                    *at = (*at + count) % requests.len();
                    sent += count as u64;
                    progress = Instant::now();
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let (count, rest) = (sockets.len(), progress.elapsed());
    sockets.truncate(1);
    let single: u64 = sockets.iter().map(|(socket, at)| send_on(socket, &requests, *at)).sum();
    say(format_args!(
        "{count} connections sent {sent} bytes, and nothing for the last {rest:.1?}; {SINGLE} {single}"
    ));
    wait_for_the_end();
}

/// Sends further requests for as long as the server reads them, and at most twice [`FURTHER`]. Returns the
/// number of bytes.
///
/// The other connections are closed, so a server that reads without a bound has time for this one.
fn send_on(mut socket: &UnixStream, requests: &[u8], mut at: usize) -> u64 {
    let (mut sent, mut progress) = (0, Instant::now());
    while sent < 2 * FURTHER && progress.elapsed() < IDLE {
        match socket.write(&requests[at..]) {
            Ok(count) => {
                at = (at + count) % requests.len();
                sent += count as u64;
                progress = Instant::now();
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    sent
}

fn unread_answers_are_bounded(kind: ServerKind, attack: &str) {
    against(kind, |attacked| {
        let beside = beside(attacked, attack);
        report("F18", format_args!("{kind:?}, {beside}"));
        beside.assert_bounds(kind.most_descriptors(), MEMORY);
        for said in &beside.said {
            let (_, further) = said.split_once(SINGLE).expect("a connection sent on");
            let further: u64 = further.trim().parse().expect("a number");
            assert!(further <= FURTHER, "a connection sent {further} bytes more");
        }
    });
}

#[test]
fn clients_that_read_no_answer_are_read_no_more() {
    unread_answers_are_bounded(ServerKind::Dbus, DBUS);
}

#[test]
fn clients_that_read_no_event_are_read_no_more() {
    unread_answers_are_bounded(ServerKind::Wayland, WAYLAND);
}
