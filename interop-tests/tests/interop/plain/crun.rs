//! crun's console socket: it connects to us and sends the terminal of a container.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};

use anchovy::{AnchovyListener, AnchovyStream, cmsg_space};
use interop_tests::{Directory, Peer, Scenario, Transcript, runtime};
use rustix::io::Errno;
use rustix::termios::{Winsize, isatty, tcsetwinsize};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("the_terminal_of_a_container_is_received", a_terminal),
    Scenario::new("terminals_of_concurrent_containers_are_not_mixed", several_terminals),
    Scenario::new("a_container_that_does_not_start_sends_no_terminal", no_terminal),
];

/// The smallest stream: a console socket carries one descriptor.
const SPACE: usize = cmsg_space!(ScmRights(1));

/// Number of containers that run at the same time.
const CONTAINERS: u16 = 4;

/// Runs crun as root in its own mount namespace. If cgroups of both versions are mounted, crun
/// refuses to run; without those of version 2 it runs, and these containers need none.
const START: &str = "
if test -d /sys/fs/cgroup/unified; then mount -t tmpfs none /sys/fs/cgroup/unified; fi
exec crun --cgroup-manager=disabled --root \"$0/state\" run --bundle \"$0\" \\
    --console-socket \"$0/socket\" container";

/// A directory with a container, whose programs are those of this machine, and our socket.
struct Bundle {
    directory: Directory,
    listener: AnchovyListener<SPACE>,
}

impl Bundle {
    fn new(program: &str) -> Bundle {
        let directory = Directory::new();
        let root = directory.join("root");
        for name in ["", "dev", "proc", "usr"] {
            fs::create_dir(root.join(name)).expect("a new directory");
        }
        for name in ["bin", "lib", "lib64"] {
            symlink(format!("usr/{name}"), root.join(name)).expect("a new link");
        }
        let configuration = format!(
            r#"{{
                "ociVersion": "1.0.2",
                "process": {{
                    "terminal": true,
                    "user": {{ "uid": 0, "gid": 0 }},
                    "args": ["{program}", "-c", "read line; echo \"read $line\"; stty size"],
                    "env": ["PATH=/usr/bin"],
                    "cwd": "/"
                }},
                "root": {{ "path": "root", "readonly": true }},
                "mounts": [
                    {{ "destination": "/proc", "type": "proc", "source": "proc" }},
                    {{ "destination": "/dev", "type": "tmpfs", "source": "tmpfs" }},
                    {{
                        "destination": "/dev/pts", "type": "devpts", "source": "devpts",
                        "options": ["newinstance", "ptmxmode=0666", "mode=0620"]
                    }},
                    {{
                        "destination": "/usr", "type": "bind", "source": "/usr",
                        "options": ["rbind", "ro"]
                    }}
                ],
                "linux": {{ "namespaces": [{{ "type": "pid" }}, {{ "type": "mount" }}] }}
            }}"#
        );
        fs::write(directory.join("config.json"), configuration).expect("a file in our directory");
        let listener = AnchovyListener::bind(directory.join("socket")).expect("a new path");
        Bundle { directory, listener }
    }

    /// Starts the container, and returns crun and the console socket.
    async fn start(&self) -> (Peer, AnchovyStream<SPACE>) {
        let mut command = Command::new("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command.args(["--mount", "sh", "-e", "-c", START]).arg(self.directory.path());
        let crun = Peer::start_recorded(command.stdin(Stdio::null()));
        let (stream, _) = self.listener.accept().await.expect("crun connects");
        (crun, stream)
    }
}

/// Receives a terminal: one descriptor with bytes that have no meaning.
async fn receive(mut stream: AnchovyStream<SPACE>) -> File {
    let received = stream.recv(&mut [0; 4096]).await.expect("a terminal");
    assert!(received.bytes > 0);
    assert_eq!(received.fds, 1);
    let fds: Vec<OwnedFd> = stream.read_queue_mut().drain(..).collect();
    crate::dbus::see_close_on_exec(&fds);
    let terminal = fds.into_iter().next().expect("one of them");
    assert!(isatty(&terminal));
    File::from(terminal)
}

/// Uses a terminal until its container ends, and returns the output with the echo of the input.
fn converse(mut terminal: File, rows: u16, line: &str) -> String {
    let size = Winsize { ws_row: rows, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&terminal, size).expect("a terminal");
    terminal.write_all(line.as_bytes()).expect("the container is there");
    let (mut output, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        match terminal.read(&mut chunk) {
            Ok(count) => output.extend_from_slice(&chunk[..count]),
            // So a terminal says that nothing has its other end open.
            Err(error) if Errno::from_io_error(&error) == Some(Errno::IO) => break,
            Err(error) => panic!("the terminal cannot be read: {error}"),
        }
    }
    String::from_utf8(output).expect("text")
}

fn a_terminal(transcript: &Transcript) {
    runtime().block_on(async {
        let bundle = Bundle::new("sh");
        let (mut crun, stream) = bundle.start().await;
        let terminal = receive(stream).await;
        transcript.note("we < a terminal");
        for line in converse(terminal, 40, "a line\n").lines() {
            transcript.note(format!("terminal < {line}"));
        }
        assert!(crun.wait().success(), "{}", crun.stderr());
    });
}

fn several_terminals(transcript: &Transcript) {
    runtime().block_on(async {
        let mut containers = Vec::new();
        for _ in 0..CONTAINERS {
            let bundle = Bundle::new("sh");
            let (crun, stream) = bundle.start().await;
            containers.push((receive(stream).await, crun, bundle));
        }
        // The last one first, so that the order of use is not that of arrival.
        for (rows, (terminal, mut crun, _bundle)) in (1..=CONTAINERS).zip(containers).rev() {
            let output = converse(terminal, rows, &format!("line {rows}\n"));
            assert_eq!(output, format!("line {rows}\r\nread line {rows}\r\n{rows} 100\r\n"));
            assert!(crun.wait().success(), "{}", crun.stderr());
        }
        transcript.note(format!("{CONTAINERS} containers: each had its own terminal"));
    });
}

fn no_terminal(transcript: &Transcript) {
    runtime().block_on(async {
        let bundle = Bundle::new("there-is-no-such-program");
        let (mut crun, mut stream) = bundle.start().await;
        let received = stream.recv(&mut [0; 4096]).await.expect("the end");
        transcript.note(format!("we < {} bytes, {} descriptors", received.bytes, received.fds));
        assert!(stream.read_queue().is_empty());
        assert_eq!(crun.wait().code(), Some(1));
        assert!(crun.stderr().contains("there-is-no-such-program"), "{}", crun.stderr());
    });
}
