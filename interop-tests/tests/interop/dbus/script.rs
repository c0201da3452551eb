//! A program of another language at the other end, which does as `drive` or as `serve`.
//!
//! It prints what it sees: a line `ready` where it listens, and for descriptors `sent`, `came` or
//! `given` with their identities.

use std::path::Path;
use std::process::Command;

use anchovy_dbus::Addresses;
use interop_tests::{Directory, Program, Transcript, runtime};

use super::*;

/// Debian's modules belong to Debian's Python, whatever else is on PATH.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

/// A file of `scripts/`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Script(pub(crate) &'static str);

impl Script {
    /// The program, without arguments; it knows no session.
    pub(crate) fn command(self) -> Command {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/scripts");
        let mut command = bare(PYTHON);
        // Nothing is to be written beside the scripts, and nothing to be waiting in a buffer.
        command.args(["-B", "-u"]).arg(scripts.join(self.0));
        command
    }

    /// It calls us.
    pub(crate) fn calls_us(self, work: Work, transcript: &Transcript) {
        runtime().block_on(async {
            let directory = Directory::new();
            let listener = server().bind(&address_in(&directory, "socket")).expect("a directory");
            let mut command = self.command();
            command.args([&listener.address().to_string(), "-", work.word()]);
            let mut caller = Program::start(&mut command);
            let serving = async {
                let incoming = listener.accept().await.expect("a client");
                let mut us = incoming.handshake().await.expect("a good client");
                assert!(us.unix_fds(), "it asks for descriptors");
                serve(&mut us, transcript).await
            };
            let (served, said) = both(serving, &mut caller).await;
            assert_eq!(lines_of(&said, "sent"), written(&served.came));
            assert_eq!(lines_of(&said, "given"), written(&served.given));
        });
    }

    /// We call it.
    pub(crate) fn is_called(self, work: Work, transcript: &Transcript) {
        runtime().block_on(async {
            for (client, first) in LOGINS {
                let directory = Directory::new();
                let address = address_in(&directory, "socket");
                let mut command = self.command();
                command.arg(address.to_string());
                let mut called = Program::start(&mut command);
                assert_eq!(called.line().await, "ready");
                let mut us = client().connect(&address).await.expect("it listens");
                assert!(us.unix_fds(), "it agrees to descriptors");
                if let Some(first) = *first {
                    drive(&mut us, None, first, transcript).await;
                }
                let given = drive(&mut us, None, work, transcript).await;
                drop(us); // It ends with its client.
                let said = called.ended().await;
                assert_eq!(lines_of(&said, "given"), written(&given));
            }
        });
    }

    /// It calls `destination` at a bus.
    pub(crate) fn on_bus(self, bus: &Addresses, destination: &str, work: Work) -> Command {
        let mut command = self.command();
        command.args([&bus.to_string(), destination, work.word()]);
        command
    }
}

/// A command that finds no bus but those that it is told of.
pub(crate) fn bare(program: &str) -> Command {
    let mut command = Command::new(program);
    for variable in ["DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS", "XDG_RUNTIME_DIR"] {
        command.env_remove(variable);
    }
    command.stdin(std::process::Stdio::null());
    command
}

/// Does our part of the work while a program does its own, to the ends of both. A program that fails
/// ends it, even if we would wait for its first word for ever.
pub(crate) async fn both<T>(
    ours: impl Future<Output = T>,
    program: &mut Program,
) -> (T, Vec<String>) {
    let mut ours = std::pin::pin!(ours);
    tokio::select! {
        done = &mut ours => (done, program.ended().await),
        said = program.ended() => (ours.await, said),
    }
}

/// What a script printed behind this word, on all lines that begin with it.
pub(crate) fn lines_of(said: &[String], word: &str) -> String {
    let lines = said.iter().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' '));
    lines.collect::<Vec<_>>().join(" ")
}
