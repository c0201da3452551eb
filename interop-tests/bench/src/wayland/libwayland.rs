//! The same works on libwayland, in a process of its own: one build has one backend.
//!
//! It is asked for one work at a time, in its turn, and has nothing to do in between.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use super::BESIDE_LIBWAYLAND;
use crate::Row;

/// It ends when its standard input does, with this process.
struct Process {
    child: Child,
    works: ChildStdin,
    times: BufReader<ChildStdout>,
}

static PROCESS: OnceLock<Mutex<Process>> = OnceLock::new();

/// Builds and starts the process, if it is needed; without a libwayland, its row is left out.
pub(crate) fn find(rows: &mut Vec<&'static Row>) {
    if rows.iter().all(|row| row.work != BESIDE_LIBWAYLAND) {
        return;
    }
    if let Some(process) = start() {
        assert!(PROCESS.set(Mutex::new(process)).is_ok(), "one process");
    } else {
        eprintln!(
            "there is no libwayland to measure (Debian has it in libwayland-client0 and \
             libwayland-server0): nothing is said of {BESIDE_LIBWAYLAND:?}"
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
    // It has said why.
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
