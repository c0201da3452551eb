//! Processes of a test, which end with the test.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use crate::Directory;

/// The peers that were not waited for, so that no other process has their ids.
///
/// A process that aborts drops nothing, so the watchdog finds them here.
static RUNNING: Mutex<BTreeSet<i32>> = Mutex::new(BTreeSet::new());

fn running() -> MutexGuard<'static, BTreeSet<i32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Kills every peer of this process. The process must end afterwards.
pub(crate) fn kill_all() {
    for number in running().iter() {
        if let Some(process) = Pid::from_raw(*number) {
            let _ = rustix::process::kill_process(process, Signal::KILL);
        }
    }
}

/// A process of a test. It is killed and waited for when this is dropped.
///
/// Its own children are not killed.
#[derive(Debug)]
#[must_use = "the process is killed when this is dropped"]
pub struct Peer {
    child: Child,
    status: Option<ExitStatus>,
    record: Option<Directory>,
}

impl Peer {
    /// Starts a process with the standard streams of the command, which are inherited by default.
    pub fn start(command: &mut Command) -> Peer {
        // Locked before the process starts, so that the watchdog cannot miss it.
        let mut running = running();
        let child = command
            .spawn()
            .unwrap_or_else(|error| panic!("{:?} does not start: {error}", command.get_program()));
        running.insert(child.id() as i32);
        Peer { child, status: None, record: None }
    }

    /// Starts a process whose output is written to files, for [`stdout`](Self::stdout) and
    /// [`stderr`](Self::stderr). A test that panics prints them.
    pub fn start_recorded(command: &mut Command) -> Peer {
        let record = Directory::new();
        let file = |name| File::create(record.join(name)).expect("a file in a directory of ours");
        let mut peer = Peer::start(command.stdout(file("stdout")).stderr(file("stderr")));
        // Otherwise the command would keep the files open.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        peer.record = Some(record);
        peer
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Takes the other end of the standard input, if the command uses a pipe.
    pub fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Takes the other end of the standard output, if the command uses a pipe.
    pub fn take_stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Returns the standard output so far.
    ///
    /// # Panics
    ///
    /// Panics if the peer is not recorded.
    pub fn stdout(&self) -> String {
        self.recorded("stdout")
    }

    /// Returns the standard error so far.
    ///
    /// # Panics
    ///
    /// Panics if the peer is not recorded.
    pub fn stderr(&self) -> String {
        self.recorded("stderr")
    }

    /// Sends a signal to the process.
    ///
    /// # Panics
    ///
    /// Panics if the process was waited for, because its id may belong to another process.
    pub fn signal(&self, signal: Signal) {
        assert!(self.status.is_none(), "it has ended");
        let process = Pid::from_raw(self.child.id() as i32).expect("the number of a process");
        rustix::process::kill_process(process, signal).expect("a child of this process");
    }

    fn recorded(&self, name: &str) -> String {
        let record = self.record.as_ref().expect("a peer that is recorded");
        text(&record.join(name))
    }

    /// Closes the standard input, if it is a pipe of this process, and waits for the end of the
    /// peer.
    pub fn wait(&mut self) -> ExitStatus {
        if let Some(status) = self.status {
            return status;
        }
        drop(self.child.stdin.take());
        // The process keeps its id until it is off the list, so the watchdog cannot kill another
        // process.
        let number = self.child.id() as i32;
        let process = Pid::from_raw(number).expect("the number of a process");
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        rustix::io::retry_on_intr(|| rustix::process::waitid(WaitId::Pid(process), options))
            .expect("a child of this process");
        running().remove(&number);
        *self.status.insert(self.child.wait().expect("a child of this process"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if self.status.is_none() {
            // An error is impossible: even if the process has ended, it was not waited for.
            self.child.kill().expect("a child of this process");
            self.wait();
        }
        if let (Some(record), true) = (&self.record, std::thread::panicking()) {
            for name in ["stdout", "stderr"] {
                eprintln!("{name} of process {}:\n{}", self.id(), text(&record.join(name)));
            }
        }
    }
}

/// The result of a program.
#[derive(Debug, PartialEq, Eq)]
pub struct Ended {
    /// The exit status, or `None` if a signal ended the program.
    pub code: Option<i32>,
    /// The standard output.
    pub stdout: String,
    /// The standard error.
    pub stderr: String,
}

/// Runs a program until it ends.
pub fn run_to_end(command: &mut Command) -> Ended {
    let mut peer = Peer::start_recorded(command);
    let code = peer.wait().code();
    Ended { code, stdout: peer.stdout(), stderr: peer.stderr() }
}

/// Returns the content of a file that another process may be writing.
pub(crate) fn text(path: &Path) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::os::unix::process::ExitStatusExt;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::{guarded, is_abandoned, pipe};

    /// Returns a process that does not end, and a pipe that shows whether it runs.
    fn endless() -> (Peer, OwnedFd) {
        let (reader, writer) = pipe();
        (Peer::start(Command::new("sleep").arg("infinity").stdout(writer)), reader)
    }

    #[test]
    fn dropping_a_peer_ends_it() {
        guarded(|| {
            let (peer, life) = endless();
            assert!(!is_abandoned(&life));
            drop(peer);
            assert!(is_abandoned(&life));
            assert!(running().is_empty());
        });
    }

    #[test]
    fn a_test_that_panics_ends_its_peer() {
        guarded(|| {
            let (peer, life) = endless();
            catch_unwind(AssertUnwindSafe(|| {
                let _peer = peer;
                panic!("as a failing test does");
            }))
            .unwrap_err();
            assert!(is_abandoned(&life));
        });
    }

    #[test]
    fn the_watchdog_kills_only_peers_that_still_run() {
        guarded(|| {
            let (mut one, _life) = endless();
            let mut other = Peer::start(&mut Command::new("true"));
            assert!(other.wait().success());
            assert_eq!(*running(), BTreeSet::from([one.id() as i32]));
            kill_all();
            assert_eq!(one.wait().signal(), Some(libc::SIGKILL));
            assert_eq!(one.wait().signal(), Some(libc::SIGKILL), "and it is known what it was");
            assert!(running().is_empty());
        });
    }

    #[test]
    fn the_output_of_a_recorded_peer_can_be_read() {
        guarded(|| {
            let script = "echo said; echo complained >&2; exit 3";
            let mut peer = Peer::start_recorded(Command::new("sh").args(["-c", script]));
            assert_eq!(peer.wait().code(), Some(3));
            assert_eq!((&*peer.stdout(), &*peer.stderr()), ("said\n", "complained\n"));
        });
    }

    #[test]
    fn waiting_for_a_peer_closes_its_input() {
        guarded(|| {
            let mut cat = Command::new("cat");
            let mut peer = Peer::start_recorded(cat.stdin(Stdio::piped()));
            std::io::Write::write_all(peer.child.stdin.as_mut().unwrap(), b"line").unwrap();
            assert!(peer.wait().success());
            assert_eq!(peer.stdout(), "line");
        });
    }
}
