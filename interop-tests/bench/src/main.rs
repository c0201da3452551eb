//! Benchmarks of the three crates beside other crates and beside a hand-written baseline.
//!
//! Every round measures every contestant of every benchmark once, so a change of the machine's speed
//! affects all of them. Each number is the median of its rounds. Compare the ratios. Both ends run in
//! one thread, on tokio's current-thread runtime.

mod baseline;
mod codec;
mod connections;
mod contestant;
mod dbus;
mod json;
mod layers;
mod live;
mod report;
mod row;
mod sendfd;
mod spies;
mod stream;
mod wayland;
mod work;

use std::io::IsTerminal;
use std::path::PathBuf;

use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
use report::Report;
use row::Row;

type Ours = AnchovyStream<DBUS_SCM_RIGHTS>;

/// Number of measured rounds. One more before them warms up.
const ROUNDS: usize = 41;

/// The same, for tests of the benchmarks.
const QUICK_ROUNDS: usize = 3;

fn main() {
    let options = Options::of_this_process();
    let mut rows = chosen(&options.words, raise_fd_limit());
    // It serves all rounds and ends with this process.
    let _daemon = dbus::daemon_for(&mut rows);
    wayland::find(&mut rows);
    let _spies = spies::start(&rows);

    let old =
        options.compare.as_deref().map(|path| Report::read(path).unwrap_or_else(|e| fail(&e)));
    let rounds = if options.quick { QUICK_ROUNDS } else { ROUNDS };
    let report = Report::new(&rows, measure(&rows, rounds), rounds);
    report.rows.iter().for_each(|row| print!("{}", report::printed(row)));
    println!("wrote report.md, report.json and charts to {}", report.write().display());
    if options.save {
        report::save(&report);
    }
    if let Some(old) = old {
        println!("{}", report::compare(&old, &report));
    }
}

/// The arguments, which `cargo xtask bench` has checked.
#[derive(Default)]
struct Options {
    words: Vec<String>,
    quick: bool,
    save: bool,
    compare: Option<PathBuf>,
}

impl Options {
    fn of_this_process() -> Options {
        let (mut options, mut words) = (Options::default(), std::env::args().skip(1));
        while let Some(word) = words.next() {
            match word.as_str() {
                "--quick" => options.quick = true,
                "--save" => options.save = true,
                "--compare" => {
                    let path = words.next().unwrap_or_else(|| fail("--compare needs a path"));
                    options.compare = Some(path.into());
                }
                _ => options.words.push(word),
            }
        }
        options
    }
}

fn fail(error: &str) -> ! {
    eprintln!("error: {error}");
    std::process::exit(2);
}

/// Raises the limit of open descriptors as far as this process may: benchmarks with many connections
/// need more than the usual 1,024. Returns the new limit.
fn raise_fd_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the calls read and write this struct only.
    unsafe {
        assert_eq!(libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit), 0);
        limit.rlim_cur = limit.rlim_max;
        assert_eq!(libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit), 0);
    }
    limit.rlim_cur
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

/// The benchmarks by group.
fn groups(limit: u64) -> [(&'static str, Vec<Row>); 4] {
    [
        ("stream", stream::rows(limit)),
        ("dbus", dbus::rows()),
        ("wayland", wayland::rows()),
        ("spies", spies::rows()),
    ]
}

/// Returns the benchmarks with these names and of these groups, or all.
fn chosen(words: &[String], limit: u64) -> Vec<Row> {
    let groups = groups(limit);
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
