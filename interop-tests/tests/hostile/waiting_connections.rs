//! F3: connections that wait because their user has filled its share.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use interop_tests::memfd;

use crate::attacked::{HOSTILE, against, report};
use crate::child::{commands, say};
use crate::measure::{holds_within, open_fds, processor_use};
use crate::servers::ServerKind;
use crate::wire::{authenticate, method_call, send_fds};

pub(crate) const ATTACK: &str = "waiting-connections";

const CONNECTIONS: usize = 3500;
const ROUNDS: usize = 2000;

/// The median of another user may be so many times the quiet one.
const MOST_MEDIANS: u32 = 3;

/// Percent of a processor that the server may use. A debug build uses 11 on a slow machine. If each byte made
/// the server look at all connections, it would use all of it.
const MOST_PROCESSOR: f64 = 50.0;

/// Begins a message with a descriptor on each connection, so that the first of them fill the share of
/// this user and the others wait for room. Then sends the body of the first in single bytes.
pub(crate) fn attack(path: &Path) {
    let file = memfd();
    let mut sockets: Vec<_> = (0..CONNECTIONS).map_while(|_| authenticate(path).ok()).collect();
    // As long as it takes: the message is not to end.
    let start = method_call("Wait", 1 << 20, 1);
    let filled = sockets.iter().filter(|socket| send_fds(socket, &start, &file, 1).is_ok()).count();
    say(filled);
    let mut commands = commands();
    commands.next();
    say("writing");
    // About a thousand bytes a second, which take next to no time of a server that reads them.
    while sockets[0].write_all(&[0]).is_ok() {
        std::thread::sleep(Duration::from_millis(1));
    }
    commands.for_each(drop);
}

#[test]
fn waiting_connections_do_not_slow_down_others() {
    against(ServerKind::DbusForManyClients, |attacked| {
        let mut honest = attacked.honest();
        let quiet = honest.rounds(ROUNDS, 0);
        let mut hostile = attacked.hostile(HOSTILE[0], ATTACK);
        let connections = hostile.answer();
        // What was sent last has been looked at once the server rests.
        let server = attacked.id();
        holds_within(Duration::from_secs(3), || {
            processor_use(server, Duration::from_millis(50)) < 1.0
        });
        let fds = open_fds(server);

        hostile.ask("write");
        let processor = processor_use(server, Duration::from_secs(1));
        let rounds = honest.rounds(ROUNDS, 0);
        report(
            "F3",
            format_args!(
                "round trips: quiet {quiet}; while {connections} connections of a user wait and one \
                 writes single bytes ({fds} descriptors, {processor:.0} % of a processor): {rounds}"
            ),
        );
        assert_eq!(rounds.failure, None);
        assert!(rounds.median <= quiet.median * MOST_MEDIANS, "{:?}", rounds.median);
        assert!(processor <= MOST_PROCESSOR, "{processor:.1} %");
    });
}
