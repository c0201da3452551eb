//! A protocol of one's own: JSON calls with descriptors, as varlink has them.
//!
//! A message is a JSON object and a NUL byte. Its member `fds` says how many descriptors it has; in
//! its parameters they go by number. All that a protocol needs is a [`Decoder`] and an [`Encoder`]:
//! which descriptors are whose, where they ride, what a slow reader means and what a hostile peer
//! gets is the codec's business.
//!
//! Client and server are two tasks here. The client asks the server to count the lines of files
//! that only the client has open, and to give it a pipe.
//!
//! ```text
//! cargo run -p anchovy --features codec --example calls
//! ```

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;

use anchovy::codec::{Decoder, Encoder, Framed, ReceiveError, ReceivedFds};
use anchovy::{AnchovyStream, cmsg_space};
use bytes::{BufMut, BytesMut};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::pipe::{PipeFlags, pipe_with};
use serde_json::{Value, json};

/// With room for four descriptors in a message.
const SPACE: usize = cmsg_space!(ScmRights(4));
/// Longer messages are refused.
const LONGEST: usize = 64 << 10;

/// A call or a reply: an object, and its descriptors.
#[derive(Debug)]
struct Message {
    object: Value,
    fds: Vec<OwnedFd>,
}

struct Json;

impl Decoder for Json {
    type Item = Message;
    type Error = io::Error;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<Message>, ReceiveError<io::Error>> {
        let Some(end) = bytes.iter().position(|byte| *byte == 0) else {
            let length = bytes.len();
            let too_long = ReceiveError::FrameTooLong { length, limit: LONGEST };
            return if length > LONGEST { Err(too_long) } else { Ok(None) };
        };
        let length = end + 1;
        let object: Value = serde_json::from_slice(&bytes[..end]).map_err(rejected)?;
        let count = object.get("fds").and_then(Value::as_u64).unwrap_or(0);
        let count = usize::try_from(count).map_err(|error| rejected(io::Error::other(error)))?;
        let fds = fds.take(length, count)?.into_vec();
        drop(bytes.split_to(length));
        Ok(Some(Message { object, fds }))
    }
}

/// An error of the codec itself.
fn rejected(error: impl Into<io::Error>) -> ReceiveError<io::Error> {
    ReceiveError::Codec(error.into())
}

impl Encoder<Message> for Json {
    type Error = io::Error;

    fn encode(&mut self, message: &Message, bytes: &mut BytesMut) -> io::Result<()> {
        serde_json::to_writer(bytes.writer(), &message.object)?;
        bytes.put_u8(0);
        Ok(())
    }

    fn fds<'a>(&mut self, message: &'a mut Message) -> Option<&'a mut Vec<OwnedFd>> {
        Some(&mut message.fds)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let (client, server) = AnchovyStream::<SPACE>::pair()?;
    let server = tokio::spawn(serve(Framed::new(server, Json)));
    ask(Framed::new(client, Json)).await?;
    Ok(server.await??)
}

/// Asks three things at once, and takes the replies in order.
async fn ask(mut server: Framed<SPACE, Json>) -> io::Result<()> {
    let poem = text("a descriptor\nis not a number\n")?;
    let list = text("one\ntwo\nthree\n")?;
    server.feed(call("Greet", json!({ "name": "anchovy" }), vec![])).await?;
    server.feed(call("CountLines", json!({ "files": [0, 1] }), vec![poem, list])).await?;
    server.send(call("OpenPipe", json!({}), vec![])).await?;

    let greeting = reply(&mut server).await?;
    println!("client: the server says {}", greeting.object["says"]);

    let counts = reply(&mut server).await?;
    println!("client: the files have {} lines", counts.object["lines"]);
    assert_eq!(counts.object["lines"], json!([2, 3]));

    let mut pipe = reply(&mut server).await?;
    let mut said = String::new();
    File::from(pipe.fds.remove(0)).read_to_string(&mut said)?;
    println!("client: the pipe says {said:?}");

    // One descriptor too many for a message: it comes back, and the stream goes on.
    let five = (0..5).map(|_| text("")).collect::<io::Result<Vec<_>>>()?;
    let refused = server.send(call("CountLines", json!({}), five)).await.unwrap_err();
    let message = refused.unsent.expect("it was refused");
    println!("client: {} descriptors came back: {}", message.fds.len(), refused.kind);
    server.close().await?;
    Ok(())
}

async fn serve(mut client: Framed<SPACE, Json>) -> io::Result<()> {
    while let Some(call) = client.next().await {
        let Message { object, fds } = call?;
        println!("server: {object} with {} descriptors", fds.len());
        let reply = match object["method"].as_str() {
            Some("Greet") => message(json!({ "says": "hello" }), vec![]),
            Some("CountLines") => {
                let texts = fds.into_iter().map(|fd| io::read_to_string(File::from(fd)));
                let lines = texts.map(|text| Ok(text?.lines().count()));
                message(json!({ "lines": lines.collect::<io::Result<Vec<_>>>()? }), vec![])
            }
            Some("OpenPipe") => {
                let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
                File::from(writer).write_all(b"from the server, by pipe")?;
                message(json!({}), vec![reader])
            }
            _ => message(json!({ "error": "MethodNotFound" }), vec![]),
        };
        client.send(reply).await?;
    }
    Ok(())
}

async fn reply(server: &mut Framed<SPACE, Json>) -> io::Result<Message> {
    Ok(server.next().await.ok_or(io::ErrorKind::UnexpectedEof)??)
}

fn call(method: &str, parameters: Value, fds: Vec<OwnedFd>) -> Message {
    message(json!({ "method": method, "parameters": parameters }), fds)
}

/// Says with the object how many descriptors it has.
fn message(mut object: Value, fds: Vec<OwnedFd>) -> Message {
    if !fds.is_empty() {
        object["fds"] = fds.len().into();
    }
    Message { object, fds }
}

/// A file that nobody else could open.
fn text(text: &str) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create("text", MemfdFlags::CLOEXEC)?);
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file.into())
}
