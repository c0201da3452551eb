//! The subcommand `cargo xtask loom`.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::command;

/// Run the models of concurrent code in every order of their operations
///
/// The models are unit tests of anchovy, in the modules `models`: what the stream and the handles of
/// an exchange do at the same time, and what several tasks do with one budget. loom runs each model
/// once for each order in which its threads can use their locks and atomics. A model fails if its
/// result is wrong in one of them, and if a thread waits forever.
///
/// Prints the number of runs of each model.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "\
Examples:
  cargo xtask loom                all models
  cargo xtask loom a_canceled     the models whose names begin with `a_canceled`

To see the order of a model that fails, set LOOM_LOG=trace and LOOM_LOCATION=1."
)]
pub(crate) struct Arguments {
    /// Run only the models whose names begin with this text
    #[arg(value_name = "MODEL")]
    model: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let model = arguments.model.as_deref().unwrap_or_default();
    // One after another, so that each number of runs follows the name of its model. Other tests would
    // fail: the types of loom can be used in a model only.
    let mut models = command::program(build()?);
    models.args(["--nocapture", "--test-threads=1"]).arg(format!("models::{model}"));
    command::run(models.stdin(Stdio::null()))
}

/// Builds the unit tests of anchovy with the types of loom, and returns their path.
fn build() -> Result<PathBuf> {
    command::run(rustc("human").stdin(Stdio::null()))?;
    // Nothing is built again: this call only names the program.
    let messages = command::output(&mut rustc("json"))?;
    let path = messages.lines().find_map(|line| command::json_text(line, "executable"));
    path.map(PathBuf::from).context("cargo names no executable")
}

fn rustc(message_format: &str) -> Command {
    let mut rustc = command::cargo("rustc -p anchovy --lib --profile test --message-format");
    // The flag is for anchovy alone. RUSTFLAGS would build every dependency once more.
    rustc.args([message_format, "--", "--cfg", "anchovy_loom", "-Dwarnings"]);
    rustc
}

/// Runs clippy on the models, and on what the crate has for them.
pub(crate) fn lint() -> Result<()> {
    // As unit tests of anchovy alone, so that no other step has to check anchovy again.
    let clippy = "clippy -p anchovy --lib --profile test -- --cfg anchovy_loom -D warnings";
    command::run(command::cargo(clippy).stdin(Stdio::null()))
}

/// Runs all models.
pub(crate) fn run_all() -> Result<()> {
    run(&Arguments { model: None })
}
