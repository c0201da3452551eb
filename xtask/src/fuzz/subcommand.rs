//! The subcommand `cargo xtask fuzz`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use super::statistics::Statistics;
use super::target::{TARGETS, Target};
use crate::command;
use crate::requirements::{self, Requirement};

const REQUIREMENTS: &[Requirement] = &[
    (
        "a nightly compiler",
        &["rustup", "run", "nightly", "rustc", "--version"],
        "rustup toolchain install nightly --profile minimal",
    ),
    ("cargo-fuzz", &["cargo-fuzz", "--version"], "cargo install cargo-fuzz"),
];

/// Run fuzz targets with libFuzzer
///
/// The targets are in `fuzz/`. They need cargo-fuzz and a nightly compiler; without them, the command
/// prints how to install them. Each target starts from its corpus in `fuzz/corpus`, and keeps new
/// inputs in the target directory.
///
/// At the end, prints the executions, the covered edges and the findings of each target. A finding is
/// an input in `fuzz/artifacts`; `cargo +nightly fuzz run --features libfuzzer TARGET FILE` repeats it.
#[derive(Debug, clap::Args)]
#[command(
    verbatim_doc_comment,
    after_long_help = "\
Examples:
  cargo xtask fuzz                               all targets, a minute each
  cargo xtask fuzz dbus_message --seconds 900    one target, 15 minutes
  cargo xtask fuzz --minimize                    then adds what was found new to fuzz/corpus"
)]
pub(crate) struct Arguments {
    /// Target to run; without it, all of them
    #[arg(value_name = "TARGET", value_parser = Target::named)]
    target: Option<Target>,

    /// Seconds for each target
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,

    /// Replace the corpus of each target without findings by the fewest inputs that cover the same edges
    #[arg(long)]
    minimize: bool,
}

/// The result of one target.
struct Outcome {
    target: Target,
    seconds: u64,
    statistics: Statistics,
    findings: usize,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    requirements::ensure(REQUIREMENTS).context("fuzz")?;
    let targets = arguments.target.map_or(TARGETS.to_vec(), |target| vec![target]);
    let mut outcomes = Vec::new();
    for target in targets {
        let outcome = fuzz(target, arguments.seconds)
            .with_context(|| format!("fuzzing {} failed", target.name))?;
        if arguments.minimize && outcome.findings == 0 {
            minimize(target)
                .with_context(|| format!("minimizing the corpus of {} failed", target.name))?;
        }
        outcomes.push(outcome);
    }
    println!("\n{}", table(&outcomes));
    let findings: usize = outcomes.iter().map(|outcome| outcome.findings).sum();
    ensure!(findings == 0, "fuzz: {findings} findings, the inputs are in fuzz/artifacts");
    Ok(())
}

/// Replays the corpora of all targets with the current compiler.
pub(crate) fn replay() -> Result<()> {
    on_stable("test", "--test corpus")
}

/// Runs clippy on the targets, without the runners, and on what the crates have for them.
pub(crate) fn lint() -> Result<()> {
    on_stable("clippy", "--all-targets -- -D warnings")
}

/// Runs cargo with what `cfg(fuzzing)` adds to the crates, and with the dependencies that other steps have
/// built.
///
/// In `RUSTFLAGS`, the flag would build every dependency once more. So rustc is called by a program that
/// adds it. cargo does not know of that: with another profile of anchovy, it keeps what is built here
/// apart from what is built without the flag.
fn on_stable(subcommand: &str, arguments: &str) -> Result<()> {
    const PROFILE: &str = "profile.dev.package.anchovy.codegen-units=255";
    let mut command = command::cargo(subcommand);
    command.args(["--manifest-path", "fuzz/Cargo.toml", "--config", PROFILE, "--target-dir"]);
    command.arg(command::target_directory()?).args(arguments.split_whitespace());
    command.env("RUSTC_WRAPPER", command::root().join("xtask/rustc-with-fuzzing.sh"));
    command::run(command.stdin(Stdio::null()))
}

/// Runs a target and prints the output of libFuzzer.
fn fuzz(target: Target, seconds: u32) -> Result<Outcome> {
    let before = findings(target)?;
    let working = working_corpus(target)?;
    let mut fuzz = cargo_fuzz(target, &[working, corpus(target)]);
    fuzz.arg(format!("-max_total_time={seconds}")).arg(format!("-max_len={}", target.max_len));
    // An input of these targets takes some milliseconds at most.
    fuzz.args(["-timeout=20", "-rss_limit_mb=2048", "-print_final_stats=1"]);
    if let Some(dictionary) = target.dictionary {
        let path = command::root().join("fuzz/dictionaries").join(dictionary);
        fuzz.arg(format!("-dict={}", path.display()));
    }

    let line = command::line(&fuzz);
    eprintln!("$ {line}");
    let mut start = Instant::now();
    let mut child = fuzz
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start `{line}`"))?;
    let mut statistics = Statistics::default();
    let output = child.stderr.take().context("the standard error of the target is not piped")?;
    for line in BufReader::new(output).split(b'\n') {
        let line = line.context("cannot read the output of the target")?;
        let line = String::from_utf8_lossy(&line);
        eprintln!("{line}");
        // The first line of the target. cargo may have built it for minutes before.
        if line.starts_with("INFO: Running with") {
            start = Instant::now();
        }
        statistics.add(&line);
    }
    let status = child.wait().context("cannot wait for the target")?;
    let findings = findings(target)? - before;
    // libFuzzer fails for a finding, and cargo-fuzz if the target does not build.
    ensure!(status.success() || findings > 0, "`{line}` ended with {status}");
    Ok(Outcome { target, seconds: start.elapsed().as_secs(), statistics, findings })
}

