//! anchovy beside tokio's `UnixStream` and the published anchovy 0.4.1, in one interleaved run.
//!
//! Every round measures every contestant of every work once, so that a machine whose speed drifts
//! drifts for all of them; a figure is the median of its rounds, and what counts is the ratio.
//! Both ends are in one thread, on tokio's current-thread runtime.

mod codec;
mod contestant;
mod work;

use std::time::Duration;

use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
use contestant::{Published, Tokio};

type Ours = AnchovyStream<DBUS_SCM_RIGHTS>;

/// Rounds that count; one more before them warms up.
const ROUNDS: usize = 61;

/// Times one contestant, and says how long one operation took.
type Measure = fn() -> Duration;

/// One line of the table: what is done, by whom, and the ratio that it is for.
struct Row {
    work: &'static str,
    unit: &'static str,
    /// The name of a contestant and its measure; the ratio is of the last to the first.
    contestants: &'static [(&'static str, Measure)],
    /// What the ratio should not exceed, where there is such a figure.
    goal: Option<f64>,
}

const ROWS: &[Row] = &[
    Row {
        work: "ping-pong, 64 B",
        unit: "round trip",
        contestants: &[
            ("tokio UnixStream", work::ping_pong::<Tokio, 0>),
            ("anchovy 0.4.1", work::ping_pong::<Published, 0>),
            ("anchovy", work::ping_pong::<Ours, 0>),
        ],
        goal: Some(1.10),
    },
    Row {
        work: "stream, 64 KiB writes",
        unit: "write",
        contestants: &[
            ("tokio UnixStream", work::stream_large::<Tokio>),
            ("anchovy 0.4.1", work::stream_large::<Published>),
            ("anchovy", work::stream_large::<Ours>),
        ],
        goal: Some(1.04),
    },
    Row {
        work: "stream, 128 B messages, read_buf",
        unit: "message",
        contestants: &[
            ("tokio UnixStream", work::stream_small::<Tokio>),
            ("anchovy 0.4.1", work::stream_small::<Published>),
            ("anchovy", work::stream_small::<Ours>),
        ],
        goal: Some(1.06),
    },
    Row {
        work: "ping-pong, 64 B and 1 descriptor",
        unit: "round trip",
        contestants: &[
            ("anchovy 0.4.1", work::ping_pong::<Published, 1>),
            ("anchovy", work::ping_pong::<Ours, 1>),
        ],
        goal: Some(0.90),
    },
    Row {
        work: "ping-pong, 64 B and 28 descriptors",
        unit: "round trip",
        contestants: &[
            ("anchovy 0.4.1", work::ping_pong::<Published, 28>),
            ("anchovy", work::ping_pong::<Ours, 28>),
        ],
        goal: None,
    },
    Row {
        work: "ping-pong, 64 B and 253 descriptors",
        unit: "round trip",
        contestants: &[
            ("anchovy 0.4.1", work::ping_pong::<Published, 253>),
            ("anchovy", work::ping_pong::<Ours, 253>),
        ],
        goal: None,
    },
    Row {
        work: "send of 64 B and 1 descriptor that is kept",
        unit: "send",
        contestants: &[
            ("duplicate and queue", work::send_duplicate),
            ("borrowed", work::send_borrowed),
        ],
        goal: Some(0.85),
    },
    Row {
        work: "items of 64 B",
        unit: "item",
        contestants: &[("one write_all each", codec::plain_bare), ("Framed", codec::plain_framed)],
        goal: Some(0.25),
    },
    Row {
        work: "items of 64 B and 1 descriptor",
        unit: "item",
        contestants: &[
            ("sendmsg and recvmsg", codec::with_fd_bare),
            ("Framed", codec::with_fd_framed),
        ],
        goal: Some(1.10),
    },
];

fn main() {
    let rows = chosen(std::env::args().skip(1).collect());
    let mut times: Vec<Vec<Vec<Duration>>> =
        rows.iter().map(|row| vec![Vec::new(); row.contestants.len()]).collect();

    for round in 0..=ROUNDS {
        eprint!("\rround {round} of {ROUNDS}");
        for (row, times) in rows.iter().zip(&mut times) {
            let count = row.contestants.len();
            // Another one begins each time, so that none always follows the same neighbour.
            for index in (0..count).map(|index| (index + round) % count) {
                let time = row.contestants[index].1();
                if round > 0 {
                    times[index].push(time);
                }
            }
        }
    }
    eprintln!();

    for (row, mut times) in rows.iter().zip(times) {
        println!("{} (ns per {})", row.work, row.unit);
        let medians: Vec<f64> = times.iter_mut().map(|times| median(times)).collect();
        for ((name, _), median) in row.contestants.iter().zip(&medians) {
            println!("  {name:<22} {median:>10.0}   {:>6.3}", median / medians[0]);
        }
        if let Some(goal) = row.goal {
            let ratio = medians[medians.len() - 1] / medians[0];
            let verdict = if ratio <= goal { "met" } else { "MISSED" };
            println!("  goal {goal:.2}: {verdict}");
        }
    }
}

/// The rows of these works, or all.
fn chosen(works: Vec<String>) -> Vec<&'static Row> {
    if let Some(unknown) = works.iter().find(|work| ROWS.iter().all(|row| row.work != **work)) {
        let known: Vec<_> = ROWS.iter().map(|row| row.work).collect();
        eprintln!("error: no work is named {unknown:?}; there are:\n  {}", known.join("\n  "));
        std::process::exit(2);
    }
    ROWS.iter()
        .filter(|row| works.is_empty() || works.iter().any(|work| work == row.work))
        .collect()
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort();
    times[times.len() / 2].as_nanos() as f64
}
