//! A proxy that prints all messages between programs and a compositor, with the file of each descriptor.
//!
//! It forwards all messages unchanged.
//!
//! ```text
//! cargo run -p anchovy-wayland --example wayland_spy -- -- foot
//! cargo run -p anchovy-wayland --example wayland_spy -- --display wayland-1 --socket wayland-9
//! ```
//!
//! The compositor sees the credentials of the spy (user, group and process), not those of the client.

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
Prints all messages between programs and a Wayland compositor.

Usage: wayland_spy [OPTIONS] [-- COMMAND...]

Options:
  --display NAME   the compositor, default: the display in WAYLAND_DISPLAY
  --socket NAME    the socket of the spy, default: a socket in a private directory
  -- COMMAND...    start COMMAND with WAYLAND_DISPLAY set to the spy, print to stderr, and exit with
                   the status of COMMAND
  -h, --help       print this help

NAME is a name in XDG_RUNTIME_DIR or an absolute path. Without COMMAND, the spy prints the path of its
socket and then the messages to stdout, until SIGINT or SIGTERM.

The bytes of a message do not contain the number of its descriptors. The spy knows the protocol files
of Wayland, wayland-protocols, wlr-protocols, plasma-wayland-protocols and some others. It prints a
warning for an object of another interface, and its messages with the opcode and the length, such as
unknown#7.3(?), 12 bytes. If such a message has descriptors, they are forwarded with later messages.";

/// Time between two attempts to send while too many descriptors are in flight.
const RETRY_INTERVAL: Duration = Duration::from_millis(10);

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

/// Parses the command line. Returns `None` for `--help`.
fn arguments() -> Result<Option<Arguments>> {
    // An inherited socket serves one client, and the spy may have many.
    let mut compositor = Connector::new().without_inherited();
    let (mut socket, mut command) = (None, Vec::new());
    let mut words = std::env::args_os().skip(1);
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--help" | "-h") => return Ok(None),
            Some("--display") => {
                compositor = compositor.display(words.next().ok_or("--display requires a name")?);
            }
            Some("--socket") => {
                socket = Some(words.next().ok_or("--socket requires a name")?.into());
            }
            Some("--") => {
                command.extend(words.by_ref());
                if command.is_empty() {
                    return Err(format!("-- requires a command\n\n{HELP}").into());
                }
            }
            _ => {
                let word = word.to_string_lossy();
                return Err(format!("unknown option {word}\n\n{HELP}").into());
            }
        }
    }
    Ok(Some(Arguments { compositor, socket, command }))
}

async fn run(arguments: Arguments) -> Result<ExitCode> {
    let Arguments { compositor, socket, command } = arguments;
    // Reports a missing compositor now, and not when the first client connects.
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
        // With an absolute path, XDG_RUNTIME_DIR can stay unchanged for the other files in it.
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

/// Forwards the messages between one client and the compositor until both directions have ended.
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

/// Returns the limits of the connection to one side. The spy allows messages of any length, and sends each
/// descriptor with its own message, so that a trace of the system calls shows the message.
fn limits(side: Side) -> Limits {
    let limits = match side {
        Side::Client => Limits::server(),
        Side::Compositor => Limits::client(),
    };
    Limits { max_message_bytes: 65532, fds_with_their_message: true, ..limits }
}

/// The number of descriptors of the messages of one side. It depends on the messages of both sides.
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

/// Forwards messages in one direction until the end of the stream.
///
/// It receives a message after the previous one has been sent, so a peer that does not read stops the
/// direction. It records the objects that a message creates before it sends the message, so they are known
/// before the first message about them arrives.
async fn pass(
    direction: String,
    mut from: OwnedReadHalf<Counts>,
    mut to: OwnedWriteHalf,
    output: Output,
) -> Result<()> {
    loop {
        let mut message = match from.receive().await {
            Ok(Some(message)) => message,
            // A peer that closes with unread bytes resets the connection.
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
                // Too many descriptors are in flight until the receivers have read.
                (SendErrorKind::TooManyFdsInFlight { .. }, Some(refused)) => *refused,
                // The peer has closed. The other direction forwards its last messages.
                (SendErrorKind::Io(error), _) if is_gone(&error) => return Ok(()),
                (kind, _) => return Err(kind.into()),
            };
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }
    // The other direction continues until its sender ends it.
    match to.shutdown().await {
        Err(SendError { kind: SendErrorKind::Io(error), .. }) if is_gone(&error) => Ok(()),
        outcome => Ok(outcome?),
    }
}
