//! The system calls of a test, as strace records them.
//!
//! A [`traced`] test runs twice: it starts itself under strace and reads the trace; the process
//! under strace does the work. A program that is not a test program does the same with [`trace`]
//! and [`is_traced`].

use std::collections::BTreeMap;
use std::fmt::Write;
use std::future::Future;
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};

use crate::{guarded, memfd, run};

/// The environment variable of the process under strace.
const SUBJECT: &str = "ANCHOVY_STRACE_SUBJECT";

/// The traced calls: the mark, and the calls of streams and a runtime.
const CALLS: &str =
    "trace=getppid,epoll_wait,read,recvfrom,recvmsg,write,sendto,sendmsg,ioctl,close";

/// Makes a system call that marks the start or the end of the work in the trace. No other code
/// makes it.
pub fn mark() {
    let _ = rustix::process::getppid();
}

/// Runs `work` between marks under strace with these options, and returns the lines between the
/// marks. In the traced process, does the work and returns nothing.
///
/// `test` is the name of the calling test with its modules, as the test program lists it. `work`
/// calls [`mark`] twice.
/// calls [`mark`] twice.
pub fn traced(test: &str, options: &[&str], work: impl Future<Output = ()>) -> Option<Vec<String>> {
    if is_traced() {
        run(work);
        return None;
    }
    let mut between = Vec::new();
    let arguments = ["--exact", test, "--test-threads", "1"];
    guarded(|| between = trace(&arguments, options, Stdio::null()));
    Some(between)
}

/// Returns whether this process is under strace.
pub fn is_traced() -> bool {
    std::env::var_os(SUBJECT).is_some()
}

/// Starts this program with these arguments under strace with these options, and returns the lines
/// between its two [marks](mark). Children would be traced too, so it must not have any.
///
/// # Panics
///
/// Panics if the program fails or makes no marks.
pub fn trace(arguments: &[&str], options: &[&str], stdin: impl Into<Stdio>) -> Vec<String> {
    let log = memfd();
    let path = format!("/proc/{}/fd/{}", std::process::id(), log.as_raw_fd());
    let outcome = Command::new("strace")
        .args(["-f", "-qq", "-s", "0", "-o", &path, "-e", CALLS])
        .args(options)
        .arg(std::env::current_exe().expect("the path of this test"))
        .args(arguments)
        .env(SUBJECT, "yes")
        .stdin(stdin)
        .output()
        .expect("strace is installed");
    assert!(outcome.status.success(), "{}", String::from_utf8_lossy(&outcome.stdout));

    let log = std::fs::read_to_string(&path).expect("what strace wrote");
    // Each line begins with the id of a thread.
    let lines = log.lines().map(|line| line.split_once(' ').expect("a number and a call").1.trim());
    let between: Vec<String> = lines
        .skip_while(|line| !line.starts_with("getppid"))
        .skip(1)
        .take_while(|line| !line.starts_with("getppid"))
        .map(str::to_owned)
        .collect();
    assert!(!between.is_empty(), "no marks in the trace:\n{log}");
    between
}

/// Returns the number of each call. Failed calls are counted separately, as `call ERROR`.
pub fn count(lines: &[String]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for line in lines {
        let mut call = line.split('(').next().unwrap_or(line).to_owned();
        if let Some((_, error)) = line.split_once("= -1 ") {
            write!(call, " {}", error.split(' ').next().unwrap_or(error)).expect("room for text");
        }
        *counts.entry(call).or_insert(0) += 1;
    }
    counts
}
