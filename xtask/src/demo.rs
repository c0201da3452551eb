//! The subcommand `cargo xtask demo`.

use anyhow::{Context, Result};

use crate::command;

/// Run the example pass_fd, which sends file descriptors from one process to another
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run() -> Result<()> {
    let mut example = command::cargo("run --quiet --package anchovy --example pass_fd");
    command::run(&mut example).context("demo failed")
}
