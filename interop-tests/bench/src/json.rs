//! Calls and replies in JSON, each message with a NUL byte at its end, as varlink has them.

use std::io;
use std::marker::PhantomData;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::time::{Duration, Instant};

use anchovy::DBUS_SCM_RIGHTS;
use anchovy::codec::{
    Attribution, Decoder, Encoder, Framed, ReadPolicy, ReceiveError, ReceivedFds, WritePolicy,
};
use bytes::{BufMut, BytesMut};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt;
use zlink::tokio::unix::{Connection, Stream};
use zlink::{Call, Reply};

use crate::Ours;
use crate::baseline::{Baseline, Messages};
use crate::contestant::Contestant;
use crate::work::{run, together};

const CALLS: u32 = 1_500;

#[derive(Debug, Deserialize, Serialize)]
#[serde(tag = "method", content = "parameters")]
enum Method {
    #[serde(rename = "org.example.Bench.Echo")]
    Echo { number: u32 },
}

#[derive(Debug, Deserialize, Serialize)]
struct Echoed {
    number: u32,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "error")]
enum NoError {
    #[serde(rename = "org.example.Bench.NoError")]
    NoError,
}

#[derive(Deserialize, Serialize)]
struct Parameters {
    parameters: Echoed,
}

/// Sends messages of type `O`, and receives messages of type `I`.
struct Json<I, O>(PhantomData<(I, O)>);

impl<I: DeserializeOwned, O> Decoder for Json<I, O> {
    type Item = I;
    type Error = io::Error;

    fn decode(
        &mut self,
        bytes: &mut BytesMut,
        fds: &mut ReceivedFds<'_>,
    ) -> Result<Option<I>, ReceiveError<io::Error>> {
        let Some(end) = bytes.iter().position(|byte| *byte == 0) else { return Ok(None) };
        fds.take_all(end + 1)?.for_each(drop);
        let text = bytes.split_to(end + 1);
        let message = serde_json::from_slice(&text[..end]);
        message.map(Some).map_err(|error| ReceiveError::Codec(error.into()))
    }
}

impl<I, O: Serialize> Encoder<O> for Json<I, O> {
    type Error = io::Error;

    fn encode(&mut self, message: &O, bytes: &mut BytesMut) -> io::Result<()> {
        serde_json::to_writer((&mut *bytes).writer(), message)?;
        bytes.put_u8(0);
        Ok(())
    }
}

fn framed<I: DeserializeOwned, O: Serialize>(
    stream: Ours,
) -> Framed<{ DBUS_SCM_RIGHTS }, Json<I, O>> {
    let policy = ReadPolicy { attribution: Attribution::LastByte, ..ReadPolicy::default() };
    Framed::with_policies(stream, Json(PhantomData), policy, WritePolicy::default())
}

pub(crate) fn calls_ours() -> Duration {
    run(async {
        let (near, far) = Ours::pair().expect("a pair");
        let mut near = framed::<Parameters, Method>(near);
        let mut far = framed::<Method, Parameters>(far);
        let serve = async move {
            while let Some(call) = far.next().await {
                let Method::Echo { number } = call.expect("a call");
                let reply = Parameters { parameters: Echoed { number } };
                far.send(reply).await.expect("the near end is there");
            }
        };
        let drive = async move {
            let start = Instant::now();
            for number in 0..CALLS {
                near.send(Method::Echo { number }).await.expect("the far end is there");
                let reply = near.next().await.expect("it is answered").expect("a reply");
                assert_eq!(reply.parameters.number, number);
            }
            start.elapsed() / CALLS
        };
        together(serve, drive).await
    })
}

pub(crate) fn calls_zlink() -> Duration {
    run(async {
        let (near, far) = StdUnixStream::pair().expect("a pair");
        let [mut near, mut far] =
            [near, far].map(|end| Connection::new(Stream::try_from(end).expect("a socket")));
        let serve = async move {
            for _ in 0..CALLS {
                let (call, fds) = far.receive_call::<Method>().await.expect("a call");
                let Method::Echo { number } = *call.method();
                let reply = Reply::new(Some(Echoed { number }));
                far.send_reply(&reply, fds).await.expect("the near end is there");
            }
        };
        let drive = async move {
            let start = Instant::now();
            for number in 0..CALLS {
                let call = Call::new(Method::Echo { number });
                let reply = near.call_method::<_, Echoed, NoError>(&call, Vec::new()).await;
                let reply = reply.expect("it is answered").0.expect("no error");
                assert_eq!(reply.into_parameters().expect("parameters").number, number);
            }
            start.elapsed() / CALLS
        };
        together(serve, drive).await
    })
}

pub(crate) fn calls_baseline() -> Duration {
    fn message_len(bytes: &[u8]) -> Option<usize> {
        Some(bytes.iter().position(|byte| *byte == 0)? + 1)
    }
    run(async {
        let (near, far) = Baseline::<true>::pair();
        let [mut near, mut far] = [near, far].map(|end| Messages::new(end, message_len));
        let call = b"{\"method\":\"org.example.Bench.Echo\",\"parameters\":{\"number\":1000}}\0";
        let reply = b"{\"parameters\":{\"number\":1000}}\0";
        let serve = async move {
            while far.next().await.is_some() {
                far.stream.write_all(reply).await.expect("the near end is there");
            }
        };
        let drive = async move {
            let start = Instant::now();
            for _ in 0..CALLS {
                near.stream.write_all(call).await.expect("the far end is there");
                near.next().await.expect("it is answered");
            }
            start.elapsed() / CALLS
        };
        together(serve, drive).await
    })
}
