//! F14: the smallest messages, as many as the server takes.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Instant;

use crate::attacked::{against, report};
use crate::beside::beside;
use crate::child::{commands, say, wait_for_the_end};
use crate::servers::ServerKind;
use crate::tally::Tally;
use crate::wire::{authenticate, connect_at_once, method_call};

pub(crate) const DBUS: &str = "tiny-messages";
pub(crate) const WAYLAND: &str = "tiny-requests";

const CONNECTIONS: usize = 2;

/// MB that the server may grow by.
const MEMORY: f64 = 16.0;

/// Messages of a connection until the next connection has its turn. tokio ends the turn of a task after 128
/// operations (`tokio::task::coop`), and each answer is two. Of the received messages, each one of D-Bus is
/// one, and every fourth one of Wayland.
const MOST_DBUS: usize = 43;
const MOST_WAYLAND: usize = 57;

pub(crate) fn of_dbus(path: &Path) {
    tiny(path, authenticate, &method_call("A", 0, 0));
}

pub(crate) fn of_wayland(path: &Path) {
    let begin = |path: &Path| {
        let socket = connect_at_once(path)?;
        socket.set_nonblocking(false)?;
        Ok(socket)
    };
    let request = [1_u32.to_ne_bytes(), (8_u32 << 16).to_ne_bytes()].concat();
    tiny(path, begin, &request);
}

/// Sends as fast as the server reads, and reads all answers.
fn tiny(path: &Path, begin: impl Fn(&Path) -> io::Result<UnixStream>, message: &[u8]) {
    let messages = message.repeat((32 << 10) / message.len());
    let sockets: Vec<_> =
        (0..CONNECTIONS).map(|_| begin(path).expect("the server accepts")).collect();
    say("begins");
    let begin = Instant::now();
    let sent: u64 = thread::scope(|scope| {
        let senders: Vec<_> =
            sockets.iter().map(|socket| scope.spawn(|| send_all(socket, &messages))).collect();
        for socket in &sockets {
            scope.spawn(|| drain(socket));
        }
        commands().next();
        for socket in &sockets {
            socket.shutdown(Shutdown::Both).expect("a socket");
        }
        senders.into_iter().map(|sender| sender.join().expect("it sends")).sum()
    });
    let rate = sent as f64 / message.len() as f64 / begin.elapsed().as_secs_f64();
    say(format_args!("{rate:.0} messages of {} bytes a second", message.len()));
    wait_for_the_end();
}

/// Sends until the socket is closed. Returns the number of bytes.
fn send_all(mut socket: &UnixStream, messages: &[u8]) -> u64 {
    let (mut sent, mut at) = (0, 0);
    while let Ok(count) = socket.write(&messages[at..]) {
        at = (at + count) % messages.len();
        sent += count as u64;
    }
    sent
}

fn drain(mut socket: &UnixStream) {
    let mut bytes = [0; 16 << 10];
    while socket.read(&mut bytes).is_ok_and(|count| count > 0) {}
}

fn tiny_messages_delay_nobody(kind: ServerKind, attack: &str, most_in_a_turn: usize) {
    against(kind, |attacked| {
        let beside = beside(attacked, attack);
        let most = Tally::ask(&mut attacked.server).most_in_a_turn;
        report("F14", format_args!("{kind:?}, {beside}; at most {most} messages in a turn"));
        beside.assert_bounds(kind.most_descriptors(), MEMORY);
        assert!(most <= most_in_a_turn, "{most} messages in a turn");
    });
}

#[test]
fn a_flood_of_tiny_messages_leaves_others_their_turn() {
    tiny_messages_delay_nobody(ServerKind::Dbus, DBUS, MOST_DBUS);
}

#[test]
fn a_flood_of_tiny_requests_leaves_others_their_turn() {
    tiny_messages_delay_nobody(ServerKind::Wayland, WAYLAND, MOST_WAYLAND);
}
