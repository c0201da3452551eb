//! Prints the owner of a name on the session bus, then sends a descriptor to itself over the bus.
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::fd::OwnedFd;

use anchovy_dbus::{Client, Message};
use anyhow::Context;
use zbus::Fd;

const BUS: &str = "org.freedesktop.DBus";

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let name = std::env::args().nth(1).context("usage: get_name_owner NAME")?;
    let mut bus = Client::session().await?;
    let call = Message::method_call("/org/freedesktop/DBus", "GetNameOwner")
        .destination(BUS)
        .interface(BUS)
        .body_of(&name)
        .build()?;
    let reply =
        bus.call(call).await.with_context(|| format!("cannot find the owner of {name:?}"))?;
    println!("{name} is owned by {}", reply.body_as::<String>()?);

    let me = bus.unique_name().context("the bus gave no name")?.to_owned();
    let mut file = tempfile::tempfile()?;
    file.write_all(b"hello from a file")?;
    file.rewind()?;
    let call = Message::method_call("/", "Print").destination(&me).body_of(&Fd::from(&file));
    bus.send(call.build()?).await?;
    while let Some(message) = bus.receive().await? {
        if message.header().member() == Some("Print") {
            let mut text = String::new();
            File::from(OwnedFd::from(message.body_as::<zbus::OwnedFd>()?))
                .read_to_string(&mut text)?;
            println!("received {text:?}");
            break;
        }
    }
    Ok(())
}
