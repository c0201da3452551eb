//! The examples as programs, built as this test was, and what is said to them.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::Once;

use anchovy_wayland::{Message, ObjectId};
pub(crate) use interop_tests::*;
use rustix::process::{Pid, Signal, kill_process};

/// The program of an example, with nothing of the user's session.
///
/// Call it before descriptors are counted: it may have to build the example first.
pub(crate) fn example(name: &str) -> Command {
    static BUILT: Once = Once::new();
    BUILT.call_once(build);
    let mut command = Command::new(path_of(name));
    for variable in ["WAYLAND_DISPLAY", "WAYLAND_SOCKET", "XDG_RUNTIME_DIR"] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null());
    command
}

/// Where the program of an example is.
pub(crate) fn path_of(name: &str) -> PathBuf {
    profile().join("examples").join(name)
}

/// With the cargo, the target directory and the profile of this test, so that what has been built
/// for it is not built again.
fn build() {
    let profile = profile();
    let name = match profile.file_name().and_then(OsStr::to_str).expect("a profile") {
        "debug" => "dev",
        name => name,
    };
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--quiet", "--package", "anchovy-wayland", "--examples"]);
    cargo.args(["--profile", name, "--target-dir"]).arg(profile.parent().expect("a target"));
    assert!(cargo.status().expect("cargo starts").success(), "the examples do not build");
}

/// `target/debug` of `target/debug/deps/examples-0123456789abcdef`.
fn profile() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    test.ancestors().nth(2).expect("cargo puts tests three levels deep").to_owned()
}

/// What a program did that has ended.
#[derive(Debug, PartialEq)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a program to its end.
pub(crate) fn run_to_end(command: &mut Command) -> Ended {
    let mut peer = Peer::start_recorded(command);
    let code = peer.wait().code();
    Ended { code, stdout: peer.stdout(), stderr: peer.stderr() }
}

/// Sees that a program, given these arguments, ends with this status and says this.
pub(crate) fn told(name: &str, arguments: &[&str], code: i32, part: &str) {
    let mut command = example(name);
    guarded(|| {
        let ended = run_to_end(command.args(arguments));
        let said = ended.stdout + &ended.stderr;
        assert_eq!(ended.code, Some(code), "{arguments:?}: {said}");
        assert!(said.contains(part) && !said.contains("panicked"), "{arguments:?}: {said}");
    });
}

/// A program that prints lines.
pub(crate) struct Program {
    pub(crate) peer: Peer,
    stdout: BufReader<ChildStdout>,
}

impl Program {
    pub(crate) fn start(command: &mut Command) -> Program {
        let mut peer = Peer::start(command.stdout(Stdio::piped()));
        let stdout = BufReader::new(peer.take_stdout().expect("the pipe that was asked for"));
        Program { peer, stdout }
    }

    /// The next line that it prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("text");
        line.strip_suffix('\n').expect("a whole line, for it has not ended").to_owned()
    }

    /// The next line that has this in it.
    pub(crate) fn line_with(&mut self, part: &str) -> String {
        loop {
            let line = self.line();
            if line.contains(part) {
                return line;
            }
        }
    }

    /// Sends it a signal, and returns the status that it ends with.
    pub(crate) fn end_with(&mut self, signal: Signal) -> Option<i32> {
        kill(&self.peer, signal);
        self.peer.wait().code()
    }
}

pub(crate) fn kill(peer: &Peer, signal: Signal) {
    let number = peer.id().try_into().ok().and_then(Pid::from_raw).expect("a process");
    kill_process(number, signal).expect("it has not ended");
}

pub(crate) fn id(number: u32) -> ObjectId {
    ObjectId::new(number).expect("not 0")
}

/// A message in bytes, written without our encoder.
pub(crate) fn bytes_of(message: &Message) -> Vec<u8> {
    let mut bytes = message.object().get().to_ne_bytes().to_vec();
    let second = (message.length() as u32) << 16 | u32::from(message.opcode());
    bytes.extend(second.to_ne_bytes());
    bytes.extend_from_slice(message.arguments());
    bytes
}

/// What is in a directory.
pub(crate) fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}
