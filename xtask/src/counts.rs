//! The subcommand `cargo xtask counts`.

use std::process::Stdio;

use anyhow::Result;

use crate::command;

/// Compare the system calls, allocations and instructions of hot paths with recorded numbers
///
/// These numbers hardly depend on the machine, so a loss that a benchmark cannot see is found: one
/// more system call, one more allocation, or 3 percent more instructions. Numbers that are lower
/// than expected also fail, so that a gain is recorded and kept.
///
/// The numbers of 100 operations are in interop-tests/counts/expected.txt. strace counts system
/// calls, on this kernel and with the socket options of an older one; the allocator of the program
/// counts allocations; callgrind (valgrind) counts instructions outside of the kernel. What cannot
/// be counted is printed as SKIPPED: instructions without valgrind, on kernels before Linux 6.17,
/// or with another compiler than the recorded one.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Arguments {
    /// Record the numbers of this machine as the expected ones
    #[arg(long)]
    accept: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut counts = command::cargo("run --profile counts -p counts --");
    // Both would change the code that is counted.
    counts.env("CARGO_INCREMENTAL", "0").env_remove("RUSTFLAGS");
    if arguments.accept {
        counts.arg("--accept");
    }
    command::run(counts.stdin(Stdio::null()))
}

/// Compares all numbers.
pub(crate) fn check() -> Result<()> {
    run(&Arguments { accept: false })
}
