//! A proxy that prints all messages between programs and a compositor, with the file of each descriptor.
//!
//! It forwards all messages unchanged. A line has the form of WAYLAND_DEBUG=1 of libwayland, with the names of
//! the arguments.
//!
//! ```text
//! cargo run -p anchovy-wayland --example wayland_spy -- -- foot
//! cargo run -p anchovy-wayland --example wayland_spy -- --display wayland-1 --socket wayland-9
//! ```
//!
//! `--help` has more examples. `wire_line/JSON.md` describes the output of `--json`.
//!
//! The compositor sees the credentials of the spy (user, group and process), not those of the client.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anchovy::{AnchovyStream, WAYLAND_SCM_RIGHTS};
use anchovy_wayland::{
    Connection, Connector, Limits, Listener, ObjectId, OwnedReadHalf, OwnedWriteHalf, ReceiveError,
    SendError, SendErrorKind, Signatures, without_inherited_socket,
};
use clap::Parser;
use tokio::process::Command;

mod argument_names;
mod describe;
mod filter;
mod objects;
mod protocols;
mod spied;
mod wire_line;

use filter::Filter;
use objects::Objects;
use spied::{Output, OutputOptions, Result, Side, Spied, is_closed, private_directory};

/// Time between two attempts to send while too many descriptors are in flight.
const RETRY_INTERVAL: Duration = Duration::from_millis(10);

const NOTES: &str = "\
NAME of a display or a socket is a name in XDG_RUNTIME_DIR or an absolute path. Without COMMAND, the
spy prints the path of its socket and then the messages, until SIGINT or SIGTERM.

Each filter can be repeated. A message is printed if its interface is one of the given ones, and if it
is one of the given requests and events. A * at the end of a name stands for any text.

A line has the form of WAYLAND_DEBUG=1: the time in milliseconds, the number of the client, an arrow if
it is a request, the object, the message and its arguments. The descriptors follow.

The bytes of a message do not contain the number of its descriptors. The spy knows the protocol files
of Wayland, wayland-protocols, wlr-protocols, plasma-wayland-protocols and some others. It prints a
warning for an object of another interface, and its messages with the opcode and the length, such as
[unknown]#7.[request 3](12 bytes). If such a message has descriptors, they are forwarded with later
messages.

Examples:
  wayland_spy -- foot
  wayland_spy --interface 'wl_shm*' --interface zwp_linux_dmabuf_v1 -- weston-simple-shm
  wayland_spy --event keymap --event key -- foot
  wayland_spy --json --output messages.json -- my-program";

/// Forwards all messages between programs and a Wayland compositor, and prints them.
#[derive(Parser)]
#[command(after_help = NOTES)]
struct Arguments {
    /// Spy on this compositor [default: the display in WAYLAND_DISPLAY]
    #[arg(long, value_name = "NAME")]
    display: Option<PathBuf>,
    /// Listen on this socket [default: a socket in a private directory]
    #[arg(long, value_name = "NAME")]
    socket: Option<PathBuf>,
    /// Start this command with WAYLAND_DISPLAY set to the spy, print to stderr, and exit with its status
    #[arg(last = true)]
    command: Vec<OsString>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    output: OutputOptions,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    run(Arguments::parse()).await.map_err(anyhow::Error::from_boxed)
}

async fn run(arguments: Arguments) -> Result<ExitCode> {
    let Arguments { display, socket, filter, output, command } = arguments;
    // An inherited socket serves one client, and the spy may have many.
    let mut compositor = Connector::new().without_inherited();
    if let Some(display) = display {
        compositor = compositor.display(display);
    }
    // Reports a missing compositor now, and not when the first client connects.
    drop(compositor.connect().await?);

    let mut spied = Spied::new()?;
    let output = Output::new(&output, !command.is_empty(), "compositor", None)?;
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
        output.listening(&path.display().to_string());
    }
    let accept = async || Ok(listener.accept().await?.0);
    let spy = Arc::new(Spy { compositor, filter, output: output.clone() });
    let spy_on = |client, number| {
        let spy = Arc::clone(&spy);
        async move { spy.spy_on(client, number).await }
    };
    spied.serve(output, accept, spy_on).await
}

/// What all clients share.
struct Spy {
    compositor: Connector,
    filter: Filter,
    output: Output,
}

impl Spy {
    /// Forwards the messages between one client and the compositor until both directions have ended. Returns
    /// the side that closed its connection first.
    async fn spy_on(&self, client: AnchovyStream<WAYLAND_SCM_RIGHTS>, number: u64) -> Result<Side> {
        let compositor = self.compositor.connect().await?.stream;
        let objects = Arc::new(Mutex::new(Objects::new()));
        let end = |socket, side| {
            let signatures = Counts { side, objects: Arc::clone(&objects) };
            let connection = Connection::new(socket, signatures, limits(side))?;
            Ok::<_, std::io::Error>(connection.into_split())
        };
        let (from_client, to_client) = end(client, Side::Client)?;
        let (from_compositor, to_compositor) = end(compositor, Side::Server)?;
        let closed_first = OnceLock::new();
        let from_client = async {
            let side = self.pass(number, from_client, to_compositor).await?;
            Result::Ok(closed_first.set(side).is_ok())
        };
        let from_compositor = async {
            let side = self.pass(number, from_compositor, to_client).await?;
            Result::Ok(closed_first.set(side).is_ok())
        };
        tokio::try_join!(from_client, from_compositor)?;
        Ok(closed_first.into_inner().expect("both directions have ended"))
    }

    /// Forwards messages in one direction until one of the two has closed the connection. Returns which one.
    ///
    /// It receives a message after the previous one has been sent, so a peer that does not read stops the
    /// direction. It records the objects that a message creates before it sends the message, so they are
    /// known before the first message about them arrives.
    async fn pass(
        &self,
        number: u64,
        mut from: OwnedReadHalf<Counts>,
        mut to: OwnedWriteHalf,
    ) -> Result<Side> {
        let side = from.signatures().side;
        loop {
            let mut message = match from.receive().await {
                Ok(Some(message)) => message,
                // A peer that closes with unread bytes resets the connection.
                Ok(None) => break,
                Err(ReceiveError::Io(error)) if is_closed(&error) => break,
                Err(error) => return Err(error.into()),
            };
            let line = {
                let objects = &from.signatures().objects;
                let mut objects = objects.lock().unwrap_or_else(PoisonError::into_inner);
                objects.follow(side, &mut message, &self.filter)
            };
            if let Some(line) = line {
                self.output.message(number, side, &line);
            }
            while let Err(SendError { unsent: refused, kind }) = to.send(message).await {
                message = match (kind, refused) {
                    // Too many descriptors are in flight until the receivers have read.
                    (SendErrorKind::TooManyFdsInFlight { .. }, Some(refused)) => *refused,
                    // The peer has closed. The other direction forwards its last messages.
                    (SendErrorKind::Io(error), _) if is_closed(&error) => return Ok(side.other()),
                    (kind, _) => return Err(kind.into()),
                };
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
        }
        // The other direction continues until its sender ends it.
        match to.shutdown().await {
            Err(SendError { kind: SendErrorKind::Io(error), .. }) if is_closed(&error) => Ok(side),
            outcome => Ok(outcome.map(|()| side)?),
        }
    }
}

/// Returns the limits of the connection to one side. The spy allows messages of any length, and sends each
/// descriptor with its own message, so that a trace of the system calls shows the message.
fn limits(side: Side) -> Limits {
    let limits = match side {
        Side::Client => Limits::server(),
        Side::Server => Limits::client(),
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
