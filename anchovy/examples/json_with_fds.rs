//! Sends an open file and a listening socket to another process in one JSON message:
//! `cargo run -p anchovy --features codec --example json_with_fds`. The parent starts this program
//! again as its child, which reads the file, accepts a connection and replies.

use std::{convert::Infallible, fs, fs::File, io, os::fd::OwnedFd, path::Path};

use anchovy::codec::{Decoder, Encoder, Framed, ReceiveError, ReceivedFds};
use anchovy::{UnixListener, UnixStream};
use anyhow::{Context, bail, ensure};
use bytes::{BufMut, BytesMut};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

/// A message and its descriptors. Its encoding is a line: `{"fds":2,"body":…}`.
struct Message {
    body: Value,
    fds: Vec<OwnedFd>,
}

struct Json;

impl Encoder<Message> for Json {
    type Error = Infallible;

    fn encode(&mut self, message: &Message, bytes: &mut BytesMut) -> Result<(), Infallible> {
        let line = json!({ "fds": message.fds.len(), "body": message.body });
        bytes.put_slice(format!("{line}\n").as_bytes());
        Ok(())
    }

    fn fds<'a>(&mut self, message: &'a mut Message) -> Option<&'a mut Vec<OwnedFd>> {
        Some(&mut message.fds)
    }
}

impl Decoder for Json {
    type Item = Message;
    type Error = serde_json::Error;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<Message>, ReceiveError<serde_json::Error>> {
        // Without a line feed, the message is incomplete.
        let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return Ok(None) };
        let mut line: Value = serde_json::from_slice(&bytes[..end]).map_err(ReceiveError::Codec)?;
        let count = line["fds"].as_u64().unwrap_or_default() as usize;
        let fds = fds.take(end + 1, count)?.into_vec(); // fails if fewer have arrived
        drop(bytes.split_to(end + 1));
        let body = line.get_mut("body").map(Value::take).unwrap_or_default();
        Ok(Some(Message { body, fds }))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    match std::env::args_os().nth(1) {
        None => parent().await,
        Some(path) => child(path.as_ref()).await,
    }
}

async fn parent() -> anyhow::Result<()> {
    let directory = tempfile::tempdir()?; // private to this user, and removed at the end
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path)?;
    let mut child = Command::new(std::env::current_exe()?).arg(&path).spawn()?;
    let mut socket = tokio::select! {
        accepted = listener.accept() => Framed::new(accepted?.0, Json),
        status = child.wait() => bail!("the child did not connect: {}", status?),
    };
    let text = directory.path().join("text");
    fs::write(&text, "written by the parent")?;
    let tcp = TcpListener::bind("127.0.0.1:0").await?;
    let address = tcp.local_addr()?;
    let fds = vec![File::open(&text)?.into(), tcp.into_std()?.into()];
    socket.send(Message { body: json!({ "actions": ["read", "accept"] }), fds }).await?;

    let mut greeting = String::new();
    TcpStream::connect(address).await?.read_to_string(&mut greeting).await?;
    println!("parent: received over TCP: {greeting}");
    let answer = socket.next().await.context("the child closed the socket")??;
    println!("parent: received the reply {}", answer.body);
    ensure!(child.wait().await?.success(), "the child failed");
    Ok(())
}

async fn child(path: &Path) -> anyhow::Result<()> {
    let mut socket = Framed::new(UnixStream::connect(path).await?, Json);
    let Message { body, fds } = socket.next().await.context("the parent closed the socket")??;
    println!("child: received the request {body}");
    let [file, tcp] = <[OwnedFd; 2]>::try_from(fds).ok().context("expected two descriptors")?;

    let text = io::read_to_string(File::from(file))?;
    // `from_std` needs a non-blocking socket. This one is: both processes share its open file.
    let (mut connection, _) = TcpListener::from_std(tcp.into())?.accept().await?;
    connection.write_all(b"hello").await?;
    drop(connection);
    socket.send(Message { body: json!({ "file": text }), fds: vec![] }).await?;
    Ok(())
}
