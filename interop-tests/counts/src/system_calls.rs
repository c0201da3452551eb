//! System calls, counted by strace.

use std::os::fd::AsRawFd;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, bail};
use interop_tests::{count as count_lines, kernel_is_at_least, mark, memfd, on_an_older_kernel};

use crate::compare::{Counts, ROUNDS};
use crate::operation::Operation;
use crate::operations::all;

/// The first argument of the process under strace.
pub(crate) const SUBJECT: &str = "system-calls";

const NEWER: &str = "calls, Linux 6.17";
const OLDER: &str = "calls, older kernel";

/// Adds the system calls of each operation.
pub(crate) fn count(counts: &mut Counts) -> Result<()> {
    if Command::new("strace").arg("-V").output().is_err() {
        for kernel in [NEWER, OLDER] {
            counts.skip(kernel, "strace was not found");
        }
        return Ok(());
    }
    if kernel_is_at_least(6, 17) {
        count_on(NEWER, counts)?;
    } else {
        counts.skip(NEWER, "this kernel has no SO_INQ");
    }
    count_on(OLDER, counts)
}

fn count_on(kernel: &'static str, counts: &mut Counts) -> Result<()> {
    let lines = trace(kernel)?;
    let mut parts = lines.split(|line| line.starts_with("getppid"));
    for operation in operations(kernel) {
        // The first part of each two is the preparation.
        parts.next().context("a preparation")?;
        let between = parts.next().with_context(|| format!("no marks of {}", operation.name))?;
        // Building and parsing make none.
        for (call, number) in count_lines(between) {
            counts.add(operation.name, &format!("{kernel}: {call}"), number as u64);
        }
    }
    Ok(())
}

/// Returns the lines of all system calls of this program as the subject.
fn trace(kernel: &str) -> Result<Vec<String>> {
    let log = memfd();
    let path = format!("/proc/{}/fd/{}", std::process::id(), log.as_raw_fd());
    let outcome = Command::new("strace")
        .args(["-f", "-qq", "-s", "0", "-o", &path])
        .arg(std::env::current_exe()?)
        .args([SUBJECT, kernel])
        .output()?;
    if !outcome.status.success() {
        bail!("strace: {}", String::from_utf8_lossy(&outcome.stderr));
    }
    let log = std::fs::read_to_string(&path)?;
    // Each line begins with the id of a thread.
    let call = |line: &str| line.split_once(' ').map(|(_, call)| call.trim_start().to_owned());
    log.lines().map(|line| call(line).context("a line without a call")).collect()
}

fn operations(kernel: &str) -> impl Iterator<Item = &'static Operation> {
    let older = kernel == OLDER;
    all().filter(move |operation| !(older && operation.needs_newer_kernel))
}

/// Runs each operation between marks.
pub(crate) fn subject(kernel: &str) -> Result<bool> {
    let run = || {
        for operation in operations(kernel) {
            let mut rounds = operation.warmed_up();
            mark();
            rounds(ROUNDS);
            mark();
        }
    };
    match kernel {
        NEWER => run(),
        // A second thread, because operations have runtimes of their own.
        OLDER => on_an_older_kernel(async {
            thread::scope(|scope| scope.spawn(run).join()).expect("the operations do not panic");
        }),
        other => bail!("unknown kernel {other:?}"),
    }
    Ok(true)
}