/// Replaces the corpus by the fewest inputs of it and of the working corpus that cover the same edges.
fn minimize(target: Target) -> Result<()> {
    let merged = command::target_directory()?.join("fuzz-merged").join(target.name);
    if merged.exists() {
        fs::remove_dir_all(&merged)
            .with_context(|| format!("cannot remove {}", merged.display()))?;
    }
    create(&merged)?;
    let corpus = corpus(target);
    let mut merge = cargo_fuzz(target, &[merged.clone(), corpus.clone(), working_corpus(target)?]);
    // With counters, inputs that only repeat a loop more often would be kept too.
    merge.args(["-merge=1", "-use_counters=0"]).arg(format!("-max_len={}", target.max_len));
    command::run(merge.stdin(Stdio::null()))?;

    fs::remove_dir_all(&corpus).with_context(|| format!("cannot remove {}", corpus.display()))?;
    create(&corpus)?;
    for path in files(&merged)? {
        let name = path.file_name().context("a file without a name")?;
        fs::copy(&path, corpus.join(name))
            .with_context(|| format!("cannot copy {}", path.display()))?;
    }
    Ok(())
}

/// Returns a command that runs a target on these corpora. Options of libFuzzer can be added.
fn cargo_fuzz(target: Target, corpora: &[PathBuf]) -> Command {
    let mut command = command::program("rustup");
    command.args("run nightly cargo fuzz run --fuzz-dir fuzz --features libfuzzer".split(' '));
    // The compiler of `cargo xtask` is another one.
    command.env_remove("CARGO").env_remove("RUSTC").env_remove("RUSTUP_TOOLCHAIN");
    command.arg(target.name).args(corpora).arg("--");
    command
}

fn corpus(target: Target) -> PathBuf {
    command::root().join("fuzz/corpus").join(target.name)
}

/// Returns the directory of new inputs, which exists.
fn working_corpus(target: Target) -> Result<PathBuf> {
    let directory = command::target_directory()?.join("fuzz-corpus").join(target.name);
    create(&directory)?;
    Ok(directory)
}

fn create(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))
}

/// Returns the number of findings of a target.
fn findings(target: Target) -> Result<usize> {
    let artifacts = command::root().join("fuzz/artifacts").join(target.name);
    if artifacts.exists() { Ok(files(&artifacts)?.len()) } else { Ok(0) }
}

fn files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        fs::read_dir(directory).with_context(|| format!("cannot read {}", directory.display()))?;
    let entries: std::io::Result<Vec<_>> = entries.collect();
    Ok(entries?.into_iter().map(|entry| entry.path()).collect())
}

fn table(outcomes: &[Outcome]) -> String {
    let mut table = format!(
        "{:<18} {:>8} {:>12} {:>9} {:>9}\n",
        "target", "seconds", "executions", "edges", "findings"
    );
    for Outcome { target, seconds, statistics, findings } in outcomes {
        let Statistics { executions, coverage } = statistics;
        table += &format!(
            "{:<18} {seconds:>8} {executions:>12} {coverage:>9} {findings:>9}\n",
            target.name
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_target_has_a_row_with_its_numbers() {
        let statistics = Statistics { executions: 1_000_000, coverage: 512 };
        let outcome = Outcome { target: TARGETS[1], seconds: 60, statistics, findings: 2 };
        let table = table(&[outcome]);
        let lines: Vec<Vec<_>> =
            table.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["target", "seconds", "executions", "edges", "findings"]);
        assert_eq!(lines[1], ["control_messages", "60", "1000000", "512", "2"]);
    }

    #[test]
    fn options_of_libfuzzer_follow_the_corpora() {
        let mut command = cargo_fuzz(TARGETS[0], &[PathBuf::from("new"), PathBuf::from("old")]);
        command.arg("-runs=1");
        assert_eq!(
            command::line(&command),
            "rustup run nightly cargo fuzz run --fuzz-dir fuzz --features libfuzzer codec_model new \
             old -- -runs=1"
        );
    }
}
