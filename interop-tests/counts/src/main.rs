//! Counts what the hot paths cost, and compares it with the numbers in `expected.txt`.
//!
//! These numbers hardly depend on the machine or its load, so CI notices a loss that a benchmark would
//! lose in its noise:
//!
//! - system calls, as strace sees them, with all socket options and with those of an older kernel;
//! - allocations and allocated bytes, as the allocator of this process counts them;
//! - instructions outside of the kernel, as callgrind counts them.
//!
//! This program starts itself under strace and valgrind. With `--accept`, it writes the numbers to
//! `expected.txt` instead of comparing them.

#![cfg(target_os = "linux")]

mod allocator;
mod compare;
mod compiler;
mod expected;
mod instructions;
mod operation;
mod operations;
mod system_calls;

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::compare::Counts;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether the numbers are the expected ones.
fn run(words: &[&str]) -> Result<bool> {
    match words {
        [] => count(false),
        ["--accept"] => count(true),
        // In the processes under strace and valgrind.
        [system_calls::SUBJECT, kernel] => system_calls::subject(kernel),
        [instructions::SUBJECT, name] => instructions::subject(name),
        _ => bail!("unknown arguments {words:?}; there is one option, --accept"),
    }
}

fn count(accept: bool) -> Result<bool> {
    let mut counts = Counts::default();
    allocator::count(&mut counts);
    system_calls::count(&mut counts)?;
    instructions::count(&mut counts)?;
    for skipped in &counts.skipped {
        println!("SKIPPED: {skipped}");
    }
    if accept {
        expected::write(&counts)?;
        return Ok(true);
    }
    let differences = counts.differences(&expected::read()?);
    for difference in &differences {
        println!("{difference}");
    }
    let (numbers, found) = (counts.numbers.len(), differences.len());
    println!("{numbers} numbers counted, {found} differ from interop-tests/counts/expected.txt");
    if found > 0 {
        println!("if the differences are intended, record them with: cargo xtask counts --accept");
    }
    Ok(differences.is_empty())
}
