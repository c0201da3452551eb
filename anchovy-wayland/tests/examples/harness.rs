//! Running the examples as programs that were built in the same profile as this test.

use std::process::{Command, Stdio};

use anchovy_wayland::{Message, ObjectId};
pub(crate) use interop_tests::BlockingProgram as Program;
pub(crate) use interop_tests::*;

/// Returns the command of an example, without the variables of the user's session.
///
/// Call it before descriptors are counted, because it may build the example.
pub(crate) fn example(name: &str) -> Command {
    build_examples("anchovy-wayland");
    let mut command = Command::new(example_path(name));
    for variable in ["WAYLAND_DISPLAY", "WAYLAND_SOCKET", "XDG_RUNTIME_DIR"] {
        command.env_remove(variable);
    }
    // Otherwise RUST_BACKTRACE of the user adds a stack to the errors that anyhow prints.
    command.env("RUST_LIB_BACKTRACE", "0").stdin(Stdio::null());
    command
}

/// Returns a line of the spy without its time.
pub(crate) fn without_time(line: &str) -> String {
    line.split_once("] ").map_or(line, |(_, line)| line).to_owned()
}

/// Checks the exit status and the output of a program with these arguments.
pub(crate) fn assert_output(name: &str, arguments: &[&str], code: i32, part: &str) {
    let mut command = example(name);
    guarded(|| {
        let ended = run_to_end(command.args(arguments));
        let said = ended.stdout + &ended.stderr;
        assert_eq!(ended.code, Some(code), "{arguments:?}: {said}");
        assert!(said.contains(part) && !said.contains("panicked"), "{arguments:?}: {said}");
    });
}

pub(crate) fn id(number: u32) -> ObjectId {
    ObjectId::new(number).expect("not 0")
}

/// Returns a message in bytes, encoded without the encoder of the crate.
pub(crate) fn bytes_of(message: &Message) -> Vec<u8> {
    let mut bytes = message.object().get().to_ne_bytes().to_vec();
    let second = (message.len() as u32) << 16 | u32::from(message.opcode());
    bytes.extend(second.to_ne_bytes());
    bytes.extend_from_slice(message.arguments());
    bytes
}
