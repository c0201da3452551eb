//! F16: clients that send a handshake or a message byte by byte, slowly.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::attacked::{against, report};
use crate::beside::beside;
use crate::child::{say, told_to_stop, wait_for_the_end};
use crate::servers::{SHORT_TIMEOUT, ServerKind};
use crate::wire::{authenticate, connect_at_once, method_call};

pub(crate) const HANDSHAKE: &str = "slow-handshakes";
pub(crate) const MESSAGE: &str = "slow-messages";

const CONNECTIONS: usize = 100;
/// The time between two bytes of a connection: a timeout that each byte extends would never end one.
const PAUSE: Duration = Duration::from_millis(20);

/// MB that the server may grow by.
const MEMORY: f64 = 16.0;

pub(crate) fn handshakes(path: &Path) {
    // A line that is longer than there is time for.
    let line = [b"\0AUTH ANONYMOUS ".as_slice(), &[b'6'; 4000]].concat();
    byte_by_byte(path, connect_at_once, &line);
}

pub(crate) fn messages(path: &Path) {
    let message = [method_call("Wait", 4000, 0), vec![0; 4000]].concat();
    byte_by_byte(path, authenticate, &message);
}

/// Sends these bytes on each connection, one after the other, until the server has ended all of them.
fn byte_by_byte(path: &Path, begin: impl Fn(&Path) -> io::Result<UnixStream>, bytes: &[u8]) {
    let mut sockets = Vec::new();
    for _ in 0..CONNECTIONS {
        let Ok(mut socket) = begin(path) else { break };
        // The time of a message begins with its first byte.
        if socket.write_all(&bytes[..1]).is_ok() {
            sockets.push((socket, Instant::now()));
        }
    }
    let count = sockets.len();
    say("begins");
    let mut longest = Duration::ZERO;
    for byte in &bytes[1..] {
        sockets.retain_mut(|(socket, begin)| {
            let is_open = socket.write_all(&[*byte]).is_ok();
            if !is_open {
                longest = longest.max(begin.elapsed());
            }
            is_open
        });
        if sockets.is_empty() {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    while !told_to_stop() {
        std::thread::sleep(PAUSE);
    }
    let left = sockets.len();
    say(format_args!("{left} of {count} connections left, the longest ended after {longest:.1?}"));
    wait_for_the_end();
}

fn slow_clients_end(attack: &str) {
    against(ServerKind::DbusWithShortTimeouts, |attacked| {
        let beside = beside(attacked, attack);
        report("F16", format_args!("timeout {SHORT_TIMEOUT:?}, {attack}: {beside}"));
        beside.assert_bounds(ServerKind::DbusWithShortTimeouts.most_descriptors(), MEMORY);
        for said in &beside.said {
            assert!(said.starts_with("0 of "), "{said}");
            assert!(!said.starts_with("0 of 0 "), "no connection was accepted");
        }
    });
}

#[test]
fn bytes_do_not_extend_the_time_of_a_handshake() {
    slow_clients_end(HANDSHAKE);
}

#[test]
fn bytes_do_not_extend_the_time_of_a_message() {
    slow_clients_end(MESSAGE);
}
