//! A proxy between programs and a bus that prints every message and the file of each descriptor, and
//! forwards all messages unchanged.
//!
//! ```text
//! cargo run -p anchovy-dbus --example dbus_spy -- -- busctl --user list
//! cargo run -p anchovy-dbus --example dbus_spy -- --system --listen unix:path=/tmp/spied
//! ```
//!
//! For the bus, the spy is the client: it authenticates with its own uid, and the bus reports the
//! process of the spy as the owner of names. Clients of the spy authenticate with `EXTERNAL`.

use std::ffi::OsString;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anchovy_dbus::{
    Address, AddressError, Addresses, Budget, Client, Incoming, Limits, OwnedReadHalf,
    OwnedWriteHalf, ReceiveError, SendError, SendErrorKind, Server,
};
use rustix::process::{Resource, getrlimit};
use tokio::process::Command;

mod describe;
mod message_line;
mod report;
mod spied;

use message_line::line;
use report::report;
use spied::{Output, Result, Spied, is_gone, private_directory};

const HELP: &str = "\
Usage: dbus_spy [--session | --system | ADDRESS] [--listen ADDRESS] [-- COMMAND...]

Forwards all messages between programs and a bus, and prints them. Default: the session bus.

  --listen ADDRESS   address that programs connect to; default: a socket in a private directory
  -- COMMAND...      starts COMMAND with DBUS_SESSION_BUS_ADDRESS set to the spy (with --system:
                     DBUS_SYSTEM_BUS_ADDRESS), prints to stderr, and exits with its status

Without COMMAND, the spy prints its address and then the messages to stdout, until SIGINT or
SIGTERM.";

/// Time between two attempts to send while too many descriptors are in flight.
const AGAIN: Duration = Duration::from_millis(10);

struct Arguments {
    bus: Addresses,
    /// The environment variable in which the command finds the address of the bus.
    variable: &'static str,
    listen: Option<Addresses>,
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
            eprintln!("dbus_spy: {}", report(&*error));
            return ExitCode::from(2);
        }
    };
    match run(arguments).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("dbus_spy: {}", report(&*error));
            ExitCode::FAILURE
        }
    }
}

/// Parses the command line. Returns `None` for `--help`.
fn arguments() -> Result<Option<Arguments>> {
    let (mut bus, mut variable, mut listen) = (None, "DBUS_SESSION_BUS_ADDRESS", None);
    let mut words = std::env::args_os().skip(1);
    let mut command = Vec::new();
    while let Some(word) = words.next() {
        // An address is ASCII, so the conversion changes no valid address.
        let word = word.to_string_lossy();
        let named = match &*word {
            "--help" | "-h" => return Ok(None),
            "--" => {
                command.extend(words.by_ref());
                if command.is_empty() {
                    return Err(format!("a command is missing after --\n\n{HELP}").into());
                }
                continue;
            }
            "--listen" => {
                let address = words.next().ok_or("--listen needs an address")?;
                listen = Some(addresses(&address.to_string_lossy())?);
                continue;
            }
            "--session" => Addresses::session()?,
            "--system" => {
                variable = "DBUS_SYSTEM_BUS_ADDRESS";
                Addresses::system()?
            }
            option if option.starts_with('-') => {
                return Err(format!("there is no option {option}\n\n{HELP}").into());
            }
            address => addresses(address)?,
        };
        if bus.replace(named).is_some() {
            return Err(format!("{word} is a second bus\n\n{HELP}").into());
        }
    }
    let bus = bus.map_or_else(Addresses::session, Ok)?;
    Ok(Some(Arguments { bus, variable, listen, command }))
}

fn addresses(text: &str) -> Result<Addresses> {
    let addresses = text.parse();
    addresses.map_err(|error: AddressError| format!("{text}: {}", report(&error)).into())
}

async fn run(arguments: Arguments) -> Result<ExitCode> {
    let Arguments { bus, variable, listen, command } = arguments;
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
        let mut command = Command::new(program);
        command.args(arguments).env(variable, listener.address().to_string());
        if let Err(code) = spied.start("dbus_spy", command) {
            return Ok(code);
        }
    } else {
        spied.output().say(format_args!("{}", listener.address()));
    }
    let bus = Arc::new(Bus { addresses: bus, client: upstream, output: spied.output() });
    let accept = async || Ok(listener.accept().await?);
    let spy_on = |client, number| {
        let bus = Arc::clone(&bus);
        async move { bus.spy_on(client, number).await.map_err(|error| report(&*error).into()) }
    };
    spied.serve(accept, spy_on).await
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
    output: Output,
}

impl Bus {
    /// Forwards messages between one client and the bus until both have closed their connections.
    async fn spy_on(&self, incoming: Incoming, number: u64) -> Result<()> {
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
        tokio::try_join!(
            self.pass(format!("{number} >"), from_client, to_bus),
            self.pass(format!("{number} <"), from_bus, to_client),
        )?;
        Ok(())
    }

    /// Forwards messages in one direction until the sender closes the connection.
    ///
    /// A message is received after the previous one was sent. So the spy does not read from a sender
    /// whose receiver does not read.
    async fn pass(
        &self,
        direction: String,
        mut from: OwnedReadHalf,
        mut to: OwnedWriteHalf,
    ) -> Result<()> {
        loop {
            let mut message = match from.receive().await {
                Ok(Some(message)) => message,
                // A peer that closes before it has read everything resets the connection.
                Ok(None) => break,
                Err(ReceiveError::Io(error)) if is_gone(&error) => break,
                Err(error) => return Err(error.into()),
            };
            self.output.say(format_args!("{direction} {}", line(&message)));
            if let Some(cause) = message.truncation() {
                return Err(format!("descriptors were lost: {cause}").into());
            }
            while let Err(SendError { unsent: refused, kind }) = to.send(message).await {
                message = match (kind, refused) {
                    // The limit of descriptors in flight is reached until a peer has received some.
                    (SendErrorKind::TooManyFdsInFlight { .. }, Some(refused)) => *refused,
                    // The receiver has closed the connection. The other direction forwards what it
                    // sent before that.
                    (SendErrorKind::Io(error), _) if is_gone(&error) => return Ok(()),
                    (kind, _) => return Err(kind.into()),
                };
                tokio::time::sleep(AGAIN).await;
            }
        }
        // The other direction continues until its sender closes the connection.
        match to.shutdown().await {
            Err(SendError { kind: SendErrorKind::Io(error), .. }) if is_gone(&error) => Ok(()),
            outcome => Ok(outcome?),
        }
    }
}
