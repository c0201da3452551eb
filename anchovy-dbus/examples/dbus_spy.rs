//! A proxy between programs and a bus that prints every message and the file of each descriptor, and
//! forwards all messages unchanged.
//!
//! ```text
//! cargo run -p anchovy-dbus --example dbus_spy -- -- busctl --user list
//! cargo run -p anchovy-dbus --example dbus_spy -- --system --listen unix:path=/tmp/spied
//! ```
//!
//! `--help` has more examples. `message_line/JSON.md` describes the output of `--json`.
//!
//! For the bus, the spy is the client: it authenticates with its own uid, and the bus reports the
//! process of the spy as the owner of names. Clients of the spy authenticate with `EXTERNAL`.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anchovy_dbus::{
    Address, AddressError, Addresses, Budget, Client, Incoming, Limits, Message, OwnedReadHalf,
    OwnedWriteHalf, ReceiveError, SendError, SendErrorKind, Server,
};
use clap::Parser;
use rustix::process::{Resource, getrlimit};
use tokio::process::Command;

mod describe;
mod filter;
mod message_line;
mod report;
mod spied;

use filter::{Filter, Selection};
use message_line::{COLUMNS, MessageLine};
use report::report;
use spied::{Output, OutputOptions, Result, Side, Spied, is_closed, private_directory};

/// Time between two attempts to send while too many descriptors are in flight.
const RETRY_INTERVAL: Duration = Duration::from_millis(10);

const EXAMPLES: &str = "\
Each filter can be repeated: a message is printed if one value of each kind of filter matches it. A *
at the end of a value stands for any text. A reply is printed if its call was. The sender is a unique
name such as :1.5, or org.freedesktop.DBus.

Without COMMAND, the spy prints its address and then the messages, until SIGINT or SIGTERM.

The columns are the time in milliseconds (the clock of WAYLAND_DEBUG=1), the number of the client with
the direction (> from the client, < from the bus), the type, the serial, the serial of the call that
is answered, the sender, the destination, and the message: path, interface, member, signature and
size, then flags and descriptors.

Examples:
  dbus_spy -- gdbus call --session -d org.freedesktop.DBus -o / -m org.freedesktop.DBus.ListNames
  dbus_spy --system --interface 'org.freedesktop.login1.*' -- loginctl list-sessions
  dbus_spy --json --output messages.json -- my-program
  dbus_spy --json --member Inhibit --listen unix:path=/tmp/spied | jq 'select(.fds) | .fds'";

/// Forwards all messages between programs and a bus, and prints them.
#[derive(Parser)]
#[command(after_help = EXAMPLES)]
struct Arguments {
    /// Spy on this bus [default: the session bus]
    #[arg(value_parser = addresses, conflicts_with_all = ["session", "system"])]
    address: Option<Addresses>,
    /// Spy on the session bus
    #[arg(long, conflicts_with = "system")]
    session: bool,
    /// Spy on the system bus
    #[arg(long)]
    system: bool,
    /// Listen on this address [default: a socket in a private directory]
    #[arg(long, value_name = "ADDRESS", value_parser = addresses)]
    listen: Option<Addresses>,
    /// Start this command with DBUS_SESSION_BUS_ADDRESS (with --system: DBUS_SYSTEM_BUS_ADDRESS) set to the
    /// spy, print to stderr, and exit with its status
    #[arg(last = true)]
    command: Vec<OsString>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    output: OutputOptions,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("dbus_spy: {}", report(&*error));
            ExitCode::FAILURE
        }
    }
}

fn addresses(text: &str) -> std::result::Result<Addresses, String> {
    text.parse().map_err(|error: AddressError| report(&error))
}

async fn run(arguments: Arguments) -> Result<ExitCode> {
    let Arguments { address, system, listen, filter, output, command, .. } = arguments;
    let bus = match address {
        Some(address) => address,
        None if system => Addresses::system()?,
        None => Addresses::session()?,
    };
    // The handshake with the bus is performed once beforehand, so that clients get the guid of the bus
    // and its reply to NEGOTIATE_UNIX_FD. It is stepwise, because some proxies support no other.
    let upstream = Client::new().stepwise().limits(limits());
    let known = upstream.connect(&bus).await?;
    let (guid, unix_fds) = (known.guid(), known.unix_fds());
    drop(known);
    let upstream = upstream.guid(guid);

    // Two options keep the traffic as it would be without the spy. `fds_before_agreement`: no bus makes
    // the kernel refuse descriptors, so a client may send some before it has read AGREE_UNIX_FD.
    // `fds_at_once`: the server may send the first message, with descriptors. A client that cannot
    // receive it from the spy could not receive it from the server either.
    let mut server = Server::new(guid).limits(limits()).fds_before_agreement().fds_at_once();
    if !unix_fds {
        server = server.without_fds();
    }
    let mut spied = Spied::new()?;
    let output = Output::new(&output, !command.is_empty(), "bus", Some(COLUMNS))?;
    let directory = if listen.is_none() { Some(private_directory("dbus_spy-")?) } else { None };
    let listen = match (&directory, listen) {
        (Some(directory), _) => Address::path(directory.path().join("bus"))?.into(),
        (None, listen) => listen.expect("without a directory there is an address"),
    };
    // All clients have the same uid. One uid may hold half of a budget, so half of this one is all room
    // that the descriptor table has.
    let room = getrlimit(Resource::Nofile).current.unwrap_or(1 << 20);
    let room = usize::try_from(room.saturating_sub(64))?;
    let budget = Budget::builder().held_fds(2 * room).build();
    let listener = server.bind(&listen)?.with_budget(budget);

    if let Some((program, arguments)) = command.split_first() {
        let variable = if system { "DBUS_SYSTEM_BUS_ADDRESS" } else { "DBUS_SESSION_BUS_ADDRESS" };
        let mut command = Command::new(program);
        command.args(arguments).env(variable, listener.address().to_string());
        if let Err(code) = spied.start("dbus_spy", command) {
            return Ok(code);
        }
    } else {
        output.listening(&listener.address().to_string());
    }
    let bus =
        Bus { addresses: bus, client: upstream, filter: filter.into(), output: output.clone() };
    let bus = Arc::new(bus);
    let accept = async || Ok(listener.accept().await?);
    let spy_on = |client, number| {
        let bus = Arc::clone(&bus);
        async move { bus.spy_on(client, number).await.map_err(|error| report(&*error).into()) }
    };
    spied.serve(output, accept, spy_on).await
}

