//! Makes JSON calls that carry descriptors, similar to varlink:
//! `cargo run -p anchovy --features codec --example calls`
//!
//! A message is a JSON object and a NUL byte. The member `fds` of the object is the number of
//! descriptors of the message, and the parameters refer to them by index. The protocol consists of
//! a [`Decoder`] and an [`Encoder`]. The codec assigns descriptors to messages, sends them with the
//! bytes of their message, and enforces the limits for slow readers and hostile peers.
//!
//! Client and server are two tasks of one process. The client sends three calls: `Greet` has no
//! descriptor, `CountLines` sends two files, and the reply to `OpenPipe` carries the read end of a
//! pipe.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;

use anchovy::codec::{Decoder, Encoder, Framed, ReceiveError, ReceivedFds};
use anchovy::{AnchovyStream, cmsg_space};
use bytes::{BufMut, BytesMut};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::pipe::{PipeFlags, pipe_with};
use serde_json::{Value, json};

/// Size of the ancillary buffer: at most four descriptors in a message.
const SPACE: usize = cmsg_space!(ScmRights(4));
/// Maximum number of bytes that a message may have before its NUL byte arrives.
const MAX_LEN: usize = 64 << 10;

/// A call or a reply.
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
            let too_long = ReceiveError::FrameTooLong { length, limit: MAX_LEN };
            return if length > MAX_LEN { Err(too_long) } else { Ok(None) };
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

/// Returns an error of the protocol, as opposed to one of the stream.
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

/// Sends three calls before it reads the first reply, then one call with too many descriptors.
///
/// The replies arrive in the order of the calls.
async fn ask(mut server: Framed<SPACE, Json>) -> io::Result<()> {
    let files = vec![file("one\ntwo\n")?, file("one\ntwo\nthree\n")?];
    server.feed(call("Greet", json!({ "name": "anchovy" }), vec![])).await?;
    server.feed(call("CountLines", json!({ "files": [0, 1] }), files)).await?;
    server.send(call("OpenPipe", json!({}), vec![])).await?;

    let greeting = reply(&mut server).await?;
    println!("client: received the greeting {}", greeting.object["greeting"]);

    let counts = reply(&mut server).await?;
    println!("client: received the line counts {}", counts.object["lines"]);
    assert_eq!(counts.object["lines"], json!([2, 3]));

    let mut pipe = reply(&mut server).await?;
    let mut content = String::new();
    File::from(pipe.fds.remove(0)).read_to_string(&mut content)?;
    println!("client: read {content:?} from the pipe");

    // A message that exceeds a limit is returned to the caller. The stream remains usable.
    let five = (0..5).map(|_| file("")).collect::<io::Result<Vec<_>>>()?;
    let error = server.send(call("CountLines", json!({}), five)).await.unwrap_err();
    let message = error.unsent.expect("a rejected message is returned");
    println!("client: kept {} descriptors that were not sent: {}", message.fds.len(), error.kind);
    server.close().await?;
    Ok(())
}

/// Replies to each call until the client closes the connection.
async fn serve(mut client: Framed<SPACE, Json>) -> io::Result<()> {
    while let Some(call) = client.next().await {
        let Message { object, fds } = call?;
        println!("server: received {object} with {} descriptors", fds.len());
        let reply = match object["method"].as_str() {
            Some("Greet") => message(json!({ "greeting": "hello" }), vec![]),
            Some("CountLines") => {
                let texts = fds.into_iter().map(|fd| io::read_to_string(File::from(fd)));
                let lines = texts.map(|text| Ok(text?.lines().count()));
                message(json!({ "lines": lines.collect::<io::Result<Vec<_>>>()? }), vec![])
            }
            Some("OpenPipe") => {
                let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
                File::from(writer).write_all(b"written by the server")?;
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

/// Returns a message with the member `fds` set to the number of descriptors.
fn message(mut object: Value, fds: Vec<OwnedFd>) -> Message {
    if !fds.is_empty() {
        object["fds"] = fds.len().into();
    }
    Message { object, fds }
}

/// Creates a file that has no path, with its position at the start.
fn file(text: &str) -> io::Result<OwnedFd> {
    let mut file = File::from(memfd_create("text", MemfdFlags::CLOEXEC)?);
    file.write_all(text.as_bytes())?;
    file.rewind()?;
    Ok(file.into())
}
