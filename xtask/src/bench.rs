//! The subcommand `cargo xtask bench`.
//!
//! The benchmarks are a package outside of the workspace, with its own lock file.

use std::path::{PathBuf, absolute};

use anyhow::{Context, Result};

use crate::command;

/// Compare the speed and memory of anchovy with other crates
///
/// The group `stream` compares anchovy with tokio's UnixStream and with other crates that pass
/// descriptors, `dbus` compares anchovy-dbus with zbus, and `wayland` compares anchovy-wayland with
/// wayland-rs. `spies` compares clients that connect through the examples dbus_spy and wayland_spy
/// with clients that connect directly.
///
/// Each benchmark has a baseline: hand-written system calls that do the same work, in the same
/// batches and without checks. The ratio to the baseline shows how much can still be gained. Goals
/// are printed as met or MISSED.
///
/// The report is in target/bench: report.md, report.json and charts. `--save` writes the same page to
/// docs/benchmarks, and the section Performance of README.md. `--compare` names the benchmarks whose
/// ratio to the baseline differs from that of another report by more than the spreads of the figures.
///
/// The crates of a benchmark take turns in interleaved rounds, so a change of the machine's speed
/// affects all of them. Each number is the median of its rounds. Compare the ratios between the
/// crates: nanoseconds depend on the machine.
///
/// One benchmark of `wayland` also measures libwayland, in a separate process. It needs no
/// development package: the libraries are opened at run time (libwayland-client0 and
/// libwayland-server0 in Debian). Without them, this benchmark is skipped. One benchmark of `dbus`
/// requires dbus-daemon, and is skipped without it.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "\
Examples:
  cargo xtask bench                              all benchmarks, once
  cargo xtask bench dbus                         D-Bus messages
  cargo xtask bench wayland                      Wayland messages
  cargo xtask bench stream                       streams and frames
  cargo xtask bench 'ping-pong, 64 B' --runs 5   one benchmark, five times
  cargo xtask bench --quick                      shows that all benchmarks run
  cargo xtask bench --compare before.json        what got faster or slower since another report"
)]
pub(crate) struct Arguments {
    /// Benchmarks to run, by their names in the report, or groups: `stream`, `dbus`, `wayland`
    /// or `spies`; without any, all of them
    #[arg(value_name = "BENCHMARK", verbatim_doc_comment)]
    works: Vec<String>,

    /// Number of repetitions; if a ratio differs between repetitions, the difference is noise
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Measure three rounds only, whose ratios mean little
    #[arg(long)]
    quick: bool,

    /// Write the charts and tables to docs/benchmarks and README.md
    #[arg(long, conflicts_with_all = ["works", "quick"])]
    save: bool,

    /// Compare with a report.json of another run
    #[arg(long, value_name = "REPORT")]
    compare: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let runs = arguments.runs;
    for number in 1..=runs {
        if runs > 1 {
            println!("\n=== run {number} of {runs} ===");
        }
        let mut bench =
            command::cargo("run --release --manifest-path interop-tests/bench/Cargo.toml --");
        if arguments.quick {
            bench.arg("--quick");
        }
        if arguments.save {
            bench.arg("--save");
        }
        if let Some(report) = &arguments.compare {
            bench.arg("--compare").arg(absolute(report)?);
        }
        command::run(bench.args(&arguments.works))
            .with_context(|| format!("bench failed in run {number} of {runs}"))?;
    }
    Ok(())
}