/// Allows as many descriptors as the kernel does, in both directions. The client and the bus have
/// their own limits.
fn limits() -> Limits {
    Limits { max_sent_fds: anchovy::DBUS_FD_LIMIT, ..Limits::client() }
}

/// The bus that is spied on.
struct Bus {
    addresses: Addresses,
    client: Client,
    filter: Arc<Filter>,
    output: Output,
}

impl Bus {
    /// Forwards messages between one client and the bus until both directions have ended. Returns the
    /// side that closed its connection first.
    async fn spy_on(&self, incoming: Incoming, number: u64) -> Result<Side> {
        let client = incoming.handshake().await?;
        // Descriptor passing is negotiated on both sides or on neither, so that every message can be
        // forwarded.
        let upstream = self.client.clone();
        let upstream = if client.unix_fds() { upstream } else { upstream.without_fds() };
        let bus = upstream.connect(&self.addresses).await?;
        if bus.unix_fds() != client.unix_fds() {
            return Err("the bus no longer agrees to descriptor passing".into());
        }
        let (from_client, to_client) = client.into_split();
        let (from_bus, to_bus) = bus.into_split();
        let selection = Mutex::new(Selection::new(Arc::clone(&self.filter)));
        let printer = Printer { number, output: &self.output, selection };
        let closed_first = OnceLock::new();
        let from_client = async {
            let side = pass(&printer, Side::Client, from_client, to_bus).await?;
            Result::Ok(closed_first.set(side).is_ok())
        };
        let from_bus = async {
            let side = pass(&printer, Side::Server, from_bus, to_client).await?;
            Result::Ok(closed_first.set(side).is_ok())
        };
        tokio::try_join!(from_client, from_bus)?;
        Ok(closed_first.into_inner().expect("both directions have ended"))
    }
}

/// Prints the messages of one client.
struct Printer<'a> {
    number: u64,
    output: &'a Output,
    selection: Mutex<Selection>,
}

impl Printer<'_> {
    fn print(&self, from: Side, message: &Message) {
        let mut selection = self.selection.lock().unwrap_or_else(PoisonError::into_inner);
        if selection.selects(from, message.header()) {
            let sender = if from == Side::Client { selection.name() } else { None };
            let line = MessageLine::new(message, from == Side::Client, sender);
            self.output.message(self.number, from, &line);
        }
    }
}

/// Forwards messages in one direction until one of the two has closed the connection. Returns which one.
///
/// A message is received after the previous one was sent. So the spy does not read from a sender
/// whose receiver does not read.
async fn pass(
    printer: &Printer<'_>,
    from: Side,
    mut reader: OwnedReadHalf,
    mut writer: OwnedWriteHalf,
) -> Result<Side> {
    loop {
        let mut message = match reader.receive().await {
            Ok(Some(message)) => message,
            // A peer that closes before it has read everything resets the connection.
            Ok(None) => break,
            Err(ReceiveError::Io(error)) if is_closed(&error) => break,
            Err(error) => return Err(error.into()),
        };
        printer.print(from, &message);
        if let Some(cause) = message.truncation() {
            return Err(format!("descriptors were lost: {cause}").into());
        }
        while let Err(SendError { unsent: refused, kind }) = writer.send(message).await {
            message = match (kind, refused) {
                // The limit of descriptors in flight is reached until a peer has received some.
                (SendErrorKind::TooManyFdsInFlight { .. }, Some(refused)) => *refused,
                // The receiver has closed the connection. The other direction forwards what it
                // sent before that.
                (SendErrorKind::Io(error), _) if is_closed(&error) => return Ok(from.other()),
                (kind, _) => return Err(kind.into()),
            };
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }
    // The other direction continues until its sender closes the connection.
    match writer.shutdown().await {
        Err(SendError { kind: SendErrorKind::Io(error), .. }) if is_closed(&error) => Ok(from),
        outcome => Ok(outcome.map(|()| from)?),
    }
}
