//! What a spy does whatever it spies on: it starts a command, if there is one, serves each client that connects
//! until that ends or a signal comes, and prints lines.

use std::error::Error;
use std::fs::Permissions;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

/// How long the rest of what a command had to say may take after its end.
const REST: Duration = Duration::from_secs(1);

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The command, if there is one, and the signals that end what has none.
pub(crate) struct Spied {
    command: Option<Child>,
    terminate: Signal,
    interrupt: Signal,
}

impl Spied {
    /// No command yet. From here on, a signal ends nothing by itself.
    pub(crate) fn new() -> Result<Spied> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Spied { command: None, terminate, interrupt })
    }

    /// Starts the command; if it cannot be, says why, in the name of this spy, and returns with what
    /// the spy is to end.
    pub(crate) fn start(
        &mut self,
        spy: &str,
        mut command: Command,
    ) -> std::result::Result<(), ExitCode> {
        match command.spawn() {
            Ok(child) => {
                self.command = Some(child);
                Ok(())
            }
            Err(error) => {
                let program = command.as_std().get_program().to_string_lossy();
                eprintln!("{spy}: {program}: {error}");
                // As a shell has it: not found, or found and no program.
                let found = error.kind() != ErrorKind::NotFound;
                Err(ExitCode::from(if found { 126 } else { 127 }))
            }
        }
    }

    /// Where lines go: not among what a command prints.
    pub(crate) fn output(&self) -> Output {
        if self.command.is_some() { Output::Stderr } else { Output::Stdout }
    }

    /// Serves clients, each in a task with its number, until the command ends, or without one until a
    /// signal comes; returns with what the spy is to end.
    pub(crate) async fn serve<C, F>(
        mut self,
        accept: impl AsyncFn() -> Result<C>,
        spy_on: impl Fn(C, u64) -> F,
    ) -> Result<ExitCode>
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        let output = self.output();
        let mut clients = JoinSet::new();
        for number in 1_u64.. {
            let client = loop {
                tokio::select! {
                    client = accept() => break client?,
                    Some(_) = clients.join_next() => {}
                    status = ended(&mut self.command) => {
                        // What it sent before it ended may still be on its way through us. What it
                        // has left running is given up.
                        let rest = async { while clients.join_next().await.is_some() {} };
                        let _ = tokio::time::timeout(REST, rest).await;
                        return Ok(as_exit_code(status?));
                    }
                    _ = self.terminate.recv() => match &self.command {
                        Some(command) => terminate(command),
                        None => return Ok(ExitCode::SUCCESS),
                    },
                    // From a terminal, the command has it too, and decides.
                    _ = self.interrupt.recv() => if self.command.is_none() {
                        return Ok(ExitCode::SUCCESS);
                    },
                }
            };
            let spying = spy_on(client, number);
            clients.spawn(async move {
                output.say(format_args!("{number} connects"));
                match spying.await {
                    Ok(()) => output.say(format_args!("{number} is gone")),
                    Err(error) => output.say(format_args!("{number} is cut off: {error}")),
                }
            });
        }
        Err("nobody spies for so long".into())
    }
}

/// Waits for the end of the command, if there is one.
async fn ended(command: &mut Option<Child>) -> std::io::Result<ExitStatus> {
    match command {
        Some(command) => command.wait().await,
        None => std::future::pending().await,
    }
}

fn terminate(command: &Child) {
    // It has a number for as long as nobody has waited for it, so this is no other process.
    let number = command.id().and_then(|number| Pid::from_raw(number.try_into().ok()?));
    if let Some(number) = number {
        let _ = kill_process(number, rustix::process::Signal::TERM);
    }
}

/// Of a process that a signal ended, a shell says 128 and the number of the signal.
fn as_exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// Where lines go.
#[derive(Clone, Copy)]
pub(crate) enum Output {
    Stdout,
    Stderr,
}

impl Output {
    /// Prints a line at once, whole. That nobody reads it any more is no reason to end.
    pub(crate) fn say(self, line: std::fmt::Arguments<'_>) {
        let line = format!("{line}\n");
        let _ = match self {
            Output::Stdout => std::io::stdout().lock().write_all(line.as_bytes()),
            Output::Stderr => std::io::stderr().lock().write_all(line.as_bytes()),
        };
    }
}

/// A directory for the socket of this spy, that nobody else may enter. It goes when it is dropped.
pub(crate) fn private_directory(spy: &str) -> Result<TempDir> {
    let mode = Permissions::from_mode(0o700);
    Ok(tempfile::Builder::new().prefix(spy).permissions(mode).tempdir()?)
}

/// Returns whether the peer has closed the connection, even with unread bytes.
pub(crate) fn is_gone(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}
