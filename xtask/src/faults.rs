//! The subcommand `cargo xtask faults`.

use std::process::Stdio;

use anyhow::Result;

use crate::command;

/// Calls rustc with `--cfg anchovy_faults`, which compiles the hooks into anchovy. In `RUSTFLAGS`, the
/// flag would build every dependency once more.
const RUSTC: &str = "xtask/rustc-with-faults.sh";

/// Run transfers whose system calls fail or end early
///
/// Each test runs its workload once for each seed. The seed decides the workload, the fault of each
/// system call (short reads and writes, EINTR, EAGAIN, ENOBUFS, ENOMEM, ETOOMANYREFS, ECONNRESET and
/// EPIPE), and where futures are dropped. After each seed, every byte and descriptor must have arrived
/// once and in its place, and no descriptor may be left open.
///
/// A test that fails prints its seed and its last system calls.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "\
Examples:
  cargo xtask faults                        all tests, with their usual number of seeds
  cargo xtask faults --seeds 100000         all tests, with the seeds 0 to 99999
  cargo xtask faults codec --seed 4711      the tests whose names contain `codec`, with one seed"
)]
pub(crate) struct Arguments {
    /// Run only the tests whose names contain this text
    #[arg(value_name = "TEST")]
    test: Option<String>,

    /// Run this seed only
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    seed: Option<u64>,

    /// Number of seeds for each test
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: Option<u64>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut test = command::cargo("test -p fault-tests");
    test.args(&arguments.test).args(["--", "--nocapture", "--test-threads=1"]);
    if let Some(seed) = arguments.seed {
        test.env("ANCHOVY_SEED", seed.to_string());
    }
    if let Some(seeds) = arguments.seeds {
        test.env("ANCHOVY_SEEDS", seeds.to_string());
    }
    test.env("RUSTC_WORKSPACE_WRAPPER", command::root().join(RUSTC));
    command::run(test.stdin(Stdio::null()))
}

/// Runs clippy on the tests, and on what the crates have for them.
pub(crate) fn lint() -> Result<()> {
    let clippy = "clippy -p fault-tests --all-targets -- --cfg anchovy_faults -D warnings";
    command::run(command::cargo(clippy).stdin(Stdio::null()))
}

/// Runs all tests with their usual number of seeds.
pub(crate) fn run_all() -> Result<()> {
    run(&Arguments { test: None, seed: None, seeds: None })
}
