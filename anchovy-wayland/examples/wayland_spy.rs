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

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anchovy::{AnchovyStream, WAYLAND_SCM_RIGHTS};
use anchovy_wayland::{
    Connection, Connector, Limits, Listener, ObjectId, OwnedReadHalf, OwnedWriteHalf, ReceiveError,
    SendError, SendErrorKind, Signatures, without_inherited_socket,
};
use tokio::process::Command;

mod describe;
mod objects;
mod protocols;
mod spied;

use objects::{Followed, Objects, Side};
use spied::{Output, Result, Spied, is_gone, private_directory};

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

/// How long to wait for descriptors to be received that are under way.
const AGAIN: Duration = Duration::from_millis(10);

struct Arguments {
    compositor: Connector,
    socket: Option<PathBuf>,
    command: Vec<OsString>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    match arguments().map_err(anyhow::Error::from_boxed)? {
        Some(arguments) => run(arguments).await.map_err(anyhow::Error::from_boxed),
        None => {
            println!("{HELP}");
            Ok(ExitCode::SUCCESS)
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

    let mut spied = Spied::new()?;
    let directory = if socket.is_none() { Some(private_directory("wayland_spy-")?) } else { None };
    let listener = match (&directory, socket) {
        (Some(directory), _) => Listener::bind(directory.path().join("wayland-0"))?,
        (None, socket) => Listener::bind(socket.expect("without a directory there is a name"))?,
    };
    let path = listener.path().expect("it was bound to one").to_owned();

    if let Some((program, arguments)) = command.split_first() {
        let mut command = Command::new(program);
        // An absolute path, so that the runtime directory is still the one with everything else in it.
        command.args(arguments).env("WAYLAND_DISPLAY", path);
        without_inherited_socket(command.as_std_mut());
        if let Err(code) = spied.start("wayland_spy", command) {
            return Ok(code);
        }
    } else {
        spied.output().say(format_args!("{}", path.display()));
    }
    let (compositor, output) = (Arc::new(compositor), spied.output());
    let accept = async || Ok(listener.accept().await?.0);
    let spy_on = |client, number| self::spy_on(client, Arc::clone(&compositor), number, output);
    spied.serve(accept, spy_on).await
}

/// Everything between one client and the compositor, to its end.
async fn spy_on(
    client: AnchovyStream<WAYLAND_SCM_RIGHTS>,
    compositor: Arc<Connector>,
    number: u64,
    output: Output,
) -> Result<()> {
    let compositor = compositor.connect().await?.stream;
    let objects = Arc::new(Mutex::new(Objects::new()));
    let end = |socket, side| {
        let signatures = Counts { side, objects: Arc::clone(&objects) };
        Ok::<_, std::io::Error>(Connection::new(socket, signatures, limits(side))?.into_split())
    };
    let (from_client, to_client) = end(client, Side::Client)?;
    let (from_compositor, to_compositor) = end(compositor, Side::Compositor)?;
    tokio::try_join!(
        pass(format!("{number} >"), from_client, to_compositor, output),
        pass(format!("{number} <"), from_compositor, to_client, output),
    )?;
    Ok(())
}

/// Returns the limits of the connection to one side. Messages may be as long as the two ends let them be,
/// and each descriptor leaves with its own message, so that whoever looks at the socket sees whose it is.
fn limits(side: Side) -> Limits {
    let limits = match side {
        Side::Client => Limits::server(),
        Side::Compositor => Limits::client(),
    };
    Limits { max_message_bytes: 65532, fds_with_their_message: true, ..limits }
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
    mut from: OwnedReadHalf<Counts>,
    mut to: OwnedWriteHalf,
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
        while let Err(SendError { unsent: refused, kind }) = to.send(message).await {
            message = match (kind, refused) {
                // As many are under way as may be, until somebody receives some.
                (SendErrorKind::TooManyFdsInFlight { .. }, Some(refused)) => *refused,
                // It has gone, but what it said before that is for the other direction to pass.
                (SendErrorKind::Io(error), _) if is_gone(&error) => return Ok(()),
                (kind, _) => return Err(kind.into()),
            };
            tokio::time::sleep(AGAIN).await;
        }
    }
    // The other direction goes on: it is the other end that decides when it has said everything.
    match to.shutdown().await {
        Err(SendError { kind: SendErrorKind::Io(error), .. }) if is_gone(&error) => Ok(()),
        outcome => Ok(outcome?),
    }
}
