//! The comparison with other crates lies outside the workspace, with a lock file of its own, so it
//! has to be called by its manifest; and one run of it says less than several.

use anyhow::{Context, Result};

use crate::command;

/// Measure anchovy beside tokio's UnixStream and the published anchovy, anchovy-dbus beside zbus,
/// and anchovy-wayland beside wayland-rs
///
/// All contestants of a work run in interleaved rounds, within one process, so that a machine whose
/// speed drifts drifts for all of them. Each figure is the median of its rounds. Nanoseconds differ
/// from machine to machine and from day to day; the ratio beside them is what counts.
///
/// `wayland` measures libwayland too, in a process of its own that takes its turn in each round. No
/// development package is needed: the libraries are opened at run time (Debian has them in
/// libwayland-client0 and libwayland-server0), and without them that one row is left out. The
/// daemon of `dbus` is dbus-daemon, if it is installed.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "\
Examples:
  cargo xtask bench                              everything, once
  cargo xtask bench dbus                         what is about D-Bus messages, beside zbus
  cargo xtask bench wayland                      what is about Wayland messages, beside wayland-rs
  cargo xtask bench stream                       what is about streams and items
  cargo xtask bench 'ping-pong, 64 B' --runs 5   one work, five times"
)]
pub(crate) struct Arguments {
    /// Works to measure, named as the report names them, or all of a group: `stream`, `dbus` or
    /// `wayland`;
    /// without any, all of them
    #[arg(value_name = "WORK")]
    works: Vec<String>,

    /// How often to repeat the whole; ratios that move between runs are noise
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let runs = arguments.runs;
    for number in 1..=runs {
        if runs > 1 {
            println!("\n=== run {number} of {runs} ===");
        }
        let mut bench =
            command::cargo("run --release --manifest-path interop-tests/bench/Cargo.toml --");
        command::run(bench.args(&arguments.works))
            .with_context(|| format!("bench failed in run {number} of {runs}"))?;
    }
    Ok(())
}
