//! The shortest way to see what the crate is for.

use anyhow::{Context, Result};

use crate::command;

/// Show a file descriptor crossing a socket: runs the example `pass_fd`
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {}

pub(crate) fn run() -> Result<()> {
    let mut example = command::cargo("run --quiet --package anchovy --example pass_fd");
    command::run(&mut example).context("demo failed")
}
