//! A server without a bus. It replies to every call with the same body and the same descriptors.
//!
//! Each client has its own task, which replies to one call before it receives the next. The server does
//! not read from a client that does not read its replies, and it disconnects a client that sends an
//! invalid message. Other clients are not affected.
//!
//! ```text
//! cargo run -p anchovy-dbus --example peer_server unix:path=/tmp/peer
//! dbus-send --peer=unix:path=/tmp/peer --print-reply / org.example.Any.Thing string:hello
//! ```

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use anchovy_dbus::{
    AddressError, Addresses, ByteOrder, Flags, Guid, Incoming, Limits, Listener, Message,
    MessageType, Server,
};
use clap::Parser;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};

mod report;

use report::report;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Replies to every method call with the same body and the same descriptors.
///
/// The server prints its address, and a line for each message. It replies to Hello, Ping, GetMachineId and
/// GetId as a bus does. SIGINT and SIGTERM end it, and it removes its socket.
#[derive(Parser)]
struct Arguments {
    /// Listen on this address, such as unix:path=/tmp/peer
    #[arg(value_parser = addresses)]
    address: Addresses,
    /// Maximum number of descriptors in a message [default: 16]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(..=253))]
    max_fds: Option<u8>,
    /// Also accept clients that use ANONYMOUS
    #[arg(long)]
    anonymous: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match serve(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peer_server: {}", report(&*error));
            ExitCode::FAILURE
        }
    }
}

fn addresses(text: &str) -> std::result::Result<Addresses, String> {
    text.parse().map_err(|error: AddressError| report(&error))
}

async fn serve(arguments: Arguments) -> Result<()> {
    raise_fd_limit();
    let mut limits = Limits::server();
    if let Some(most) = arguments.max_fds {
        let most = usize::from(most);
        limits = Limits { max_received_fds: most, max_sent_fds: most, ..limits };
    }
    let mut server = Server::new(Guid::generate()?).limits(limits);
    if arguments.anonymous {
        server = server.anonymous();
    }

    // Before the address is printed, so that a signal after that removes the socket.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let listener = server.bind(&arguments.address)?;
    say(format_args!("{}", listener.address()));
    tokio::select! {
        error = accept(&listener, server.guid()) => Err(error),
        () = either(&mut interrupt, &mut terminate) => Ok(()), // Dropping the listener removes the file.
    }
}

/// Raises the soft limit on open files to the hard limit. The lower soft limit exists for programs that
/// use select(2), and each client can make this server hold some hundred descriptors.
fn raise_fd_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    let _ = setrlimit(Resource::Nofile, limit); // The server also works with the lower limit.
}

