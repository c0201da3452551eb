//! F7b: two users that make the server hold as many descriptors as they can.

use std::path::Path;

use interop_tests::memfd;

use crate::attacked::{HOSTILE, against, report};
use crate::child::{say, wait_for_the_end};
use crate::measure::open_fds;
use crate::servers::ServerKind;
use crate::wire::{authenticate, method_call, send_fds};

pub(crate) const ATTACK: &str = "descriptors-of-two-users";

/// More than the table of the server has room for.
const CONNECTIONS: usize = 1024;
const ROUNDS: usize = 100;

/// Begins messages with descriptors, on as many connections as the server accepts.
pub(crate) fn attack(path: &Path) {
    let file = memfd();
    let start = method_call("Wait", 8, 1);
    let mut sockets = Vec::new();
    while sockets.len() < CONNECTIONS {
        let Ok(socket) = authenticate(path) else { break };
        if send_fds(&socket, &start, &file, 1).is_err() {
            break;
        }
        sockets.push(socket);
    }
    say(sockets.len());
    wait_for_the_end();
}

#[test]
fn two_users_cannot_take_the_descriptors_that_a_third_needs() {
    against(ServerKind::DbusWithFewFds, |attacked| {
        let mut honest = attacked.unconnected();
        let hostile = HOSTILE.map(|user| {
            let mut hostile = attacked.hostile(user, ATTACK);
            (hostile.answer(), hostile)
        });
        let connected = honest.connect();
        let rounds = connected.as_ref().ok().map(|_| honest.rounds(ROUNDS, 1));
        let shown = rounds.as_ref().map_or("none".to_owned(), ToString::to_string);
        report(
            "F7b",
            format_args!(
                "with {} and {} connections of two users ({} descriptors open), connection and \
                 first answer: {connected:.1?}; round trips with a descriptor: {shown}",
                hostile[0].0,
                hostile[1].0,
                open_fds(attacked.id()),
            ),
        );
        connected.expect("it is served");
        let rounds = rounds.expect("it is connected");
        assert_eq!((rounds.failure, rounds.done), (None, ROUNDS));
    });
}
