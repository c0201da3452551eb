//! An honest client beside an attack: what it notices, and what the attack makes the server hold.

use std::fmt::{self, Display};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::attacked::{Attacked, HOSTILE, Rounds};
use crate::measure::{holds_within, open_fds, peak_resident, processor_time, resident};
use crate::roles::{Processors, run_on};

/// Round trips of the honest client, and the pauses before them. The pauses spread the round trips over
/// the time of the attack.
const ROUNDS: usize = 1000;
const PAUSE: Duration = Duration::from_micros(500);

/// The 99th percentile of the round trips may be so many times the quiet one,
const MOST_TIMES: u32 = 10;

/// or this: a machine with other work delays single round trips, attack or not.
const SLOW: Duration = Duration::from_millis(500);

/// Round trips that the honest client makes at least. Without an attack it makes several hundred even
/// if the machine has other work.
const LEAST_ROUNDS: usize = 10;

/// The longest until the server has released what the attack made it hold.
const RELEASE: Duration = Duration::from_secs(10);

/// What was measured during an attack.
#[derive(Debug)]
pub(crate) struct Beside {
    quiet: Rounds,
    rounds: Rounds,
    /// Open descriptors of the server: before, at most, and when the hostile clients had ended.
    fds: [usize; 3],
    /// MB of the server: before, and at most.
    memory: [f64; 2],
    /// Percent of a processor that the server used.
    processor: f64,
    /// What the hostile clients say of themselves.
    pub(crate) said: [String; 2],
}

/// Has both hostile users attack while the honest client makes its round trips.
///
/// The attack says that it begins. On a line, it ends and says what it has done.
pub(crate) fn beside(attacked: &Attacked, attack: &str) -> Beside {
    let server = attacked.id();
    let mut honest = attacked.honest();
    let quiet = honest.paused_rounds(ROUNDS, 0, PAUSE);
    let (fds, memory) = (open_fds(server), resident(server));
    let mut hostile = HOSTILE.map(|user| attacked.hostile(user, attack));
    for hostile in &mut hostile {
        assert_eq!(hostile.answer(), "begins");
    }

    let (begin, before) = (Instant::now(), processor_time(server));
    let (rounds, most_fds) = with_most_fds(server, || honest.paused_rounds(ROUNDS, 0, PAUSE));
    let used = processor_time(server) - before;
    let processor = used.as_secs_f64() / begin.elapsed().as_secs_f64() * 100.0;

    let said = hostile.each_mut().map(|hostile| hostile.ask("stop"));
    let most_memory = peak_resident(server);
    drop(hostile);
    // Connections that the clients have left in the backlog are still accepted, and closed, one by one.
    let is_released = holds_within(RELEASE, || open_fds(server) <= fds);
    let fds = [fds, most_fds, if is_released { fds } else { open_fds(server) }];
    Beside { quiet, rounds, fds, memory: [memory, most_memory], processor, said }
}

/// Returns the most descriptors that a process has open while this runs.
fn with_most_fds<T>(process: u32, run: impl FnOnce() -> T) -> (T, usize) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watching = scope.spawn(|| {
            run_on(Processors::Others);
            let mut most = 0;
            while !over.load(Ordering::Relaxed) {
                most = most.max(open_fds(process));
                thread::sleep(Duration::from_millis(2));
            }
            most
        });
        let output = run();
        over.store(true, Ordering::Relaxed);
        (output, watching.join().expect("it only watches"))
    })
}

impl Beside {
    /// Fails if the honest client was not served in time, if the server held more descriptors than
    /// `most_fds` or grew by more than `most_memory` MB, or if it still has a descriptor of the attack.
    pub(crate) fn assert_bounds(&self, most_fds: usize, most_memory: f64) {
        let Beside { quiet, rounds, fds: [start, most, end], memory: [before, peak], .. } = self;
        assert_eq!(rounds.failure, None);
        assert!(rounds.done >= LEAST_ROUNDS, "{} round trips", rounds.done);
        let limit = (quiet.slow * MOST_TIMES).max(SLOW);
        assert!(rounds.slow <= limit, "{:?} is more than {limit:?}", rounds.slow);
        assert!(*most <= most_fds, "{most} descriptors, and {start} at the start");
        assert_eq!(end, start, "descriptors after the attack, and before it");
        assert!(peak - before <= most_memory, "{peak:.1} MB after {before:.1} MB at the start");
    }
}

impl Display for Beside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Beside { quiet, rounds, fds: [start, most, end], memory, processor, said } = self;
        write!(
            f,
            "round trips: quiet {quiet}; attacked {rounds}; descriptors {start}, at most {most}, \
             afterwards {end}; memory {:.0} MB, at most {:.0} MB; {processor:.0} % of a processor; \
             hostile clients: {}",
            memory[0],
            memory[1],
            said.join(", and "),
        )
    }
}
