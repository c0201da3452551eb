//! The crate zlink: varlink, in which messages do not declare how many descriptors they have.

use std::convert::Infallible;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use anchovy::codec::{
    Attribution, Decoder, Encoder, Framed, FramedRead, FramedWrite, ReadPolicy, ReceiveError,
    ReceivedFds, WritePolicy,
};
use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
use bytes::{BufMut, BytesMut};
use futures_util::{StreamExt, pin_mut};
use interop_tests::{Identity, Scenario, Transcript, identities, memfds, runtime};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zlink::tokio::unix::{Connection, Stream};
use zlink::{Call, Reply};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("a_thousand_pipelined_calls_to_the_peer_keep_their_descriptors", we_call),
    Scenario::new("a_thousand_pipelined_calls_from_the_peer_keep_their_descriptors", it_calls),
    Scenario::new("a_final_reply_keeps_its_descriptors_after_continued_replies", it_continues),
    Scenario::new("descriptors_sent_with_the_next_message_go_to_that_one", next_in_the_same_send),
];

const CALLS: usize = 1000;

/// A message, without its NUL byte, and its descriptors.
type Message = (Value, Vec<OwnedFd>);

#[derive(Clone)]
struct Varlink;

impl Decoder for Varlink {
    type Item = Message;
    type Error = serde_json::Error;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<Message>, ReceiveError<serde_json::Error>> {
        let Some(end) = bytes.iter().position(|byte| *byte == 0) else { return Ok(None) };
        let fds = fds.take_all(end + 1)?.collect();
        let text = bytes.split_to(end + 1);
        let message = serde_json::from_slice(&text[..end]).map_err(ReceiveError::Codec)?;
        Ok(Some((message, fds)))
    }
}

impl Encoder<Message> for Varlink {
    type Error = Infallible;

    fn encode(&mut self, (message, _): &Message, bytes: &mut BytesMut) -> Result<(), Infallible> {
        bytes.put_slice(message.to_string().as_bytes());
        bytes.put_u8(0);
        Ok(())
    }

    fn fds<'a>(&mut self, message: &'a mut Message) -> Option<&'a mut Vec<OwnedFd>> {
        Some(&mut message.1)
    }
}

/// The calls as zlink sends and receives them.
#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "method", content = "parameters")]
enum Method {
    #[serde(rename = "org.example.Echo.Echo")]
    Echo { number: usize },
}

#[derive(Debug, Deserialize, Serialize)]
struct Echoed {
    number: usize,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "error")]
enum NoError {
    #[serde(rename = "org.example.Echo.NoError")]
    NoError,
}

type ReadHalf = FramedRead<DBUS_SCM_RIGHTS, Varlink>;
type WriteHalf = FramedWrite<DBUS_SCM_RIGHTS, Varlink>;

/// Returns our halves and zlink's end of one connection.
fn connected() -> (ReadHalf, WriteHalf, Connection) {
    let (near, far) = UnixStream::pair().expect("a pair");
    let (read, write) = ours(near).into_split();
    (read, write, theirs(far))
}

fn ours(socket: UnixStream) -> Framed<DBUS_SCM_RIGHTS, Varlink> {
    let stream = AnchovyStream::new(socket).expect("a socket");
    let policy = ReadPolicy { attribution: Attribution::LastByte, ..ReadPolicy::default() };
    Framed::with_policies(stream, Varlink, policy, WritePolicy::default())
}

fn theirs(socket: UnixStream) -> Connection {
    Connection::new(Stream::try_from(socket).expect("a socket"))
}

/// Returns the descriptors of a call: every third call has one to five.
fn fds_of(number: usize) -> Vec<OwnedFd> {
    memfds(if number % 3 == 2 { 1 + number % 5 } else { 0 })
}

fn we_call(transcript: &Transcript) {
    runtime().block_on(async {
        let (mut read, mut write, mut zlink) = connected();
        let call = async {
            let mut sent = Vec::new();
            for number in 0..CALLS {
                let fds = fds_of(number);
                sent.push(identities(&fds));
                let parameters = json!({ "number": number });
                let call = json!({ "method": "org.example.Echo.Echo", "parameters": parameters });
                write.feed((call, fds)).await.expect("it is accepted");
            }
            write.flush().await.expect("they are sent");
            sent
        };
        let serve = async {
            for expected in 0..CALLS {
                let (call, fds) = zlink.receive_call::<Method>().await.expect("a call");
                let Method::Echo { number } = *call.method();
                assert_eq!(number, expected);
                let reply = Reply::new(Some(Echoed { number }));
                zlink.send_reply(&reply, fds).await.expect("it is sent");
            }
        };
        let replies = async {
            let mut received = Vec::new();
            for expected in 0..CALLS {
                let (reply, fds) = read.next().await.expect("a reply").expect("no error");
                assert_eq!(reply["parameters"]["number"], expected);
                received.push(identities(fds));
            }
            received
        };
        let (sent, (), received) = tokio::join!(call, serve, replies);
        note(transcript, &sent, &received);
    });
}

