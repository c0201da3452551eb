//! QEMU's monitor protocol: commands in JSON, some of which use the descriptor that came with them.

use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use anchovy::{AnchovyListener, AnchovyStream, cmsg_space};
use interop_tests::{
    Directory, Identity, Peer, Scenario, Transcript, identity, is_abandoned, memfd, pipe, runtime,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe::Receiver;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("each_descriptor_is_added_to_the_set_of_its_command", added_to_sets),
    Scenario::new("a_named_descriptor_is_open_until_it_is_closed", named),
    Scenario::new("a_machine_writes_its_state_to_a_descriptor", used),
];

/// The smallest stream: a command uses one descriptor.
type Stream = AnchovyStream<{ cmsg_space!(ScmRights(1)) }>;

/// Number of descriptor sets that a machine gets.
const SETS: u32 = 40;

/// A machine without hardware that is connected to this process.
struct Machine {
    monitor: BufReader<Stream>,
    qemu: Peer,
    _directory: Directory,
}

impl Machine {
    /// Starts QEMU, which connects to a socket of ours.
    async fn start() -> Machine {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = AnchovyListener::bind(&path).expect("a new path");
        let mut command = Command::new("qemu-system-x86_64-microvm");
        // The accelerator of QEMU's own tests runs nothing. The other one needs /dev/kvm.
        command.args(["-accel", "qtest"]);
        command.args(["-machine", "none", "-nodefaults", "-no-user-config", "-display", "none"]);
        command.args(["-chardev", &format!("socket,id=monitor,path={}", path.display())]);
        command.args(["-mon", "chardev=monitor,mode=control"]).stdin(Stdio::null());
        let qemu = Peer::start_recorded(&mut command);
        let (stream, _) = listener.accept().await.expect("QEMU connects");
        let monitor = BufReader::new(stream);
        let mut machine = Machine { monitor, qemu, _directory: directory };
        assert!(machine.line().await.starts_with("{\"QMP\""));
        machine.call("{'execute': 'qmp_capabilities'}").await;
        machine
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        self.monitor.read_line(&mut line).await.expect("text");
        assert!(line.ends_with('\n'), "it ended: {}", self.qemu.stderr());
        line.trim_end().to_owned()
    }

    /// Sends a command with the descriptors in the write queue, and returns the reply.
    async fn call(&mut self, command: &str) -> String {
        self.monitor.write_all(command.as_bytes()).await.expect("QEMU reads");
        loop {
            let line = self.line().await;
            // Other lines are events.
            if line.starts_with("{\"return\"") || line.starts_with("{\"error\"") {
                return line;
            }
        }
    }

    /// Sends a command with a descriptor, and returns the reply.
    async fn call_with(&mut self, command: &str, fd: OwnedFd) -> String {
        self.monitor.get_mut().write_queue_mut().push_back(fd);
        let reply = self.call(command).await;
        assert!(self.monitor.get_ref().write_queue().is_empty());
        reply
    }

    /// Returns the identity of an open file of QEMU.
    fn identity(&self, fd: u32) -> Identity {
        let path = format!("/proc/{}/fd/{fd}", self.qemu.id());
        let file = std::fs::metadata(path).expect("an open descriptor");
        (file.dev(), file.ino())
    }

    async fn end(mut self) {
        self.call("{'execute': 'quit'}").await;
        assert!(self.qemu.wait().success(), "{}", self.qemu.stderr());
    }
}

/// Returns the number after this key.
fn number(reply: &str, key: &str) -> u32 {
    let (_, rest) = reply.split_once(&format!("\"{key}\": ")).expect("the key");
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

fn added_to_sets(transcript: &Transcript) {
    runtime().block_on(async {
        let mut machine = Machine::start().await;
        let add = |set| format!("{{'execute': 'add-fd', 'arguments': {{'fdset-id': {set}}}}}");
        for set in 0..SETS {
            let fd = memfd();
            let expected = identity(&fd);
            let reply = machine.call_with(&add(set), fd).await;
            assert_eq!(number(&reply, "fdset-id"), set);
            assert_eq!(machine.identity(number(&reply, "fd")), expected);
            // A descriptor never stays for the next command.
            let reply = machine.call(&add(set)).await;
            assert!(reply.contains("No file descriptor supplied"), "{reply}");
        }
        transcript.note(format!("we > {SETS} descriptors, each in a set of its own"));
        machine.end().await;
    });
}

fn named(transcript: &Transcript) {
    runtime().block_on(async {
        let mut machine = Machine::start().await;
        let (reader, writer) = pipe();
        let name = "'arguments': {'fdname': 'ours'}";
        let get = format!("{{'execute': 'getfd', {name}}}");
        let reply = machine.call_with(&get, writer).await;
        transcript.note(format!("getfd < {reply}"));
        assert!(!is_abandoned(&reader), "QEMU keeps it open");
        let reply = machine.call(&format!("{{'execute': 'closefd', {name}}}")).await;
        transcript.note(format!("closefd < {reply}"));
        assert!(is_abandoned(&reader), "nobody else has it open");
        machine.end().await;
    });
}

fn used(transcript: &Transcript) {
    runtime().block_on(async {
        let mut machine = Machine::start().await;
        let (reader, writer) = pipe();
        let get = "{'execute': 'getfd', 'arguments': {'fdname': 'ours'}}";
        machine.call_with(get, writer).await;
        let reply = machine.call("{'execute': 'migrate', 'arguments': {'uri': 'fd:ours'}}").await;
        transcript.note(format!("migrate < {reply}"));
        let mut state = Vec::new();
        let mut reader = Receiver::from_owned_fd(reader).expect("a pipe");
        reader.read_to_end(&mut state).await.expect("the state");
        let magic = String::from_utf8_lossy(&state[..4]).into_owned();
        transcript.note(format!("descriptor < {magic}"));
        machine.end().await;
    });
}
