//! A client that uses abus: SOCKET DESTINATION calls a service on a bus 200 times.
//!
//! xtask builds it outside of the workspace, with abus from crates.io on this repository's anchovy.

use std::num::NonZero;

use abus::{Connection, Header, Message, MessageType, Signature, object_path, signature};
use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};

/// Number of calls that wait for their reply, and then of calls that are sent together.
const CALLS: u32 = 100;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--version"] => println!("abus {}", env!("CARGO_PKG_VERSION")),
        [socket, destination] => calls(socket, destination).await?,
        _ => bail!("arguments: SOCKET DESTINATION, or --version"),
    }
    Ok(())
}

async fn calls(socket: &str, destination: &str) -> Result<()> {
    let mut connection = Connection::connect(socket).await?;
    ensure!(connection.unix_fd_passing(), "the bus does not agree to descriptors");
    println!("connected, with descriptors");

    connection.send(hello()?).await?;
    let name = reply(&mut connection, 1).await?.decode_body::<String>()?;
    ensure!(name.starts_with(':'), "{name} is no unique name");

    for serial in 2..2 + CALLS {
        connection.send(echo(serial, destination)?).await?;
        see_reply(&mut connection, serial).await?;
    }
    println!("{CALLS} calls answered one by one");

    let serials = 2 + CALLS..2 + 2 * CALLS;
    for serial in serials.clone() {
        connection.feed(echo(serial, destination)?).await?;
    }
    connection.flush().await?;
    for serial in serials {
        see_reply(&mut connection, serial).await?;
    }
    println!("{CALLS} calls answered together");
    Ok(())
}

fn hello() -> Result<Message> {
    const BUS: &str = "org.freedesktop.DBus";
    let mut header = Header::new(MessageType::MethodCall, NonZero::new(1).context("not zero")?);
    header.set_path(object_path!("/org/freedesktop/DBus")).set_interface(BUS);
    header.set_member("Hello").set_destination(BUS);
    Ok(Message { header, body: Bytes::new() })
}

/// Returns a call with a text that depends on its serial. The longest ones exceed abus's buffers
/// (8 KiB).
fn echo(serial: u32, destination: &str) -> Result<Message> {
    const TEXT: &Signature = signature!("s");
    let mut header =
        Header::new(MessageType::MethodCall, NonZero::new(serial).context("not zero")?);
    header.set_path(object_path!("/org/example/Test")).set_interface("org.example.Test");
    header.set_member("Echo").set_destination(destination).set_signature(TEXT);
    let text = text(serial);
    let mut body = u32::try_from(text.len())?.to_ne_bytes().to_vec();
    body.extend_from_slice(text.as_bytes());
    body.push(0);
    Ok(Message { header, body: body.into() })
}

fn text(serial: u32) -> String {
    format!("{serial} ").repeat(20 * serial as usize)
}

async fn see_reply(connection: &mut Connection, serial: u32) -> Result<()> {
    let reply = reply(connection, serial).await?;
    ensure!(reply.decode_body::<String>()? == text(serial), "another text in reply {serial}");
    Ok(())
}

/// Receives messages up to a reply, which must be the next one.
async fn reply(connection: &mut Connection, serial: u32) -> Result<Message> {
    loop {
        let message = connection.next().await.context("the bus has disconnected")??;
        match message.header.message_type {
            MessageType::MethodReturn => {
                let answered = message.header.reply_serial;
                ensure!(answered == Some(serial), "{answered:?} instead of {serial} answered");
                return Ok(message);
            }
            MessageType::Error => bail!("call {serial}: {:?}", message.header.error_name()),
            _ => {} // A signal: the bus announces our name.
        }
    }
}
