//! Benchmarks of anchovy, tokio's `UnixStream` and the published anchovy 0.4.1; of anchovy-dbus and
//! zbus 6.2.1; and of anchovy-wayland, wayland-client 0.31.15 and wayland-server 0.31.14.
//!
//! Every round measures every contestant of every benchmark once, so a change of the machine's speed
//! affects all of them. Each number is the median of its rounds. Compare the ratios. Both ends run in
//! one thread, on tokio's current-thread runtime.

mod codec;
mod contestant;
mod dbus;
mod live;
mod wayland;
mod work;

use std::io::IsTerminal;
use std::time::Duration;

use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
use contestant::{Published, Tokio};

use crate::Measure::Time;

type Ours = AnchovyStream<DBUS_SCM_RIGHTS>;

/// Number of measured rounds. One more before them warms up.
const ROUNDS: usize = 61;

/// Measures one contestant once.
#[derive(Clone, Copy)]
enum Measure {
    /// The time of one operation.
    Time(fn() -> Duration),
    /// The memory of one object.
    Bytes(fn() -> usize),
}

impl Measure {
    /// Measures once, and returns nanoseconds or bytes.
    fn take(self) -> f64 {
        match self {
            Measure::Time(measure) => measure().as_nanos() as f64,
            Measure::Bytes(measure) => measure() as f64,
        }
    }
}

/// A benchmark and its contestants.
struct Row {
    work: &'static str,
    unit: &'static str,
    /// The names and measures of the contestants. Ratios are relative to the first one.
    contestants: &'static [(&'static str, Measure)],
    /// The maximum ratio of the last contestant, if there is a goal.
    goal: Option<f64>,
}

const STREAM: &[Row] = &[
    Row {
        work: "ping-pong, 64 B",
        unit: "ns per round trip",
        contestants: &[
            ("tokio UnixStream", Time(work::ping_pong::<Tokio, 0>)),
            ("anchovy 0.4.1", Time(work::ping_pong::<Published, 0>)),
            ("anchovy", Time(work::ping_pong::<Ours, 0>)),
        ],
        goal: Some(1.10),
    },
    Row {
        work: "stream, 64 KiB writes",
        unit: "ns per write",
        contestants: &[
            ("tokio UnixStream", Time(work::stream_large::<Tokio>)),
            ("anchovy 0.4.1", Time(work::stream_large::<Published>)),
            ("anchovy", Time(work::stream_large::<Ours>)),
        ],
        goal: Some(1.04),
    },
    Row {
        work: "stream, 128 B messages, read_buf",
        unit: "ns per message",
        contestants: &[
            ("tokio UnixStream", Time(work::stream_small::<Tokio>)),
            ("anchovy 0.4.1", Time(work::stream_small::<Published>)),
            ("anchovy", Time(work::stream_small::<Ours>)),
        ],
        goal: Some(1.06),
    },
    Row {
        work: "ping-pong, 64 B and 1 descriptor",
        unit: "ns per round trip",
        contestants: &[
            ("anchovy 0.4.1", Time(work::ping_pong::<Published, 1>)),
            ("anchovy", Time(work::ping_pong::<Ours, 1>)),
        ],
        goal: Some(0.90),
    },
    Row {
        work: "ping-pong, 64 B and 28 descriptors",
        unit: "ns per round trip",
        contestants: &[
            ("anchovy 0.4.1", Time(work::ping_pong::<Published, 28>)),
            ("anchovy", Time(work::ping_pong::<Ours, 28>)),
        ],
        goal: None,
    },
    Row {
        work: "ping-pong, 64 B and 253 descriptors",
        unit: "ns per round trip",
        contestants: &[
            ("anchovy 0.4.1", Time(work::ping_pong::<Published, 253>)),
            ("anchovy", Time(work::ping_pong::<Ours, 253>)),
        ],
        goal: None,
    },
    Row {
        work: "send of 64 B and 1 descriptor that is kept",
        unit: "ns per send",
        contestants: &[
            ("duplicate and queue", Time(work::send_duplicate)),
            ("borrowed", Time(work::send_borrowed)),
        ],
        goal: Some(0.85),
    },
    Row {
        work: "frames of 64 B",
        unit: "ns per frame",
        contestants: &[
            ("one write_all each", Time(codec::plain_bare)),
            ("Framed", Time(codec::plain_framed)),
        ],
        goal: Some(0.25),
    },
    Row {
        work: "frames of 64 B and 1 descriptor",
        unit: "ns per frame",
        contestants: &[
            ("sendmsg and recvmsg", Time(codec::with_fd_bare)),
            ("Framed", Time(codec::with_fd_framed)),
        ],
        goal: Some(1.10),
    },
];

/// The benchmarks by group.
const GROUPS: [(&str, &[Row]); 3] =
    [("stream", STREAM), ("dbus", dbus::ROWS), ("wayland", wayland::ROWS)];

fn main() {
    let mut rows = chosen(&std::env::args().skip(1).collect::<Vec<_>>());
    // It serves all rounds and ends with this process.
    let _daemon = dbus::daemon_for(&mut rows);
    wayland::find(&mut rows);
    let mut figures: Vec<Vec<Vec<f64>>> =
        rows.iter().map(|row| vec![Vec::new(); row.contestants.len()]).collect();

    let shows_progress = std::io::stderr().is_terminal();
    for round in 0..=ROUNDS {
        if shows_progress {
            eprint!("\rround {round} of {ROUNDS}");
        }
        for (row, figures) in rows.iter().zip(&mut figures) {
            let count = row.contestants.len();
            // The order rotates, so that none always follows the same other one.
            for index in (0..count).map(|index| (index + round) % count) {
                let figure = row.contestants[index].1.take();
                if round > 0 {
                    figures[index].push(figure);
                }
            }
        }
    }
    if shows_progress {
        eprintln!();
    }

    for (row, mut figures) in rows.iter().zip(figures) {
        println!("{} ({})", row.work, row.unit);
        println!("  {:<22} {:>10}   {:>6}", "contestant", "median", "ratio");
        let medians: Vec<f64> = figures.iter_mut().map(|figures| median(figures)).collect();
        for ((name, _), median) in row.contestants.iter().zip(&medians) {
            println!("  {name:<22} {median:>10.0}   {:>6.3}", median / medians[0]);
        }
        if let Some(goal) = row.goal {
            let ratio = medians[medians.len() - 1] / medians[0];
            let verdict = if ratio <= goal { "reached" } else { "MISSED" };
            println!("  {:<22} {:>10}   {goal:>6.3}  {verdict}", "goal", "");
        }
    }
}

/// Returns the benchmarks with these names and of these groups, or all.
fn chosen(words: &[String]) -> Vec<&'static Row> {
    let all = || GROUPS.iter().flat_map(|(group, rows)| rows.iter().map(move |row| (group, row)));
    let is = |word: &String, group: &str, row: &Row| word == group || word == row.work;
    let unknown = words.iter().find(|word| !all().any(|(group, row)| is(word, group, row)));
    if let Some(unknown) = unknown {
        eprintln!("error: there is no benchmark {unknown:?}; choose from:");
        for (group, rows) in GROUPS {
            eprintln!("  {group} (all of the following)");
            rows.iter().for_each(|row| eprintln!("    {}", row.work));
        }
        std::process::exit(2);
    }
    all()
        .filter(|(group, row)| words.is_empty() || words.iter().any(|word| is(word, group, row)))
        .map(|(_, row)| row)
        .collect()
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