async fn either(interrupt: &mut Signal, terminate: &mut Signal) {
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Accepts clients. Returns the error if that is no longer possible.
async fn accept(listener: &Listener, guid: Guid) -> Box<dyn Error + Send + Sync> {
    for number in 1_u64.. {
        let incoming = match listener.accept().await {
            Ok(incoming) => incoming,
            Err(error) => return error.into(),
        };
        tokio::spawn(async move {
            let name = format!(":1.{number}");
            match talk(incoming, &name, guid).await {
                Ok(()) => say(format_args!("{name} disconnects")),
                Err(error) => say(format_args!("{name} is closed: {}", report(&*error))),
            }
        });
    }
    "all numbers of clients are used".into()
}

/// Serves one client until it disconnects.
async fn talk(incoming: Incoming, name: &str, guid: Guid) -> Result<()> {
    let mut client = incoming.handshake().await?;
    say(format_args!(
        "{name} connects, uid {}, {} descriptor passing",
        client.peer_cred().uid(),
        if client.unix_fds() { "with" } else { "without" }
    ));
    while let Some(mut call) = client.receive().await? {
        say(format_args!("{name} {}", line(&call)));
        let header = call.header();
        let is_call = header.message_type() == MessageType::MethodCall;
        if !is_call || header.flags().contains(Flags::NO_REPLY_EXPECTED) {
            continue;
        }
        let answer = answer(&mut call, name, guid)?;
        if let Err(error) = client.send(answer).await {
            if error.unsent.is_none() {
                return Err(error.into());
            }
            // The reply was refused and nothing of it was sent, so another reply can be sent.
            client.send(refuse(&call, &report(&error))?).await?;
        }
    }
    Ok(())
}

/// Returns a line about a message, such as `call 7 /org/example org.example.Files.Take(h), 4 bytes, 1
/// descriptors`.
fn line(message: &Message) -> String {
    let header = message.header();
    let message_type = match header.message_type() {
        MessageType::MethodCall => "call".to_owned(),
        MessageType::MethodReturn => "return".to_owned(),
        MessageType::Error => "error".to_owned(),
        MessageType::Signal => "signal".to_owned(),
        MessageType::Unknown(code) => format!("type-{code}"),
    };
    let serial = header.serial().map_or(0, Into::into);
    let names = [header.interface(), header.member()].into_iter().flatten();
    let (path, names) = (header.path().unwrap_or("-"), names.collect::<Vec<_>>().join("."));
    let (signature, bytes, fds) = (header.signature(), header.body_len(), header.unix_fds());
    let lost = if message.truncation().is_some() { ", truncated: all were lost" } else { "" };
    let names = format!("{names}({signature})");
    format!("{message_type} {serial} {path} {names}, {bytes} bytes, {fds} descriptors{lost}")
}

/// Returns the reply to a call. The descriptors of the call move to the reply, or are closed.
fn answer(call: &mut Message, name: &str, guid: Guid) -> Result<Message> {
    if let Some(cause) = call.truncation() {
        return refuse(call, &cause.to_string());
    }
    let fds = call.take_fds();
    let header = call.header();
    let order = header.byte_order();
    let mut answer = Message::method_return(call).byte_order(order);
    if let Some(called) = header.destination() {
        answer = answer.sender(called); // The reply comes from the name that was called.
    }
    let answer = match (header.interface(), header.member()) {
        (Some("org.freedesktop.DBus"), Some("Hello")) => {
            answer.destination(name).body("s", string(name, order))
        }
        (Some("org.freedesktop.DBus"), Some("GetId")) => {
            answer.body("s", string(&guid.to_string(), order))
        }
        (Some("org.freedesktop.DBus.Peer"), Some("Ping")) => answer,
        (Some("org.freedesktop.DBus.Peer"), Some("GetMachineId")) => match machine_id() {
            Some(id) => answer.body("s", string(&id.to_string(), order)),
            None => return refuse(call, "this machine has no id"),
        },
        _ => answer.body(header.signature(), call.body().clone()).fds(fds),
    };
    Ok(answer.build()?)
}

/// Returns an error reply.
fn refuse(call: &Message, why: &str) -> Result<Message> {
    let order = call.header().byte_order();
    let error = Message::error(call, "org.freedesktop.DBus.Error.LimitsExceeded");
    Ok(error.byte_order(order).body("s", string(why, order)).build()?)
}

/// Returns a body of one string: its length, its bytes, and a NUL byte (D-Bus Specification,
/// "Marshaling").
fn string(text: &str, order: ByteOrder) -> Vec<u8> {
    let length = u32::try_from(text.len()).expect("the text is short");
    let mut body = match order {
        ByteOrder::Little => length.to_le_bytes(),
        ByteOrder::Big => length.to_be_bytes(),
    }
    .to_vec();
    body.extend_from_slice(text.as_bytes());
    body.push(0);
    body
}

/// Reads the id of this machine from one of two files. It has 32 hex digits, as a guid (D-Bus
/// Specification, "org.freedesktop.DBus.Peer").
fn machine_id() -> Option<Guid> {
    ["/etc/machine-id", "/var/lib/dbus/machine-id"].into_iter().find_map(|path| {
        let text = std::fs::read_to_string(path).ok()?;
        text.trim_end().parse().ok()
    })
}

/// Prints a whole line at once. The server continues if stdout has been closed.
fn say(line: std::fmt::Arguments<'_>) {
    let mut stdout = std::io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}