fn it_calls(transcript: &Transcript) {
    runtime().block_on(async {
        let (mut read, mut write, mut zlink) = connected();
        let mut sent = Vec::new();
        let calls: Vec<_> = (0..CALLS)
            .map(|number| {
                let fds = fds_of(number);
                sent.push(identities(&fds));
                (Call::new(Method::Echo { number }), fds)
            })
            .collect();
        let call = async {
            let chain = zlink.chain_from_iter_with_fds::<Method, _, _>(calls).expect("a chain");
            let replies = chain.send::<Echoed, NoError>().await.expect("it is sent");
            pin_mut!(replies);
            let mut received = Vec::new();
            while let Some(reply) = replies.next().await {
                let (reply, fds) = reply.expect("a reply");
                let reply = reply.expect("no error").into_parameters().expect("parameters");
                assert_eq!(reply.number, received.len());
                received.push(identities(fds));
            }
            received
        };
        let serve = async {
            // zlink reads no reply before all its calls have left.
            let mut replies = Vec::new();
            for _ in 0..CALLS {
                let (call, fds) = read.next().await.expect("a call").expect("no error");
                replies.push((json!({ "parameters": call["parameters"] }), fds));
            }
            for reply in replies {
                write.feed(reply).await.expect("it is accepted");
            }
            write.flush().await.expect("they are sent");
        };
        let (received, ()) = tokio::join!(call, serve);
        note(transcript, &sent, &received);
    });
}

fn note(transcript: &Transcript, sent: &[Vec<Identity>], received: &[Vec<Identity>]) {
    for (number, (sent, received)) in sent.iter().zip(received).enumerate() {
        assert_eq!(sent, received, "the descriptors of call {number}");
    }
    let with = received.iter().filter(|fds| !fds.is_empty()).count();
    let fds = received.iter().flatten().count();
    let calls = received.len();
    transcript.note(format!("{calls} calls, {with} with descriptors, {fds} descriptors returned"));
}

/// All replies of zlink are in the socket before the first one is read, and one read merges them.
fn it_continues(transcript: &Transcript) {
    runtime().block_on(async {
        let (mut read, mut write, mut zlink) = connected();
        for number in 0..2 {
            let reply = Reply::new(Some(Echoed { number })).set_continues(Some(true));
            zlink.send_reply(&reply, Vec::new()).await.expect("it is sent");
        }
        let fds = memfds(3);
        let expected = identities(&fds);
        let reply = Reply::new(Some(Echoed { number: 2 }));
        zlink.send_reply(&reply, fds).await.expect("it is sent");
        for count in [0, 0, 3] {
            let (reply, fds) = read.next().await.expect("a reply").expect("no error");
            assert_eq!(fds.len(), count);
            if count > 0 {
                crate::dbus::see_close_on_exec(&fds);
                assert_eq!(identities(&fds), expected);
            }
            transcript.note(format!("we < {reply}, {} descriptors", fds.len()));
        }

        // And the other way.
        for (number, fds) in [(0, 0), (1, 0), (2, 3)] {
            let reply = json!({ "parameters": { "number": number }, "continues": number < 2 });
            write.feed((reply, memfds(fds))).await.expect("it is accepted");
        }
        write.flush().await.expect("they are sent");
        for count in [0, 0, 3] {
            let received = zlink.receive_reply::<Echoed, NoError>().await;
            let (reply, fds) = received.expect("a reply");
            let number = reply.expect("no error").into_parameters().expect("parameters").number;
            assert_eq!(fds.len(), count);
            transcript.note(format!("it < reply {number}, {} descriptors", fds.len()));
        }
    });
}

/// A sender that lets the next message follow in the `sendmsg` gets the descriptors attributed to that
/// one, by zlink as by us.
fn next_in_the_same_send(transcript: &Transcript) {
    runtime().block_on(async {
        let replies = b"{\"parameters\":{\"number\":0}}\0{\"parameters\":{\"number\":1}}\0";
        let send = async |socket| {
            let mut sender = AnchovyStream::<DBUS_SCM_RIGHTS>::new(socket).expect("a socket");
            sender.send_with_fds(replies, &memfds(1)).await.expect("it is sent");
        };
        let (near, far) = UnixStream::pair().expect("a pair");
        send(near).await;
        let mut zlink = theirs(far);
        for _ in 0..2 {
            let received = zlink.receive_reply::<Echoed, NoError>().await;
            transcript.note(format!("it < {} descriptors", received.expect("a reply").1.len()));
        }

        let (near, far) = UnixStream::pair().expect("a pair");
        send(near).await;
        let mut ours = ours(far);
        for _ in 0..2 {
            let (_, fds) = ours.next().await.expect("a reply").expect("no error");
            transcript.note(format!("we < {} descriptors", fds.len()));
        }
    });
}
