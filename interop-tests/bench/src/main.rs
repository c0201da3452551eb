//! Benchmarks of the three crates beside other crates and beside a hand-written baseline.
//!
//! Every round measures every contestant of every benchmark once, so a change of the machine's speed
//! affects all of them. Each number is the median of its rounds. Compare the ratios. Both ends run in
//! one thread, on tokio's current-thread runtime.

mod baseline;
mod codec;
mod contestant;
mod dbus;
mod live;
mod row;
mod stream;
mod wayland;
mod work;

use std::io::IsTerminal;

use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
use row::{Role, Row};

type Ours = AnchovyStream<DBUS_SCM_RIGHTS>;

/// Number of measured rounds. One more before them warms up.
const ROUNDS: usize = 61;

/// The same, for tests of the benchmarks.
const QUICK_ROUNDS: usize = 3;

fn main() {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let all = words.len();
    words.retain(|word| word != "--quick");
    let rounds = if words.len() < all { QUICK_ROUNDS } else { ROUNDS };
    let mut rows = chosen(&words);
    // It serves all rounds and ends with this process.
    let _daemon = dbus::daemon_for(&mut rows);
    wayland::find(&mut rows);

    for (row, mut figures) in rows.iter().zip(measure(&rows, rounds)) {
        let medians: Vec<f64> = figures.iter_mut().map(|figures| median(figures)).collect();
        print(row, &medians);
    }
}

/// Returns the figures of each round, for each contestant of each benchmark.
fn measure(rows: &[Row], rounds: usize) -> Vec<Vec<Vec<f64>>> {
    let mut figures: Vec<Vec<Vec<f64>>> =
        rows.iter().map(|row| vec![Vec::new(); row.contestants.len()]).collect();
    let shows_progress = std::io::stderr().is_terminal();
    for round in 0..=rounds {
        if shows_progress {
            eprint!("\rround {round} of {rounds}");
        }
        for (row, figures) in rows.iter().zip(&mut figures) {
            let count = row.contestants.len();
            // The order rotates, so that none always follows the same other one.
            for index in (0..count).map(|index| (index + round) % count) {
                let figure = row.contestants[index].measure();
                if round > 0 {
                    figures[index].push(figure);
                }
            }
        }
    }
    if shows_progress {
        eprintln!();
    }
    figures
}

fn print(row: &Row, medians: &[f64]) {
    println!("{} ({})", row.work, row.unit);
    println!("  {:<22} {:>10}   {:>8} {:>11}", "contestant", "median", "of peer", "of baseline");
    let ratio = |median: f64, role| match row.first(role) {
        Some(first) => format!("{:.3}", median / medians[first]),
        None => "-".to_owned(),
    };
    for (contestant, &median) in row.contestants.iter().zip(medians) {
        let [of_peer, of_baseline] = [Role::Peer, Role::Baseline].map(|role| ratio(median, role));
        let name = contestant.name;
        println!("  {name:<22} {median:>10.0}   {of_peer:>8} {of_baseline:>11}");
    }
    for goal in &row.goals {
        let (Some(first), Some(ours)) = (row.first(goal.relative_to), row.last_of_ours()) else {
            panic!("{:?} has a goal, but nothing that it refers to", row.work);
        };
        let ratio = medians[ours] / medians[first];
        let verdict = if ratio <= goal.maximum { "met" } else { "MISSED" };
        let name = row.contestants[first].name;
        println!("  goal: {ratio:.3} of {name}, at most {:.3}: {verdict}", goal.maximum);
    }
}

/// The benchmarks by group.
fn groups() -> [(&'static str, Vec<Row>); 3] {
    [("stream", stream::rows()), ("dbus", dbus::rows()), ("wayland", wayland::rows())]
}

/// Returns the benchmarks with these names and of these groups, or all.
fn chosen(words: &[String]) -> Vec<Row> {
    let groups = groups();
    let is = |word: &String, group: &str, row: &Row| word == group || *word == row.work;
    let exists = |word: &&String| {
        groups.iter().any(|(group, rows)| rows.iter().any(|row| is(word, group, row)))
    };
    if let Some(unknown) = words.iter().find(|word| !exists(word)) {
        eprintln!("error: there is no benchmark {unknown:?}; choose from:");
        for (group, rows) in &groups {
            eprintln!("  {group} (all of the following)");
            rows.iter().for_each(|row| eprintln!("    {}", row.work));
        }
        std::process::exit(2);
    }
    let mut chosen = Vec::new();
    for (group, rows) in groups {
        let wanted = |row: &Row| words.is_empty() || words.iter().any(|word| is(word, group, row));
        chosen.extend(rows.into_iter().filter(wanted));
    }
    chosen
}

fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
