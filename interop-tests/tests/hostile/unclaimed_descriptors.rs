//! F8: descriptors that no message of a Wayland client claims.

use std::io::{ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use interop_tests::memfd;

use crate::attacked::{HOSTILE, against, report};
use crate::child::say;
use crate::measure::{holds_within, open_fds};
use crate::servers::ServerKind;
use crate::wire::{connect_at_once, send_fds};

pub(crate) const ATTACK: &str = "unclaimed-descriptors";

const CONNECTIONS: usize = 30;
/// Descriptors of two `sendmsg` calls of one client; no more fit into one call.
const FDS: [usize; 2] = [28, 12];
/// More than there is time for, so that the attack goes on for all of it.
const ROUNDS: usize = 1_000_000;
const QUIET_ROUNDS: usize = 2000;
const LEAST_ROUNDS: usize = 200;

/// Keeps connections on which descriptors wait, and replaces those that the server ends.
pub(crate) fn attack(path: &Path) {
    let file = memfd();
    // A request of the display without arguments.
    let request = [1_u32.to_ne_bytes(), (8_u32 << 16).to_ne_bytes()].concat();
    let mut sockets: [Option<UnixStream>; CONNECTIONS] = [const { None }; CONNECTIONS];
    say("begins");
    // Until the test ends this process.
    loop {
        for socket in &mut sockets {
            if socket.as_mut().is_some_and(is_ended) {
                *socket = None;
            }
            if socket.is_none() {
                *socket = connect(path, &request, &file);
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Connects, if the server has room for a client, and sends descriptors.
fn connect(path: &Path, request: &[u8], file: &OwnedFd) -> Option<UnixStream> {
    let socket = connect_at_once(path).ok()?;
    for count in FDS {
        send_fds(&socket, request, file, count).ok()?;
    }
    Some(socket)
}

fn is_ended(socket: &mut UnixStream) -> bool {
    match socket.read(&mut [0; 64]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}

#[test]
fn unclaimed_descriptors_end_no_other_connection() {
    against(ServerKind::Wayland, |attacked| {
        let mut honest = attacked.honest();
        let quiet = honest.rounds(QUIET_ROUNDS, 1);
        let server = attacked.id();
        let mut hostile = HOSTILE.map(|user| attacked.hostile(user, ATTACK));
        for hostile in &mut hostile {
            hostile.answer();
        }
        // The table of the server is full, or does not become so.
        holds_within(Duration::from_secs(1), || open_fds(server) >= 990);
        let fds = open_fds(server);
        let rounds = honest.rounds(ROUNDS, 1);
        report(
            "F8",
            format_args!(
                "round trips with a descriptor: quiet {quiet}; while hostile clients have {} \
                 unclaimed descriptors each ({fds} open): {rounds}",
                FDS[0] + FDS[1],
            ),
        );
        assert_eq!(rounds.failure, None);
        assert!(rounds.done >= LEAST_ROUNDS, "{} round trips", rounds.done);
    });
}
