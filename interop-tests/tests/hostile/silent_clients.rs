//! F7: clients that connect and say nothing.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use crate::attacked::{HOSTILE, against, report};
use crate::child::{say, wait_for_the_end};
use crate::servers::ServerKind;
use crate::wire::connect_at_once;

pub(crate) const ATTACK: &str = "silent-clients";

const CONNECTIONS: usize = 600;
const ATTEMPTS: usize = 20;

/// The time within which a client of a third user is served.
const LIMIT: Duration = Duration::from_millis(200);

/// Connects and says nothing.
pub(crate) fn attack(path: &Path) {
    let mut sockets = Vec::new();
    while sockets.len() < CONNECTIONS {
        match connect_at_once(path) {
            Ok(socket) => sockets.push(socket),
            // No further client fits into the queue of the server.
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("connecting: {error}"),
        }
    }
    say(sockets.len());
    wait_for_the_end();
}

#[test]
fn silent_clients_of_two_users_do_not_block_a_third() {
    against(ServerKind::Dbus, |attacked| {
        let mut honest = attacked.honest();
        let quiet = honest.connect().expect("nobody is in its way yet");
        let hostile = HOSTILE.map(|user| {
            let mut hostile = attacked.hostile(user, ATTACK);
            (hostile.answer(), hostile)
        });
        let mut slowest = Ok(Duration::ZERO);
        for _ in 0..ATTEMPTS {
            slowest = slowest.and_then(|slowest| honest.connect().map(|time| time.max(slowest)));
        }
        report(
            "F7",
            format_args!(
                "connection and first answer: quiet {quiet:.1?}; with {} and {} silent clients of \
                 two users, the slowest of {ATTEMPTS}: {slowest:.1?}",
                hostile[0].0, hostile[1].0,
            ),
        );
        let slowest = slowest.expect("it is served");
        assert!(slowest <= LIMIT, "{slowest:?}");
    });
}
