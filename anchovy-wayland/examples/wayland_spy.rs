//! What a program says to its compositor, and what the compositor says to it: a proxy that changes
//! nothing and shows everything, for each descriptor also what it is open on.
//!
//! ```text
//! cargo run -p anchovy-wayland --example wayland_spy -- -- foot
//! cargo run -p anchovy-wayland --example wayland_spy -- --display wayland-1 --socket wayland-9
//! ```
//!
//! To the compositor, the spy is the client: what it asks the kernel about its client (user, group,
//! process) is so of the spy.

use std::error::Error;
use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anchovy_wayland::{
    Connection, Connector, Limits, Listener, ObjectId, ReadHalf, ReceiveError, SendError,
    SendFault, Signatures, WriteHalf, without_inherited_socket,
};
use rustix::process::{Pid, kill_process};
use rustix::rand::GetRandomFlags;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

mod describe;
mod objects;
mod protocols;

use objects::{Followed, Objects, Side};

const HELP: &str = "\
Usage: wayland_spy [--display NAME] [--socket NAME] [-- COMMAND...]

Stands between programs and a compositor, and prints every message.

  --display NAME   the compositor; if this is not said, the one that WAYLAND_DISPLAY names
  --socket NAME    where programs connect; in a private directory if this is not said
  -- COMMAND...    starts COMMAND with WAYLAND_DISPLAY set to the spy, prints to stderr, and ends
                   as COMMAND does

A NAME is that of a socket in XDG_RUNTIME_DIR, or an absolute path. Without COMMAND, it prints the
path where it listens and then the messages to stdout, until SIGINT or SIGTERM.

A message does not say how many descriptors it has: that is in protocol files. The spy has those of
Wayland, wayland-protocols, wlr-protocols, plasma-wayland-protocols and some others. Of an interface
that is in none of them it knows at best which requests and events have descriptors, and nothing of
the objects that it makes; it says so, and if one of these has descriptors after all, they are given
to later messages.";

/// How long the rest of what a command had to say may take after its end.
const REST: Duration = Duration::from_secs(1);

/// How long to wait for descriptors to be received that are under way.
const AGAIN: Duration = Duration::from_millis(10);

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

struct Arguments {
    compositor: Connector,
    socket: Option<PathBuf>,
    command: Vec<OsString>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = match arguments() {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(error) => {
            eprintln!("wayland_spy: {error}");
            return ExitCode::from(2);
        }
    };
    match run(arguments).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("wayland_spy: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What the command line says; `None` if it asks for help.
fn arguments() -> Result<Option<Arguments>> {
    // A socket that was inherited is good for one client, and there may be many.
    let mut compositor = Connector::new().without_inherited();
    let (mut socket, mut command) = (None, Vec::new());
    let mut words = std::env::args_os().skip(1);
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--help" | "-h") => return Ok(None),
            Some("--display") => {
                compositor = compositor.display(words.next().ok_or("--display needs a name")?);
            }
            Some("--socket") => {
                socket = Some(words.next().ok_or("--socket needs a name")?.into());
            }
            Some("--") => {
                command.extend(words.by_ref());
                if command.is_empty() {
                    return Err(format!("a command is missing behind --\n\n{HELP}").into());
                }
            }
            _ => {
                let word = word.to_string_lossy();
                return Err(format!("there is no option {word}\n\n{HELP}").into());
            }
        }
    }
    Ok(Some(Arguments { compositor, socket, command }))
}

async fn run(arguments: Arguments) -> Result<ExitCode> {
    let Arguments { compositor, socket, command } = arguments;
    // Tried beforehand: who has no compositor should know it now, and not by its first client.
    drop(compositor.connect().await?);

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let directory = if socket.is_none() { Some(Directory::new()?) } else { None };
    let listener = match (&directory, socket) {
        (Some(directory), _) => Listener::bind(directory.0.join("wayland-0"))?,
        (None, socket) => Listener::bind(socket.expect("without a directory there is a name"))?,
    };
    let path = listener.path().expect("it was bound to one").to_owned();

    let mut child = None;
    if let Some((program, arguments)) = command.split_first() {
        match start(program, arguments, &path) {
            Ok(started) => child = Some(started),
            Err(error) => {
                eprintln!("wayland_spy: {}: {error}", program.to_string_lossy());
                // As a shell has it: not found, or found and no program.
                let found = error.kind() != ErrorKind::NotFound;
                return Ok(ExitCode::from(if found { 126 } else { 127 }));
            }
        }
    }
    let output = if child.is_some() { Output::Stderr } else { Output::Stdout };
    if child.is_none() {
        output.say(format_args!("{}", path.display()));
    }

    let compositor = Arc::new(compositor);
    let mut clients = JoinSet::new();
    for number in 1_u64.. {
        let client = loop {
            tokio::select! {
                client = listener.accept() => break client?.0,
                Some(_) = clients.join_next() => {}
                status = ended(&mut child) => {
                    // What it sent before it ended may still be on its way through us. What it has
                    // left running is given up.
                    let rest = async { while clients.join_next().await.is_some() {} };
                    let _ = tokio::time::timeout(REST, rest).await;
                    return Ok(as_exit_code(status?));
                }
                _ = terminate.recv() => match &child {
                    Some(child) => terminate_child(child),
                    None => return Ok(ExitCode::SUCCESS),
                },
                // From a terminal, the command has it too, and decides.
                _ = interrupt.recv() => if child.is_none() { return Ok(ExitCode::SUCCESS) },
            }
        };
        let compositor = Arc::clone(&compositor);
        clients.spawn(async move {
            output.say(format_args!("{number} connects"));
            match spy_on(client, &compositor, number, output).await {
                Ok(()) => output.say(format_args!("{number} is gone")),
                Err(error) => output.say(format_args!("{number} is cut off: {error}")),
            }
        });
    }
    Err("nobody spies for so long".into())
}

