//! Lists the names on a bus, and the processes of the connections.
//!
//! ```text
//! cargo run -p anchovy-dbus --features zbus --example bus_client
//! cargo run -p anchovy-dbus --features zbus --example bus_client unix:path=/run/dbus/system_bus_socket
//! ```

use std::io::Write;

use anchovy_dbus::{Addresses, CallError, Client, Connection, Message};
use anyhow::bail;

const HELP: &str = "\
Usage: bus_client [ADDRESS]

Lists the names on the bus at ADDRESS, or on the session bus.";

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    // An address is ASCII, so the conversion changes no valid address.
    let arguments: Vec<_> = arguments.iter().map(|argument| argument.to_string_lossy()).collect();
    let addresses = match arguments.iter().map(|argument| &**argument).collect::<Vec<_>>()[..] {
        ["--help" | "-h"] => {
            println!("{HELP}");
            return Ok(());
        }
        [] => Addresses::session()?,
        [address] if !address.starts_with('-') => Addresses::try_from(address)?,
        _ => bail!("invalid arguments\n\n{HELP}"),
    };
    list(&addresses).await
}

async fn list(addresses: &Addresses) -> anyhow::Result<()> {
    let mut bus = Client::new().connect(addresses).await?;
    // `println` panics if stdout is a pipe that has been closed.
    let mut out = std::io::stdout().lock();
    writeln!(out, "bus {}", bus.guid())?;
    writeln!(out, "descriptor passing: {}", if bus.unix_fds() { "yes" } else { "no" })?;
    writeln!(out, "unique name {}", bus.hello().await?)?;

    let mut names: Vec<String> = bus.call(bus_call("ListNames").build()?).await?.body_as()?;
    names.sort();
    for name in names {
        // A name that starts with a colon is the unique name of a connection.
        if !name.starts_with(':') {
            writeln!(out, "{name}")?;
            continue;
        }
        match process_of(&mut bus, &name).await? {
            Ok(process) => writeln!(out, "{name}  process {process}")?,
            // The connection may have been closed since.
            Err(error) => writeln!(out, "{name}  {error}")?,
        }
    }
    bus.shutdown().await?;
    Ok(())
}

/// Asks the bus for the process of a connection.
async fn process_of(bus: &mut Connection, name: &str) -> anyhow::Result<Result<u32, CallError>> {
    let call = bus_call("GetConnectionUnixProcessID").body_of(name).build()?;
    Ok(match bus.call(call).await {
        Ok(reply) => Ok(reply.body_as()?),
        Err(error) => Err(error),
    })
}

/// Returns a builder for the call of a method of the bus.
fn bus_call(member: &str) -> anchovy_dbus::MessageBuilder<'_> {
    const BUS: &str = "org.freedesktop.DBus";
    Message::method_call("/org/freedesktop/DBus", member).interface(BUS).destination(BUS)
}
