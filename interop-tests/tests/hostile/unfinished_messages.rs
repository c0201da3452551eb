//! F5: large messages that lack their last bytes.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::attacked::{HOSTILE, against, report};
use crate::child::{say, wait_for_the_end};
use crate::measure::{holds_within, peak_resident, resident};
use crate::servers::{LITTLE_MEMORY, MESSAGE_TIMEOUT, ServerKind};
use crate::wire::{authenticate, method_call};

pub(crate) const ATTACK: &str = "unfinished-messages";

const CONNECTIONS: usize = 12;
/// The longest that the specification allows.
const MESSAGE: usize = 128 << 20;
const MISSING: usize = 10;

/// MB that the server may hold more than at the start: the share of one user, which is half of the
/// budget, and a little for buffers that have been returned and are not reused yet.
const LIMIT: f64 = LITTLE_MEMORY as f64 / 2.0 / 1e6 + 16.0;

/// MB that it may hold more than at the start when the unfinished messages have expired.
const LIMIT_AFTERWARDS: f64 = 32.0;

/// Sends messages without their last bytes, as much of them as the server reads.
pub(crate) fn attack(path: &Path) {
    let sockets: Vec<_> =
        (0..CONNECTIONS).map(|_| authenticate(path).expect("the server accepts")).collect();
    let header = method_call("Wait", MESSAGE, 0);
    let body = MESSAGE - header.len();
    let header = method_call("Wait", body, 0);
    let mut unsent = Vec::new();
    for mut socket in &sockets {
        socket.write_all(&header).expect("there is room");
        socket.set_nonblocking(true).expect("a socket");
        unsent.push((socket, body - MISSING));
    }
    let part = vec![0; 256 << 10];
    let mut progress = Instant::now();
    // The server has stopped reading if it reads nothing for a while.
    while !unsent.is_empty() && progress.elapsed() < Duration::from_millis(300) {
        for (socket, rest) in &mut unsent {
            let mut socket: &UnixStream = socket;
            match socket.write(&part[..part.len().min(*rest)]) {
                Ok(count) => {
                    *rest -= count;
                    progress = Instant::now();
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                // The server has closed the connection.
                Err(_) => *rest = 0,
            }
        }
        unsent.retain(|(_, rest)| *rest > 0);
        std::thread::yield_now();
    }
    say(unsent.len());
    wait_for_the_end();
}

#[test]
fn unfinished_messages_are_bounded_and_expire() {
    against(ServerKind::DbusWithLittleMemory, |attacked| {
        let mut honest = attacked.honest();
        let server = attacked.id();
        let start = resident(server);
        let mut hostile = attacked.hostile(HOSTILE[0], ATTACK);
        let stuck = hostile.answer();
        let peak = peak_resident(server);
        let rounds = honest.rounds(500, 0);
        holds_within(MESSAGE_TIMEOUT + Duration::from_secs(1), || {
            resident(server) <= start + LIMIT_AFTERWARDS
        });
        let end = resident(server);
        report(
            "F5",
            format_args!(
                "memory: start {start:.0} MB, at most {peak:.0} MB with {CONNECTIONS} unfinished \
                 messages of {} MiB ({stuck} not read), {end:.0} MB after the timeout of \
                 {MESSAGE_TIMEOUT:?}; round trips meanwhile: {rounds}",
                MESSAGE >> 20,
            ),
        );
        assert_eq!(rounds.failure, None);
        assert!(peak <= start + LIMIT, "{peak:.1} MB after {start:.1} MB at the start");
        assert!(end <= start + LIMIT_AFTERWARDS, "{end:.1} MB after {start:.1} MB at the start");
    });
}
