//! The benchmarks with the backend libwayland, in a separate process, because a build has one backend.
//!
//! The process runs one benchmark on request and is idle otherwise.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use super::BESIDE_LIBWAYLAND;
use crate::row::Row;

/// The process. It ends when its standard input is closed.
struct Process {
    child: Child,
    works: ChildStdin,
    times: BufReader<ChildStdout>,
}

static PROCESS: OnceLock<Mutex<Process>> = OnceLock::new();

/// Builds and starts the process if a benchmark needs it. Without libwayland, removes the benchmark.
pub(crate) fn find(rows: &mut Vec<Row>) {
    if rows.iter().all(|row| row.work != BESIDE_LIBWAYLAND) {
        return;
    }
    if let Some(process) = start() {
        assert!(PROCESS.set(Mutex::new(process)).is_ok(), "one process");
    } else {
        eprintln!(
            "skipped {BESIDE_LIBWAYLAND:?}: libwayland was not found (install libwayland-client0 and \
             libwayland-server0 on Debian)"
        );
        rows.retain(|row| row.work != BESIDE_LIBWAYLAND);
    }
}

fn start() -> Option<Process> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut child = Command::new(cargo)
        .args(["run", "--quiet", "--release", "--package", "anchovy-bench-libwayland"])
        .arg("--manifest-path")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("cargo");
    let works = child.stdin.take().expect("a pipe");
    let times = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut process = Process { child, works, times };
    if process.line() == "ready" {
        return Some(process);
    }
    // The process has printed the reason.
    process.child.wait().expect("a child");
    None
}

impl Process {
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.times.read_line(&mut line).expect("text");
        line.trim_end().to_owned()
    }
}

pub(crate) fn pools() -> Duration {
    let mut process = PROCESS.get().expect("it was started").lock().expect("one thread");
    writeln!(process.works, "pools").expect("it waits for works");
    let line = process.line();
    Duration::from_nanos(line.parse().unwrap_or_else(|_| panic!("this is no time: {line:?}")))
}
