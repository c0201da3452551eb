//! F4: small messages that were received after large ones and are kept.

use std::io::Write;
use std::path::Path;
use std::time::Duration;

use crate::attacked::{HOSTILE, against, report};
use crate::child::{say, wait_for_the_end};
use crate::measure::{holds_within, resident};
use crate::servers::ServerKind;
use crate::serving::KEEP;
use crate::wire::{authenticate, method_call, read_message};

pub(crate) const ATTACK: &str = "kept-messages";

const PAIRS: usize = 100;
const LARGE_BODY: usize = 8 << 20;
const SMALL_MESSAGE: usize = 64;

/// MB that the server may hold more than at the start.
const LIMIT: f64 = 8.0;

/// Sends pairs of a large message and a small one, together.
pub(crate) fn attack(path: &Path) {
    let mut socket = authenticate(path).expect("the server accepts");
    let mut pair = method_call("Drop", LARGE_BODY, 0);
    pair.resize(pair.len() + LARGE_BODY, 0);
    let body = SMALL_MESSAGE - method_call(KEEP, 1, 0).len();
    pair.extend(method_call(KEEP, body, 0));
    pair.resize(pair.len() + body, 0);
    for _ in 0..PAIRS {
        socket.write_all(&pair).expect("the server reads");
        read_message(&mut socket).expect("an answer to the large one");
        read_message(&mut socket).expect("an answer to the small one");
    }
    say("done");
    wait_for_the_end();
}

#[test]
fn a_small_kept_message_keeps_no_large_buffer() {
    against(ServerKind::Dbus, |attacked| {
        let _honest = attacked.honest();
        let server = attacked.id();
        let start = resident(server);
        let mut hostile = attacked.hostile(HOSTILE[0], ATTACK);
        hostile.answer();
        holds_within(Duration::from_secs(1), || resident(server) <= start + LIMIT);
        let end = resident(server);
        report(
            "F4",
            format_args!(
                "memory: start {start:.0} MB, while {PAIRS} messages of {SMALL_MESSAGE} bytes are \
                 kept {end:.0} MB"
            ),
        );
        assert!(end <= start + LIMIT, "{end:.1} MB after {start:.1} MB at the start");
    });
}
