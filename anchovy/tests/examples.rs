//! Tests that run the examples and check their output.
//!
//! An example consists of several processes, so it runs in its own process group with a watchdog.
//! If it hangs, all of its processes are killed, and the failure contains its output.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

/// Timeout of an example, which runs for a fraction of a second.
const RUN: Duration = Duration::from_secs(120);

/// Timeout of a build, which is usually complete but may wait for other builds.
const BUILD: Duration = Duration::from_secs(600);

#[test]
fn a_process_reads_files_that_it_has_no_permission_to_open() {
    let printed = output_of("pass_fd");

    let [parent, child] = ["parent", "child"].map(|role| process_number(&printed, role));
    assert_ne!(parent, child, "two processes\n{printed}");

    let in_file = format!("process {parent} wrote this and removed the path");
    let in_memory = format!("process {parent} wrote this to memory");
    let lines = [
        format!("child {child}: the file without a path contains: {in_file}\n"),
        format!("child {child}: the memfd contains: {in_memory}\n"),
        format!(
            "parent {parent}: received from the pipe: \
             process {child} read \"{in_file}\" and \"{in_memory}\"\n"
        ),
    ];
    for line in lines {
        assert!(printed.contains(&line), "the output has no {line:?}\n{printed}");
    }

    let [sent, received] = ["parent", "child"].map(|role| descriptors(&printed, role));
    assert_eq!(sent.len(), 3, "three descriptors\n{printed}");
    assert_eq!(sent, received, "the same files on both sides, in the same order\n{printed}");
}

#[test]
fn a_busy_server_is_replaced_without_losing_a_connection() {
    let printed = output_of("handoff");

    let waiting = printed.lines().find_map(|line| line.strip_suffix(" connections in the backlog"));
    let waiting = waiting.and_then(|line| line.rsplit(' ').next());
    assert!(number(waiting) > 0, "connections waited when the socket was handed over\n{printed}");

    // "N connections, 0 lost: N served by generation 1 (pid N), N by generation 2 (pid N)"
    let summary = printed.lines().last().unwrap_or_default();
    let words: Vec<_> = summary.split(|c: char| !c.is_alphanumeric()).collect();
    let numbers: Vec<u64> = words.iter().filter_map(|word| word.parse().ok()).collect();
    let [total, lost, by_first, 1, first, by_second, 2, second] = numbers[..] else {
        panic!("no summary of two generations\n{printed}");
    };
    assert_eq!(lost, 0, "nothing was lost\n{printed}");
    assert_eq!(total, by_first + by_second, "every connection was served once\n{printed}");
    assert!(by_first >= 400 && by_second >= 600, "both generations served\n{printed}");
    assert_ne!(first, second, "two processes\n{printed}");
}

#[test]
#[cfg(feature = "codec")]
fn a_custom_protocol_keeps_descriptors_with_their_calls() {
    let printed = output_of("calls");
    for line in [
        "client: received the line counts [2,3]\n",
        "client: read \"written by the server\" from the pipe\n",
        "client: kept 5 descriptors that were not sent: a frame has 5 descriptors, limit is 4",
    ] {
        assert!(printed.contains(line), "the output has no {line:?}\n{printed}");
    }
}

#[test]
#[cfg(feature = "codec")]
fn a_child_uses_the_file_and_the_listener_of_one_json_message() {
    let printed = output_of("json_with_fds");
    let mut lines: Vec<_> = printed.lines().collect();
    lines.sort_unstable();
    let expected = [
        r#"child: received the request {"actions":["read","accept"]}"#,
        "parent: received over TCP: hello",
        r#"parent: received the reply {"file":"written by the parent"}"#,
    ];
    assert_eq!(lines, expected);
}

#[test]
fn the_first_program_with_frames_has_at_most_ninety_lines() {
    let program = include_str!("../examples/json_with_fds.rs");
    let lines = program.lines().filter(|line| !line.trim().is_empty()).count();
    assert!(lines <= 90, "{lines} lines that are not blank");
}

/// Runs an example, which must succeed, and returns its output.
fn output_of(example: &str) -> String {
    // The build is not part of the measured time.
    let built = watched(cargo("build", example), example, BUILD);
    assert!(built.status.success(), "{example} does not build: {}", text(&built.stderr));

    let output = watched(cargo("run", example), example, RUN);
    let printed = text(&output.stdout);
    let status = output.status;
    assert!(status.success(), "{example} failed: {status}\n{printed}{}", text(&output.stderr));
    printed
}

/// Returns a cargo command with the target directory, the profile and the features of this test,
/// so that existing builds are reused.
fn cargo(verb: &str, example: &str) -> Command {
    let test = std::env::current_exe().expect("the path of this test");
    let profile = ancestor(&test, 2); // target/debug of target/debug/deps/examples-0123456789abcdef
    let name = match profile.file_name().and_then(OsStr::to_str).expect("a profile") {
        "debug" => "dev",
        name => name,
    };

    let mut command = Command::new(env!("CARGO"));
    command.args([verb, "--quiet", "--package", "anchovy", "--example", example]);
    command.args(["--profile", name]).arg("--target-dir").arg(ancestor(&test, 3));
    for (feature, present) in
        [("codec", cfg!(feature = "codec")), ("tracing", cfg!(feature = "tracing"))]
    {
        if present {
            command.args(["--features", feature]);
        }
    }
    command
}

fn ancestor(path: &Path, levels: usize) -> &Path {
    path.ancestors().nth(levels).expect("cargo puts tests three levels deep")
}

/// Runs a command until it ends or reaches the time limit.
fn watched(mut command: Command, example: &str, limit: Duration) -> Output {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.process_group(0).spawn().expect("cargo starts");
    let group = Pid::from_child(&child);

    let (ended, end) = mpsc::channel();
    thread::spawn(move || ended.send(child.wait_with_output()));
    if let Ok(output) = end.recv_timeout(limit) {
        return output.expect("the output of a process");
    }

    kill_process_group(group, Signal::KILL).expect("a group that has not ended");
    let output = end.recv().expect("an end").expect("the output of a process");
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    panic!("{example} did not end within {limit:?}, but was at\n{stdout}{stderr}");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn number(word: Option<&str>) -> u64 {
    word.and_then(|word| word.parse().ok()).unwrap_or_default()
}

/// Returns the process id before the output of the process with this role.
fn process_number(printed: &str, role: &str) -> u64 {
    let words = printed.lines().find_map(|line| line.strip_prefix(role)?.strip_prefix(' '));
    let number = number(words.and_then(|words| words.split(':').next()));
    assert_ne!(number, 0, "{role} printed nothing\n{printed}");
    number
}

/// Returns the descriptors that the process with this role printed, without their numbers.
fn descriptors<'a>(printed: &'a str, role: &str) -> Vec<&'a str> {
    let lines = printed.lines().filter(|line| line.starts_with(role));
    lines
        .filter_map(|line| Some(line.split_once("  descriptor ")?.1.split_once(" is ")?.1))
        .collect()
}