/// Starts the command as a client of the spy.
fn start(program: &OsString, arguments: &[OsString], path: &Path) -> std::io::Result<Child> {
    let mut command = Command::new(program);
    // An absolute path, so that the runtime directory is still the one with everything else in it.
    command.args(arguments).env("WAYLAND_DISPLAY", path);
    without_inherited_socket(command.as_std_mut());
    command.spawn()
}

/// Everything between one client and the compositor, to its end.
async fn spy_on(
    client: UnixStream,
    compositor: &Connector,
    number: u64,
    output: Output,
) -> Result<()> {
    let compositor = compositor.connect().await?.stream;
    let objects = Arc::new(Mutex::new(Objects::new()));
    let end = |socket, side| {
        let signatures = Counts { side, objects: Arc::clone(&objects) };
        Ok::<_, std::io::Error>(Connection::new(socket, signatures, &limits())?.into_split())
    };
    let (from_client, to_client) = end(client, Side::Client)?;
    let (from_compositor, to_compositor) = end(compositor, Side::Compositor)?;
    tokio::try_join!(
        pass(format!("{number} >"), from_client, to_compositor, output),
        pass(format!("{number} <"), from_compositor, to_client, output),
    )?;
    Ok(())
}

/// What the two ends do not limit is not limited here; each descriptor leaves with its own message,
/// so that whoever looks at the socket sees whose it is.
fn limits() -> Limits {
    Limits { max_message_bytes: 65532, fds_with_their_message: true, ..Limits::default() }
}

/// How many descriptors the messages of one side have, from what both sides have said.
struct Counts {
    side: Side,
    objects: Arc<Mutex<Objects>>,
}

impl Signatures for Counts {
    fn fds(&mut self, object: ObjectId, opcode: u16) -> usize {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        objects.fds(self.side, object, opcode)
    }
}

/// Passes messages on in one direction until there are no more.
///
/// None is received before the last one has left, so who does not read is not written to. And before
/// one has left, it is known which objects it makes: nobody speaks of them earlier.
async fn pass(
    direction: String,
    mut from: ReadHalf<Counts>,
    mut to: WriteHalf,
    output: Output,
) -> Result<()> {
    loop {
        let mut message = match from.receive().await {
            Ok(Some(message)) => message,
            // Who closes without having read everything resets the connection.
            Ok(None) => break,
            Err(ReceiveError::Io(error)) if is_gone(&error) => break,
            Err(error) => return Err(error.into()),
        };
        let Counts { side, objects } = from.signatures();
        let followed = {
            let mut objects = objects.lock().unwrap_or_else(PoisonError::into_inner);
            objects.follow(*side, &mut message)
        };
        let Followed { line, warning } = followed;
        output.say(format_args!("{direction} {line}"));
        if let Some(warning) = warning {
            output.say(format_args!("{direction} warning: {warning}"));
        }
        while let Err(SendError { message: refused, fault }) = to.send(message).await {
            message = match (fault, refused) {
                // As many are under way as may be, until somebody receives some.
                (SendFault::TooManyFdsInFlight { .. }, Some(refused)) => *refused,
                // It has gone, but what it said before that is for the other direction to pass.
                (SendFault::Io(error), _) if is_gone(&error) => return Ok(()),
                (fault, _) => return Err(fault.into()),
            };
            tokio::time::sleep(AGAIN).await;
        }
    }
    // The other direction goes on: it is the other end that decides when it has said everything.
    match to.shutdown().await {
        Err(SendError { fault: SendFault::Io(error), .. }) if is_gone(&error) => Ok(()),
        outcome => Ok(outcome?),
    }
}

fn is_gone(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)
}

/// Waits for the end of the command, if there is one.
async fn ended(child: &mut Option<Child>) -> std::io::Result<ExitStatus> {
    match child {
        Some(child) => child.wait().await,
        None => std::future::pending().await,
    }
}

fn terminate_child(child: &Child) {
    // It has a number for as long as nobody has waited for it, so this is no other process.
    let number = child.id().and_then(|number| Pid::from_raw(number.try_into().ok()?));
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
enum Output {
    Stdout,
    Stderr,
}

impl Output {
    /// Prints a line at once, whole. That nobody reads it any more is no reason to end.
    fn say(self, line: std::fmt::Arguments<'_>) {
        let line = format!("{line}\n");
        let _ = match self {
            Output::Stdout => std::io::stdout().lock().write_all(line.as_bytes()),
            Output::Stderr => std::io::stderr().lock().write_all(line.as_bytes()),
        };
    }
}

/// A directory that nobody else may enter. It goes when this is dropped.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Result<Directory> {
        let mut number = [0; 8];
        rustix::rand::getrandom(&mut number, GetRandomFlags::empty())?;
        let name = format!("wayland_spy-{:016x}", u64::from_ne_bytes(number));
        let path = std::env::temp_dir().join(name);
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Directory(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0); // It is empty: the socket goes with the listener.
    }
}
