//! F1: memory after large messages that were received and dropped.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use crate::attacked::{HOSTILE, against, report};
use crate::child::{commands, say};
use crate::measure::{holds_within, resident};
use crate::servers::ServerKind;
use crate::wire::{authenticate, method_call, read_message};

pub(crate) const ATTACK: &str = "large-messages";

const CONNECTIONS: usize = 10;
const BODY: usize = 100 << 20;
const SMALL_MESSAGES: usize = 300;

/// MB that the server may hold more than at the start.
const LIMIT: f64 = 32.0;

/// Sends a large message on each of several connections, later small ones, and keeps them all open.
pub(crate) fn attack(path: &Path) {
    let mut sockets: Vec<_> =
        (0..CONNECTIONS).map(|_| authenticate(path).expect("the server accepts")).collect();
    let part = vec![0; 1 << 20];
    for command in commands() {
        for socket in &mut sockets {
            if command == "large" {
                socket.write_all(&method_call("Drop", BODY, 0)).expect("the server reads");
                for _ in 0..BODY / part.len() {
                    socket.write_all(&part).expect("the server reads");
                }
                read_message(socket).expect("an answer");
            } else {
                for _ in 0..SMALL_MESSAGES {
                    socket.write_all(&method_call("Drop", 0, 0)).expect("the server reads");
                    read_message(socket).expect("an answer");
                }
            }
        }
        say("done");
    }
}

#[test]
fn the_memory_of_large_messages_is_returned() {
    against(ServerKind::Dbus, |attacked| {
        let _honest = attacked.honest();
        let server = attacked.id();
        let start = resident(server);
        let mut hostile = attacked.hostile(HOSTILE[0], ATTACK);

        let mut after = |command| {
            hostile.ask(command);
            holds_within(Duration::from_secs(1), || resident(server) <= start + LIMIT);
            resident(server)
        };
        let (large, small) = (after("large"), after("small"));
        report(
            "F1",
            format_args!(
                "memory: start {start:.0} MB, after {CONNECTIONS} messages of {} MiB {large:.0} MB, \
                 after {} small ones {small:.0} MB",
                BODY >> 20,
                CONNECTIONS * SMALL_MESSAGES,
            ),
        );
        assert!(large <= start + LIMIT, "{large:.1} MB after {start:.1} MB at the start");
        assert!(small <= start + LIMIT, "{small:.1} MB after {start:.1} MB at the start");
    });
}
