//! The part of a spy that does not depend on the protocol. It starts the command, if there is one, and serves
//! clients until the command ends or a signal arrives.

use std::error::Error;
use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use rustix::process::{Pid, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

mod color;
mod output;

pub(crate) use color::{Color, Role};
pub(crate) use output::{Output, OutputOptions, Record, Side};

/// Maximum time for forwarding the last messages of a command after it has ended.
const REST: Duration = Duration::from_secs(1);

pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// The command, if there is one, and the signals that end a spy without a command.
pub(crate) struct Spied {
    command: Option<Child>,
    terminate: Signal,
    interrupt: Signal,
}

impl Spied {
    /// Creates a spy without a command. From now on, SIGINT and SIGTERM no longer end the process.
    pub(crate) fn new() -> Result<Spied> {
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        Ok(Spied { command: None, terminate, interrupt })
    }

    /// Starts the command. If that fails, prints the reason with the name of the spy, and returns the
    /// exit code of the spy.
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
                // The exit codes of a shell: 127 if there is no such file, 126 if it cannot be executed.
                let found = error.kind() != ErrorKind::NotFound;
                Err(ExitCode::from(if found { 126 } else { 127 }))
            }
        }
    }

    /// Serves each client in its own task, until the command ends or, without a command, a signal
    /// arrives. `spy_on` forwards the messages of a client, and returns which side closed the connection.
    /// Returns the exit code of the spy.
    pub(crate) async fn serve<C, F>(
        mut self,
        output: Output,
        accept: impl AsyncFn() -> Result<C>,
        spy_on: impl Fn(C, u64) -> F,
    ) -> Result<ExitCode>
    where
        F: Future<Output = Result<Side>> + Send + 'static,
    {
        let mut clients = JoinSet::new();
        for number in 1_u64.. {
            let client = loop {
                tokio::select! {
                    client = accept() => break client?,
                    Some(_) = clients.join_next() => {}
                    status = ended(&mut self.command) => {
                        // Messages that it sent before it ended may not have been forwarded yet.
                        // Programs that it has left running are disconnected.
                        let rest = async { while clients.join_next().await.is_some() {} };
                        let _ = tokio::time::timeout(REST, rest).await;
                        return Ok(as_exit_code(status?));
                    }
                    _ = self.terminate.recv() => match &self.command {
                        Some(command) => terminate(command),
                        None => return Ok(ExitCode::SUCCESS),
                    },
                    // A terminal sends SIGINT to the command too, which decides whether to end.
                    _ = self.interrupt.recv() => if self.command.is_none() {
                        return Ok(ExitCode::SUCCESS);
                    },
                }
            };
            let spying = spy_on(client, number);
            let output = output.clone();
            clients.spawn(async move {
                output.connected(number);
                match spying.await {
                    Ok(side) => output.closed(number, side),
                    Err(error) => output.failed(number, &error.to_string()),
                }
            });
        }
        Err("all numbers of clients are used".into())
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
    // The command has its id until it has been waited for, so the signal reaches no other process.
    let number = command.id().and_then(|number| Pid::from_raw(number.try_into().ok()?));
    if let Some(number) = number {
        let _ = kill_process(number, rustix::process::Signal::TERM);
    }
}

/// Returns the exit code of a shell: for a process that a signal ended, 128 and the number of the signal.
fn as_exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}

/// Creates a directory for the socket of a spy, which only this user can enter. Dropping the value
/// removes the directory.
pub(crate) fn private_directory(spy: &str) -> Result<TempDir> {
    let mode = Permissions::from_mode(0o700);
    Ok(tempfile::Builder::new().prefix(spy).permissions(mode).tempdir()?)
}

/// Returns whether the peer has closed the connection, even with unread bytes.
pub(crate) fn is_closed(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}
