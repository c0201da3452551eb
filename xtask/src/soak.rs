//! The subcommand `cargo xtask soak`.

use std::process::Stdio;

use anyhow::Result;

use crate::command;

/// Open, cancel and kill connections of all crates for a while
///
/// Opens listeners, connects to them from tasks and from child processes, and sends messages with
/// descriptors, which the peers send back, with plain streams, exchanges, D-Bus and Wayland. Cancels
/// handshakes and receives, drops connections and kills peers.
///
/// Fails if a message or a descriptor does not come back, if a descriptor stays open after its
/// connection, and if the process does not hold the same descriptors and the same memory at the end
/// as after the first rounds. Prints the seed, which decides the workload. On a terminal, a line shows
/// what was done so far.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "\
Examples:
  cargo xtask soak                      one minute
  cargo xtask soak --minutes 30
  cargo xtask soak --seed 4711          another workload"
)]
pub(crate) struct Arguments {
    /// Duration in minutes
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,

    /// Seed of the workload
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut soak = command::cargo("run --release -p soak-test -- run");
    soak.arg((60 * arguments.minutes).to_string()).arg(arguments.seed.to_string());
    command::run(soak.stdin(Stdio::null()))
}
