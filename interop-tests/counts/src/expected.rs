//! The file of expected numbers: one `operation: measure = number` in each line.

use std::collections::BTreeMap;
use std::fmt::Write;

use anyhow::{Context, Result};

use crate::compare::{Counts, ROUNDS};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/expected.txt");

const COMPILER: &str = "# compiler: ";

/// Returns the expected numbers.
pub(crate) fn read() -> Result<BTreeMap<String, u64>> {
    let text = text()?;
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let number = |line: &str| {
        let (name, number) = line.rsplit_once(" = ")?;
        Some((name.to_owned(), number.parse().ok()?))
    };
    lines
        .map(|line| number(line).with_context(|| format!("{PATH}: {line:?} has no number")))
        .collect()
}

/// Returns the compiler and the architecture that the numbers of instructions were counted with.
pub(crate) fn compiler() -> Result<String> {
    let text = text()?;
    let compiler = text.lines().find_map(|line| line.strip_prefix(COMPILER));
    Ok(compiler.with_context(|| format!("{PATH}: no line {COMPILER:?}"))?.to_owned())
}

/// Writes the counted numbers, and keeps those of measures that were skipped.
pub(crate) fn write(counts: &Counts) -> Result<()> {
    let (mut numbers, mut compiler) = (counts.numbers.clone(), crate::compiler::compiler()?);
    if !counts.skipped.is_empty() {
        numbers.extend(read()?.into_iter().filter(|(name, _)| counts.is_skipped(name)));
        if counts.is_skipped("instructions") {
            compiler = self::compiler()?;
        }
    }
    let mut text = format!(
        "# Written by `cargo xtask counts --accept`. The numbers are those of {ROUNDS} operations.\n\
         {COMPILER}{compiler}\n"
    );
    for (name, number) in &numbers {
        writeln!(text, "{name} = {number}")?;
    }
    std::fs::write(PATH, text).with_context(|| PATH.to_owned())?;
    println!("wrote {} numbers to {PATH}", numbers.len());
    Ok(())
}

fn text() -> Result<String> {
    std::fs::read_to_string(PATH).with_context(|| PATH.to_owned())
}
