//! The examples as programs, built as this test was, and what is said to them.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::sync::Once;

use anchovy_dbus::{Address, Addresses, ByteOrder, Client, Connection, Limits, Message};
pub(crate) use interop_tests::*;
use rustix::process::{Pid, Signal, kill_process};

/// The program of an example, with nothing of the user's session.
///
/// Call it before descriptors are counted: it may have to build the example first.
pub(crate) fn example(name: &str) -> Command {
    static BUILT: Once = Once::new();
    BUILT.call_once(build);
    let mut command = Command::new(profile().join("examples").join(name));
    for variable in ["DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS", "XDG_RUNTIME_DIR"] {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null());
    command
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
    cargo.args(["build", "--quiet", "--package", "anchovy-dbus", "--examples"]);
    cargo.args(["--profile", name, "--target-dir"]).arg(profile.parent().expect("a target"));
    assert!(cargo.status().expect("cargo starts").success(), "the examples do not build");
}

/// `target/debug` of `target/debug/deps/examples-0123456789abcdef`.
fn profile() -> PathBuf {
    let test = std::env::current_exe().expect("the path of this test");
    test.ancestors().nth(2).expect("cargo puts tests three levels deep").to_owned()
}

/// What a program did that has ended.
pub(crate) struct Ended {
    pub(crate) id: u32,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a program to its end.
pub(crate) fn run_to_end(command: &mut Command) -> Ended {
    let mut peer = Peer::start_recorded(command);
    let (id, code) = (peer.id(), peer.wait().code());
    Ended { id, code, stdout: peer.stdout(), stderr: peer.stderr() }
}

/// A program that listens and prints lines, the address first.
pub(crate) struct Program {
    pub(crate) peer: Peer,
    pub(crate) address: Addresses,
    stdout: BufReader<ChildStdout>,
}

impl Program {
    /// Starts it, and returns once it listens.
    pub(crate) fn start(command: &mut Command) -> Program {
        let mut peer = Peer::start(command.stdout(Stdio::piped()));
        let stdout = BufReader::new(peer.take_stdout().expect("the pipe that was asked for"));
        let nowhere = Address::path("/nowhere").expect("a path").into();
        let mut program = Program { peer, address: nowhere, stdout };
        program.address = program.line().parse().expect("the first line is the address");
        program
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

/// Where a socket of that name is in this directory.
pub(crate) fn address_in(directory: &Directory, name: &str) -> Address {
    Address::path(directory.join(name)).expect("a path")
}

/// A client that sends as many descriptors as it likes.
pub(crate) fn client() -> Client {
    let most = anchovy::DBUS_FD_LIMIT;
    Client::new().limits(Limits { max_sent_fds: most, max_received_fds: most, ..Limits::client() })
}

/// Calls, and waits for the answer.
pub(crate) async fn call(peer: &mut Connection, call: Message) -> Message {
    let serial = peer.send(call).await.expect("room");
    let answer = peer.receive().await.expect("a message").expect("an answer");
    assert_eq!(answer.header().reply_serial(), Some(serial));
    answer
}

/// The call of a method without arguments.
pub(crate) fn plain_call(interface: &str, member: &str) -> Message {
    Message::method_call("/", member).interface(interface).build().expect("a good call")
}

/// `Ping`, which any peer answers.
pub(crate) async fn ping(peer: &mut Connection) {
    let answer = call(peer, plain_call("org.freedesktop.DBus.Peer", "Ping")).await;
    assert_eq!((answer.header().signature(), answer.body().len()), ("", 0));
}

/// The body that is one string.
pub(crate) fn string(message: &Message) -> String {
    assert_eq!(message.header().signature(), "s");
    let (length, text) = message.body().split_first_chunk().expect("a length");
    let length = match message.header().byte_order() {
        ByteOrder::Little => u32::from_le_bytes(*length),
        ByteOrder::Big => u32::from_be_bytes(*length),
    };
    let text = text.strip_suffix(&[0]).expect("a byte 0 at its end");
    assert_eq!(text.len(), length as usize);
    String::from_utf8(text.to_vec()).expect("text")
}

/// What is in a directory.
pub(crate) fn entries(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("a directory");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}
