//! The examples as programs, built as this test was, and their input.

use std::ops::{Deref, DerefMut};
use std::process::{Command, Stdio};

use anchovy_dbus::{Address, Addresses, ByteOrder, Client, Connection, Limits, Message};
pub(crate) use interop_tests::*;
use serde_json::{Map, Value};

/// The program of an example, with nothing of the user's session.
///
/// Call it before descriptors are counted: it may have to build the example first.
pub(crate) fn example(name: &str) -> Command {
    build_examples_with("anchovy-dbus", if cfg!(feature = "zbus") { "zbus" } else { "" });
    let mut command = Command::new(example_path(name));
    for variable in ["DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS", "XDG_RUNTIME_DIR"] {
        command.env_remove(variable);
    }
    // Otherwise RUST_BACKTRACE of the user adds a stack to the errors that anyhow prints.
    command.env("RUST_LIB_BACKTRACE", "0").stdin(Stdio::null());
    command
}

/// A program that listens and prints lines, the address first.
pub(crate) struct Program {
    pub(crate) address: Addresses,
    program: BlockingProgram,
}

impl Program {
    /// Starts it, and returns once it listens.
    pub(crate) fn start(command: &mut Command) -> Program {
        let mut program = BlockingProgram::start(command);
        let address = program.line().parse().expect("the first line is the address");
        Program { address, program }
    }
}

impl Deref for Program {
    type Target = BlockingProgram;

    fn deref(&self) -> &BlockingProgram {
        &self.program
    }
}

impl DerefMut for Program {
    fn deref_mut(&mut self) -> &mut BlockingProgram {
        &mut self.program
    }
}

/// Returns a line of a spy without its time, and with one space between its columns.
pub(crate) fn words_of(line: &str) -> String {
    let (_, line) = line.split_once("] ").unwrap_or(("", line));
    line.split_whitespace().collect::<Vec<_>>().join(" ")
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

/// The next message.
pub(crate) async fn receive(connection: &mut Connection) -> Message {
    connection.receive().await.expect("nothing wrong").expect("a message")
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

/// Reads the JSON of the spy, and checks each object and its descriptors against the pages.
pub(crate) fn objects(lines: &str) -> Vec<Map<String, Value>> {
    let messages = JsonPage::parse(include_str!("../../examples/message_line/JSON.md"));
    let descriptors = JsonPage::parse(include_str!("../../examples/describe/JSON.md"));
    let check = |line: &str| {
        let object: Map<String, Value> = serde_json::from_str(line).expect("an object");
        messages.check(object["event"].as_str().unwrap(), &object);
        for fd in object.get("fds").into_iter().flat_map(|fds| fds.as_array().unwrap()) {
            let fd = fd.as_object().unwrap();
            descriptors.check(fd["kind"].as_str().unwrap(), fd);
        }
        object
    };
    lines.lines().map(check).collect()
}
