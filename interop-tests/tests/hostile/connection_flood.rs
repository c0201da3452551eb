//! F10: a user that connects, sends garbage and disconnects, as fast as it can.

use std::fmt::{self, Display};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::attacked::{Attacked, HOSTILE, Rounds, against, report};
use crate::child::{say, told_to_stop, wait_for_the_end};
use crate::servers::ServerKind;

pub(crate) const ATTACK: &str = "connection-flood";

const GARBAGE: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
const ROUNDS: usize = 1000;

/// The flood comes in waves, each of which is to count as much as it takes time.
const PAUSE: Duration = Duration::from_micros(500);

/// The median of another user may be so many times the quiet one,
const MOST_MEDIANS: u32 = 10;

/// or so many percent of what it is at a server that accepts and drops clients.
const MOST_PERCENT_OF_BARE: u32 = 120;

/// Connects in a loop until there is a line to read; says how many connections it makes a second.
pub(crate) fn attack(path: &Path) {
    let (begin, mut count) = (Instant::now(), 0_u32);
    say("begins");
    while !told_to_stop() {
        for _ in 0..64 {
            if let Ok(mut socket) = UnixStream::connect(path) {
                // The server may have closed it.
                let _ = socket.write_all(GARBAGE);
                count += 1;
            }
        }
    }
    say(format_args!("{:.0}", f64::from(count) / begin.elapsed().as_secs_f64()));
    wait_for_the_end();
}

/// What the honest client measures before and during the attack.
struct Measured {
    quiet: Rounds,
    flooded: Rounds,
    /// Connections a second.
    rate: String,
}

impl Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Measured { quiet, flooded, rate } = self;
        write!(f, "quiet {quiet}, at {rate} connections a second {flooded}")
    }
}

fn measure(attacked: &Attacked) -> Measured {
    let mut honest = attacked.honest();
    let quiet = honest.paused_rounds(ROUNDS, 0, PAUSE);
    let mut hostile = attacked.hostile(HOSTILE[0], ATTACK);
    hostile.answer();
    // Warm.
    honest.rounds(100, 0);
    let flooded = honest.paused_rounds(ROUNDS, 0, PAUSE);
    let rate = hostile.ask("stop");
    Measured { quiet, flooded, rate }
}

#[test]
fn a_flood_of_connections_hardly_delays_other_clients() {
    against(ServerKind::Dbus, |attacked| {
        let ours = measure(attacked);
        let bare = measure(&Attacked::start(ServerKind::Bare));
        report("F10", format_args!("round trips: D-Bus {ours}; accept and drop {bare}"));
        assert_eq!(ours.flooded.failure, None);
        let (median, quiet) = (ours.flooded.median, ours.quiet.median);
        let limit = (quiet * MOST_MEDIANS).max(bare.flooded.median * MOST_PERCENT_OF_BARE / 100);
        assert!(median <= limit, "{median:?} is more than {limit:?}");
    });
}
