//! F21: lengths that messages declare and never have, at a server with little address space.

use std::io::Write;
use std::path::Path;

use crate::attacked::{HOSTILE, against, report};
use crate::child::{say, wait_for_the_end};
use crate::measure::{peak_resident, resident};
use crate::servers::{ADDRESS_SPACE, ServerKind};
use crate::wire::{authenticate, method_call};

pub(crate) const ATTACK: &str = "declared-lengths";

const CONNECTIONS: usize = 64;
/// The longest that the specification allows; one alone is more than the server can allocate.
const MESSAGE: usize = 128 << 20;
/// Bytes of each message that are sent.
const SENT: usize = 1000;
const ROUNDS: usize = 500;

/// MB that the server may grow by.
const MEMORY: f64 = 8.0;

/// Begins the longest message on each connection.
pub(crate) fn attack(path: &Path) {
    let header = method_call("Wait", MESSAGE, 0);
    let mut start = method_call("Wait", MESSAGE - header.len(), 0);
    start.resize(SENT, 0);
    let mut sockets: Vec<_> = (0..CONNECTIONS).map_while(|_| authenticate(path).ok()).collect();
    for socket in &mut sockets {
        socket.write_all(&start).expect("the server reads");
    }
    say(sockets.len());
    wait_for_the_end();
}

#[test]
fn a_declared_length_reserves_no_memory() {
    against(ServerKind::DbusWithLittleAddressSpace, |attacked| {
        let mut honest = attacked.honest();
        let server = attacked.id();
        let start = resident(server);
        let mut hostile = attacked.hostile(HOSTILE[0], ATTACK);
        let connections = hostile.answer();
        // The server has read the starts before it answers the messages after them.
        let rounds = honest.rounds(ROUNDS, 0);
        let peak = peak_resident(server);
        report(
            "F21",
            format_args!(
                "memory: start {start:.0} MB, at most {peak:.0} MB with {connections} starts of \
                 messages of {} MiB; round trips meanwhile: {rounds}",
                MESSAGE >> 20,
            ),
        );
        const { assert!(MESSAGE > ADDRESS_SPACE) };
        assert_eq!(rounds.failure, None);
        assert!(peak <= start + MEMORY, "{peak:.1} MB after {start:.1} MB at the start");
    });
}
