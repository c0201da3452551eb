//! A client under attack by its server, and what it notices of that on its other connection.

use std::time::Duration;

use crate::attacked::{Attacked, HOSTILE, Rounds, against, report};
use crate::hostile_servers::Case;
use crate::measure::{open_fds, peak_resident, processor_time, resident};
use crate::servers::ServerKind;

/// MB that the client may grow by.
const MEMORY: f64 = 16.0;

/// The 99th percentile of the round trips with the honest server may be so many times the quiet one,
const MOST_TIMES: u32 = 10;

/// or this: a machine with other work delays single round trips, attack or not.
const SLOW: Duration = Duration::from_millis(500);

/// Has a client connect to a hostile server once for each case. Fails if an attempt does not end with
/// the error of the case, if the honest server is not reached meanwhile, or if the client keeps a
/// descriptor or memory of an attempt.
pub(crate) fn clients_survive(row: &str, kind: ServerKind, attack: &str, cases: &[Case]) {
    against(kind, |attacked| {
        let mut hostile = Attacked::start_hostile(kind, HOSTILE[0], attack);
        let mut victim = attacked.victim(&hostile);
        let client = victim.id();
        let quiet = Rounds::from_answer(&victim.ask("quiet"));
        let (fds, memory) = (open_fds(client), resident(client));
        let mut wrong = Vec::new();
        for (number, (name, _, error)) in cases.iter().enumerate() {
            hostile.server.tell(&number.to_string());
            let before = processor_time(client);
            let rounds = Rounds::from_answer(&victim.ask("attempt"));
            let outcome = victim.answer();
            let processor = processor_time(client) - before;
            let open = open_fds(client);
            report(
                row,
                format_args!(
                    "{name}: {outcome}; {processor:?} of a processor; round trips: quiet {quiet}; \
                     attacked {rounds}; {open} descriptors"
                ),
            );
            assert_eq!(rounds.failure, None, "{name}");
            let limit = (quiet.slow * MOST_TIMES).max(SLOW);
            assert!(rounds.slow <= limit, "{name}: {:?} is more than {limit:?}", rounds.slow);
            assert_eq!(open, fds, "{name}: descriptors after it, and before it");
            if !error.split('|').any(|error| outcome.contains(error)) {
                wrong.push(format!("{name}: {outcome:?} has no {error:?}"));
            }
        }
        let peak = peak_resident(client);
        report(row, format_args!("memory of the client: {memory:.0} MB, at most {peak:.0} MB"));
        assert!(peak - memory <= MEMORY, "{peak:.1} MB after {memory:.1} MB at the start");
        assert!(wrong.is_empty(), "{wrong:#?}");
    });
}
