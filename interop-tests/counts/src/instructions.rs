//! Instructions outside of the kernel, counted by callgrind.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use interop_tests::{Directory, kernel_is_at_least};

use crate::compare::{Counts, ROUNDS};
use crate::compiler::compiler;
use crate::expected;
use crate::operation::Rounds;
use crate::operations::all;

/// The first argument of the process under valgrind.
pub(crate) const SUBJECT: &str = "instructions";

const MEASURE: &str = "instructions";

/// Adds the instructions of each operation, unless they cannot be compared with the recorded ones.
pub(crate) fn count(counts: &mut Counts) -> Result<()> {
    if let Some(reason) = reason_to_skip()? {
        counts.skip(MEASURE, &reason);
        return Ok(());
    }
    let directory = Directory::new();
    for operation in all() {
        let path = directory.path().join("callgrind");
        let outcome = Command::new("valgrind")
            .args([
                "--tool=callgrind",
                "--collect-atstart=no",
                "--toggle-collect=*measured_rounds*",
            ])
            .arg(format!("--callgrind-out-file={}", path.display()))
            .arg(std::env::current_exe()?)
            .args([SUBJECT, operation.name])
            .output()?;
        ensure!(
            outcome.status.success(),
            "valgrind, {}: {}",
            operation.name,
            String::from_utf8_lossy(&outcome.stderr)
        );
        let text = std::fs::read_to_string(&path)?;
        let total = text.lines().find_map(|line| line.strip_prefix("totals: "));
        let total: u64 = total.context("callgrind wrote no total")?.trim().parse()?;
        ensure!(total > u64::from(ROUNDS), "{}: callgrind counted nothing", operation.name);
        counts.add(operation.name, MEASURE, total);
    }
    Ok(())
}

/// Returns why instructions cannot be counted or compared on this machine.
fn reason_to_skip() -> Result<Option<String>> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return Ok(Some("valgrind was not found".to_owned()));
    }
    if Command::new("valgrind").args(["--tool=none", "true"]).output()?.status.code() != Some(0) {
        return Ok(Some("valgrind cannot run programs here".to_owned()));
    }
    if !kernel_is_at_least(6, 17) {
        return Ok(Some("this kernel has no SO_INQ".to_owned()));
    }
    // To write a new file, any compiler will do.
    let is_accepted = std::env::args().any(|word| word == "--accept");
    let (recorded, compiler) = (expected::compiler().unwrap_or_default(), compiler()?);
    if !is_accepted && recorded != compiler {
        return Ok(Some(format!("recorded with {recorded}, this is {compiler}")));
    }
    Ok(None)
}

pub(crate) fn subject(name: &str) -> Result<bool> {
    let operation = all().find(|operation| operation.name == name).context("an operation")?;
    measured_rounds(&mut operation.warmed_up());
    Ok(true)
}

/// The function whose instructions are counted, with those that it calls. Callgrind finds it by name, so
/// no other function has this name, not even a closure in it.
#[inline(never)]
fn measured_rounds(rounds: &mut Rounds) {
    rounds(ROUNDS);
}
