//! Running scenarios: each in its own process and directory, with a timeout.

use std::fs::{self, DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::rc::Rc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::paths::Paths;
use crate::command;

/// The timeout for a scenario that does not end itself, as its watchdog does after a minute.
const TIMEOUT: Duration = Duration::from_secs(90);

/// A scenario, from a line of the list that a scenario program prints.
pub(super) struct Scenario {
    pub(super) peer: String,
    pub(super) name: String,
    /// The program that runs it.
    program: Rc<Path>,
}

/// Result of a scenario.
pub(super) struct Outcome {
    pub(super) peer: String,
    pub(super) version: String,
    pub(super) scenario: String,
    pub(super) time: Duration,
    /// The reason for a failure, in one line.
    pub(super) failure: Option<String>,
}

impl Outcome {
    /// Returns the names of the peer and the scenario.
    pub(super) fn name(&self) -> String {
        format!("{}: {}", self.peer, self.scenario)
    }
}

/// Builds the examples that scenarios start.
pub(super) fn build_examples() -> Result<()> {
    const BUILD: &str = "build --package anchovy-dbus --package anchovy-wayland --examples";
    command::run(command::cargo(BUILD).stdin(Stdio::null()))
}

/// Builds a scenario program, and returns all of its scenarios.
pub(super) fn build(feature: Option<&str>) -> Result<Vec<Scenario>> {
    let build = || {
        let mut build = command::cargo("test --package interop-tests --test interop --no-run");
        if let Some(feature) = feature {
            build.args(["--features", feature]);
        }
        build.stdin(Stdio::null());
        build
    };
    command::run(&mut build())?;
    // The second call builds nothing and prints the path.
    let messages = command::output(build().arg("--message-format=json"))?;
    let program = messages.lines().filter(|line| line.contains(r#""name":"interop""#));
    let program = program.filter_map(|line| command::json_text(line, "executable")).next_back();
    let program = program.context("cargo prints no path of the scenario program")?;
    let program: Rc<Path> = PathBuf::from(program).into();

    let list = command::output(command::program(&*program).arg("--list"))?;
    list.lines()
        .map(|line| {
            let (peer, name) = line.split_once(' ').context("a line of a peer and a name")?;
            let (peer, name, program) = (peer.to_owned(), name.to_owned(), program.clone());
            Ok(Scenario { peer, name, program })
        })
        .collect()
}

/// Runs a scenario, and prints its name in a column of `width` characters and its result.
pub(super) fn run(
    scenario: &Scenario,
    version: &str,
    paths: &Paths,
    width: usize,
) -> Result<Outcome> {
    let title = scenario.name.replace('_', " ");
    eprint!("  {title:<width$}  ");
    let _ = std::io::stderr().flush();

    let logs = paths.output.join("logs").join(&scenario.peer);
    fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
    let log = logs.join(format!("{}.log", scenario.name));
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let directory = private_directory()?;

    let mut command = command::program(&*scenario.program);
    command.args([&scenario.peer, &scenario.name]);
    // Temporary files are created there too.
    command.env("TMPDIR", &directory).env("PATH", &paths.search);
    command.env("INSTA_WORKSPACE_ROOT", command::root());
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    let start = Instant::now();
    let status = wait(&mut command, TIMEOUT)?;
    let time = start.elapsed();

    let failure = match status {
        Some(status) if status.success() => None,
        Some(status) => Some(reason(&log).unwrap_or_else(|| status.to_string())),
        None => Some("hangs".to_owned()),
    };
    match &failure {
        None => {
            eprintln!("{:>6.2} s  ok", time.as_secs_f64());
            fs::remove_dir_all(&directory)?;
        }
        Some(failure) => {
            eprintln!("{:>6.2} s  FAILED: {failure}", time.as_secs_f64());
            eprintln!("    log: {}", log.display());
            // Only an empty directory can be removed; any other is kept.
            if fs::remove_dir(&directory).is_err() {
                eprintln!("    directory: {}", directory.display());
            }
        }
    }
    let (peer, version) = (scenario.peer.clone(), version.to_owned());
    Ok(Outcome { peer, version, scenario: title, time, failure })
}

/// Creates a directory that only this user can enter. Its path is short, because that of a socket is
/// limited.
fn private_directory() -> Result<PathBuf> {
    for number in 0_u32.. {
        let name = format!("anchovy-interop-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        match DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        }
    }
    unreachable!("there are fewer directories than that")
}

/// Waits for the end of a process. If it exceeds the timeout, kills it and its children.
fn wait(command: &mut Command, timeout: Duration) -> Result<Option<ExitStatus>> {
    let mut child = command.process_group(0).spawn().context("the scenario does not start")?;
    let group = child.id().to_string();
    let (report, reported) = mpsc::channel();
    let waiting = thread::spawn(move || {
        let _ = report.send(child.wait());
    });
    let status = match reported.recv_timeout(timeout) {
        Ok(status) => Some(status?),
        Err(RecvTimeoutError::Timeout) => {
            // The child was not reaped yet, so the number still is that of its process group.
            let kill = command::program("sh").args(["-c", "kill -s KILL -- -$0", &group]).status();
            ensure!(kill.is_ok_and(|status| status.success()), "cannot kill process group {group}");
            None
        }
        Err(RecvTimeoutError::Disconnected) => None,
    };
    let _ = waiting.join();
    Ok(status)
}

/// Returns the line of a log with the reason of a failure: the message of a panic or of the watchdog.
fn reason(log: &Path) -> Option<String> {
    let text = fs::read(log).ok()?;
    let text = String::from_utf8_lossy(&text);
    if let Some(line) = text.lines().find(|line| line.ends_with(" hangs")) {
        return Some(line.to_owned());
    }
    let mut lines = text.lines().skip_while(|line| !line.contains("panicked at "));
    lines.next()?;
    lines.next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hanging_process_is_killed_with_its_children() {
        let mut shell = Command::new("sh");
        // The pipe stays open until both processes have ended.
        let (mut reader, writer) = std::io::pipe().unwrap();
        shell.args(["-c", "sleep infinity & wait"]).stdout(writer);
        assert!(wait(&mut shell, Duration::from_millis(50)).unwrap().is_none());
        drop(shell);
        assert_eq!(std::io::Read::read(&mut reader, &mut [0]).unwrap(), 0);
    }

    #[test]
    fn a_process_that_ends_is_waited_for() {
        let status = wait(Command::new("sh").args(["-c", "exit 3"]), TIMEOUT).unwrap();
        assert_eq!(status.unwrap().code(), Some(3));
    }
}
