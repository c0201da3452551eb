//! Who is on a bus: connects, says hello, and lists names and the processes that have them.
//!
//! A transport moves messages; what is in their bodies is read here by hand, which for strings and
//! numbers is a few lines. A library of types (zvariant, say) does the same for everything else.
//!
//! ```text
//! cargo run -p anchovy-dbus --example bus_client
//! cargo run -p anchovy-dbus --example bus_client unix:path=/run/dbus/system_bus_socket
//! ```

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use anchovy_dbus::{AddressError, Addresses, ByteOrder, Client, Connection, Message, MessageType};

mod report;

use report::report;

const HELP: &str = "\
Usage: bus_client [ADDRESS]

Lists who is on the bus at ADDRESS, or on the session bus.";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // An address is ASCII; what is none does not become one by being shown.
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    let addresses = match arguments.iter().map(|argument| &**argument).collect::<Vec<_>>()[..] {
        ["--help" | "-h"] => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        [] => Addresses::session().map_err(|error| format!("no session bus: {}", report(&error))),
        [address] if !address.starts_with('-') => {
            let addresses = address.parse();
            addresses.map_err(|error: AddressError| format!("{address}: {}", report(&error)))
        }
        _ => Err(format!("not understood\n\n{HELP}")),
    };
    let addresses = match addresses {
        Ok(addresses) => addresses,
        Err(error) => {
            eprintln!("bus_client: {error}");
            return ExitCode::from(2);
        }
    };
    match list(&addresses).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bus_client: {}", report(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn list(addresses: &Addresses) -> Result<()> {
    let mut bus = Client::new().connect(addresses).await?;
    // Not by `println`, which panics where nobody reads.
    let mut out = std::io::stdout().lock();
    writeln!(out, "bus {}", bus.guid())?;
    writeln!(out, "descriptors pass: {}", if bus.unix_fds() { "yes" } else { "no" })?;

    let hello = call(&mut bus, "Hello", None).await?;
    writeln!(out, "we are {}", Body::new(&hello).string()?)?;

    let names = call(&mut bus, "ListNames", None).await?;
    let mut names = Body::new(&names).strings()?;
    names.sort();
    for name in names {
        // A unique name is that of a connection; any other is one that a connection has asked for.
        if !name.starts_with(':') {
            writeln!(out, "{name}")?;
            continue;
        }
        match call(&mut bus, "GetConnectionUnixProcessID", Some(&name)).await {
            Ok(answer) => writeln!(out, "{name}  process {}", Body::new(&answer).number()?)?,
            Err(error) => writeln!(out, "{name}  {}", report(&*error))?, // It may be gone by now.
        }
    }
    bus.shutdown().await?;
    Ok(())
}

/// Calls a method of the bus itself, and waits for its answer.
async fn call(bus: &mut Connection, member: &str, argument: Option<&str>) -> Result<Message> {
    const BUS: &str = "org.freedesktop.DBus";
    let mut call =
        Message::method_call("/org/freedesktop/DBus", member).interface(BUS).destination(BUS);
    if let Some(text) = argument {
        // A string is its length, its bytes, and a byte 0 (D-Bus Specification, "Marshaling").
        let mut body = u32::try_from(text.len())?.to_ne_bytes().to_vec();
        body.extend_from_slice(text.as_bytes());
        body.push(0);
        call = call.body("s", body);
    }
    let serial = bus.send(call.build()?).await?;
    loop {
        let message = bus.receive().await?.ok_or("the bus has closed the connection")?;
        if message.header().reply_serial() != Some(serial) {
            continue; // A signal: the bus tells us about our name.
        }
        if message.header().message_type() == MessageType::Error {
            let name = message.header().error_name().unwrap_or_default();
            let text = Body::new(&message).string().unwrap_or_default();
            return Err(format!("{name}: {text}").into());
        }
        return Ok(message);
    }
}

/// The body of a message, read from front to back. A bus is believed no more than anybody else.
struct Body<'a> {
    bytes: &'a [u8],
    position: usize,
    signature: &'a str,
    byte_order: ByteOrder,
}

impl<'a> Body<'a> {
    fn new(message: &'a Message) -> Body<'a> {
        let header = message.header();
        let (signature, byte_order) = (header.signature(), header.byte_order());
        Body { bytes: message.body(), position: 0, signature, byte_order }
    }

    fn number(mut self) -> Result<u32> {
        self.expect("u")?;
        self.take_number()
    }

    fn string(mut self) -> Result<String> {
        self.expect("s")?;
        self.take_string()
    }

    fn strings(mut self) -> Result<Vec<String>> {
        self.expect("as")?;
        let length = usize::try_from(self.take_number()?)?;
        let end = self.position.saturating_add(length);
        let mut strings = Vec::new();
        while self.position < end {
            strings.push(self.take_string()?);
        }
        Ok(strings)
    }

    fn expect(&self, signature: &str) -> Result<()> {
        if self.signature == signature {
            return Ok(());
        }
        Err(format!("an answer has a body of the types {:?}, not {signature:?}", self.signature)
            .into())
    }

    fn take_string(&mut self) -> Result<String> {
        let length = usize::try_from(self.take_number()?)?;
        let text = self.take(length)?.to_vec();
        self.take(1)?;
        Ok(String::from_utf8(text)?)
    }

    fn take_number(&mut self) -> Result<u32> {
        self.position = self.position.next_multiple_of(4);
        let bytes = self.take(4)?.try_into()?;
        Ok(match self.byte_order {
            ByteOrder::Little => u32::from_le_bytes(bytes),
            ByteOrder::Big => u32::from_be_bytes(bytes),
        })
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8]> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let taken = rest.get(..length).ok_or("an answer ends too early")?;
        self.position += length;
        Ok(taken)
    }
}
