//! A peer in another language, which does the same as `drive` or `serve`.
//!
//! It prints a line `ready` when it listens, and the identities of descriptors after `sent`,
//! `came` or `given`.

use std::path::Path;
use std::process::Command;

use anchovy_dbus::Addresses;
use interop_tests::{Directory, Program, Transcript, runtime};

use super::*;

/// The Python of Debian, which has Debian's modules. Another one may be first on PATH.
pub(crate) const PYTHON: &str = "/usr/bin/python3";

/// A file in `scripts/`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Script(pub(crate) &'static str);

impl Script {
    /// Returns a command for the script, without arguments and without a session.
    pub(crate) fn command(self) -> Command {
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/scripts");
        let mut command = bare(PYTHON);
        // No bytecode is written beside the scripts, and the output is not buffered.
        command.args(["-B", "-u"]).arg(scripts.join(self.0));
        command
    }

    /// Runs the script as a caller.
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

    /// Runs the script as a service.
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

    /// Returns a command that calls `destination` on a bus, and does works one after another.
    pub(crate) fn on_bus(self, bus: &Addresses, destination: &str, works: &[Work]) -> Command {
        let mut command = self.command();
        let words: Vec<_> = works.iter().map(|work| work.word()).collect();
        command.args([&bus.to_string(), destination, &words.join("+")]);
        command
    }
}

/// Returns a command that has no address of another bus.
pub(crate) fn bare(program: &str) -> Command {
    let mut command = Command::new(program);
    for variable in ["DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS", "XDG_RUNTIME_DIR"] {
        command.env_remove(variable);
    }
    command.stdin(std::process::Stdio::null());
    command
}

/// Runs a future and a program until both have ended. If the program fails, this fails at once.
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

/// Returns the rest of each line that a script printed and that begins with this word.
pub(crate) fn lines_of(said: &[String], word: &str) -> String {
    let lines = said.iter().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' '));
    lines.collect::<Vec<_>>().join(" ")
}
