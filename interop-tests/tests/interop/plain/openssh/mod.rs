//! OpenSSH's ControlMaster: descriptors beside a binary protocol.
//!
//! An `ssh` that finds a master sends its standard streams to the master and waits for the exit
//! status. These scenarios are such a client of a real master, and such a master of a real client.

mod master;
mod mux;

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;

use anchovy::AnchovyListener;
use interop_tests::{Directory, Program, Scenario, Transcript, identity, memfd, pipe, runtime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe::{Receiver, Sender};

use master::{Master, client};
use mux::{Fields, Message, Mux};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("a_command_uses_the_descriptors_that_its_master_received", we_are_a_client),
    Scenario::new("descriptors_of_concurrent_sessions_are_not_mixed", we_are_clients),
    Scenario::new("a_client_sends_its_standard_streams_to_our_master", we_are_a_master),
];

/// A session at a real master, whose standard streams are pipes.
struct Session {
    mux: Mux,
    id: u32,
    stdin: Sender,
    stdout: Receiver,
    stderr: Receiver,
}

impl Session {
    /// Runs a command on three pipes.
    async fn open(master: &Master, request: u32, command: &str) -> Session {
        let mut mux = Mux::connect(&master.socket()).await;
        // No terminal, X11, agent or subsystem, and no escape character.
        let message = Message::new(mux::NEW_SESSION).int(request).text("").int(0).int(0).int(0);
        mux.send(message.int(0).int(u32::MAX).text("").text(command)).await;
        let [(stdin, our_stdin), (our_stdout, stdout), (our_stderr, stderr)] =
            [pipe(), pipe(), pipe()];
        for fd in [stdin, stdout, stderr] {
            mux.send_fd(fd).await;
        }
        let mut opened = mux.receive(mux::SESSION_OPENED).await;
        assert_eq!(opened.int(), request);
        let receiver = |fd| Receiver::from_owned_fd(fd).expect("a pipe");
        let stdin = Sender::from_owned_fd(our_stdin).expect("a pipe");
        let (stdout, stderr) = (receiver(our_stdout), receiver(our_stderr));
        Session { mux, id: opened.int(), stdin, stdout, stderr }
    }

    /// Writes the input of the command, and returns its output, its errors and its exit status.
    ///
    /// The outputs end only when the master has closed the descriptors that it received.
    async fn finish(mut self, input: &str) -> (String, String, u32) {
        self.stdin.write_all(input.as_bytes()).await.expect("the command reads");
        drop(self.stdin);
        let (mut output, mut errors) = (String::new(), String::new());
        self.stdout.read_to_string(&mut output).await.expect("text");
        self.stderr.read_to_string(&mut errors).await.expect("text");
        let mut exit = self.mux.receive(mux::EXIT_MESSAGE).await;
        assert_eq!(exit.int(), self.id);
        let status = exit.int();
        self.mux.ended().await;
        (output, errors, status)
    }
}

fn we_are_a_client(transcript: &Transcript) {
    runtime().block_on(async {
        let master = Master::start().await;
        let mut mux = Mux::connect(&master.socket()).await;
        mux.send(Message::new(mux::ALIVE_CHECK).int(7)).await;
        let mut alive = mux.receive(mux::ALIVE).await;
        assert_eq!(alive.int(), 7);
        assert_eq!(Some(alive.int() as i32), mux.peer_pid(), "ssh itself answers");
        transcript.note("we < alive");

        let command = "read line; echo \"read $line\"; echo complained >&2; exit 3";
        let session = Session::open(&master, 8, command).await;
        transcript.note("we > new session, 3 descriptors");
        let (output, errors, status) = session.finish("a line\n").await;
        transcript.note(format!("stdout < {}", output.trim_end()));
        transcript.note(format!("stderr < {}", errors.trim_end()));
        transcript.note(format!("we < exit {status}"));
    });
}

/// Number of sessions that are open at the same time: the maximum of a server, by default.
const SESSIONS: u32 = 10;

fn we_are_clients(transcript: &Transcript) {
    runtime().block_on(async {
        let master = Master::start().await;
        let mut sessions = Vec::new();
        for number in 0..SESSIONS {
            let command = format!("cat; echo errors of {number} >&2; exit {number}");
            sessions.push(Session::open(&master, number, &command).await);
        }
        // The last one first, so that the order of the outputs is not that of the descriptors.
        for (number, session) in (0..SESSIONS).zip(sessions).rev() {
            let input = format!("input of {number}");
            let (output, errors, status) = session.finish(&input).await;
            let expected = format!("errors of {number}\n");
            assert_eq!((output, errors, status), (input, expected, number));
        }
        transcript.note(format!("{SESSIONS} sessions with 3 descriptors: each got its own"));
    });
}

fn we_are_a_master(transcript: &Transcript) {
    runtime().block_on(async {
        let directory = Directory::new();
        let listener = AnchovyListener::bind(directory.join("socket")).expect("a new path");
        let mut stdin = File::from(memfd());
        stdin.write_all(b"a line").expect("a file");
        stdin.rewind().expect("a file");
        let mut stderr = File::from(memfd());
        let streams = [identity(&stdin), identity(&stderr)];
        let mut command = client(&directory.join("socket"), "do it");
        command.stdin(stdin).stderr(stderr.try_clone().expect("room for a descriptor"));
        let mut program = Program::start(&mut command);
        // Otherwise the command would keep the files open.
        drop(command);

        let (stream, _) = listener.accept().await.expect("a client");
        let mut mux = Mux::new(stream).await;
        let request = mux.receive(mux::ALIVE_CHECK).await.int();
        mux.send(Message::new(mux::ALIVE).int(request).int(std::process::id())).await;
        let mut session = mux.receive(mux::NEW_SESSION).await;
        let request = session.int();
        transcript.note(format!("we < new session: {}", command_of(&mut session)));
        let mut fds: Vec<OwnedFd> = Vec::new();
        for _ in 0..3 {
            fds.push(mux.receive_fd().await);
        }
        crate::dbus::see_close_on_exec(&fds);
        let [input, output, errors] = <[OwnedFd; 3]>::try_from(fds).expect("three of them");
        assert_eq!([identity(&input), identity(&errors)], streams);
        transcript.note("we < 3 descriptors");
        mux.send(Message::new(mux::SESSION_OPENED).int(request).int(1)).await;

        let mut line = String::new();
        File::from(input).read_to_string(&mut line).expect("text");
        transcript.note(format!("stdin < {line}"));
        writeln!(File::from(output), "from our master").expect("a pipe");
        writeln!(File::from(errors), "complaint").expect("a file");
        assert_eq!(program.line().await, "from our master");
        mux.send(Message::new(mux::EXIT_MESSAGE).int(1).int(0)).await;
        // The client waits for the end of the connection.
        drop(mux);
        assert!(program.ended().await.is_empty());
        stderr.rewind().expect("a file");
        let mut complaint = String::new();
        stderr.read_to_string(&mut complaint).expect("text");
        assert_eq!(complaint, "complaint\n");
        transcript.note("it ended with 0");
    });
}

/// Returns the command of a request for a session, after the number of the request.
fn command_of(session: &mut Fields) -> String {
    assert_eq!(session.text(), "", "a reserved field");
    // Terminal, X11, agent, subsystem and escape character.
    for _ in 0..5 {
        session.int();
    }
    session.text(); // The name of the terminal.
    session.text()
}
