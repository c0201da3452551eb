//! anyio's `send_fds` and `receive_fds` on asyncio, whose sockets wait as ours do.

use std::path::Path;

use anchovy::AnchovyListener;
use interop_tests::{Directory, Program, Scenario, Transcript, identities, runtime};
use tokio::io::AsyncReadExt;

use super::*;
use crate::dbus::{Script, see_close_on_exec, written};

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("descriptors_are_exchanged_with_a_peer_that_connects", it_connects),
    Scenario::new("descriptors_are_exchanged_with_a_peer_that_listens", it_listens),
    Scenario::new("a_peer_that_waits_for_room_loses_no_descriptor", it_waits_for_room),
];

/// Number of messages, which is many times as many as the send buffer of the peer takes.
const MESSAGES: u32 = 900;

fn anyio(work: &str, path: &Path) -> Program {
    Program::start(Script("anyio_peer.py").command().arg(work).arg(path).arg(MESSAGES.to_string()))
}

fn it_connects(transcript: &Transcript) {
    runtime().block_on(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = AnchovyListener::bind(&path).expect("a new path");
        let python = anyio("connect", &path);
        let (stream, _) = listener.accept().await.expect("a client");
        both_ways(stream, python, transcript).await;
    });
}

fn it_listens(transcript: &Transcript) {
    runtime().block_on(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let mut python = anyio("listen", &path);
        assert_eq!(python.line().await, "listening");
        let stream = Stream::connect(&path).await.expect("it listens");
        both_ways(stream, python, transcript).await;
    });
}

/// Receives the descriptors of the peer, and sends ours, which it returns.
async fn both_ways(mut stream: Stream, mut python: Program, transcript: &Transcript) {
    let mut message = [0; 64];
    let received = stream.recv(&mut message).await.expect("a message");
    let text = String::from_utf8_lossy(&message[..received.bytes]).into_owned();
    transcript.note(format!("we < {text}, {} descriptors", received.fds));
    let fds: Vec<_> = stream.read_queue_mut().drain(..).collect();
    see_close_on_exec(&fds);
    assert_eq!(python.line().await, format!("sent {}", written(&identities(&fds))));
    exchange(&mut stream, &[0, 1, 2, 3, 16, 252, 253], transcript).await;
    hang_up(stream, python).await;
}

fn it_waits_for_room(transcript: &Transcript) {
    runtime().block_on(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = AnchovyListener::bind(&path).expect("a new path");
        let mut python = anyio("flood", &path);
        let (mut stream, _): (Stream, _) = listener.accept().await.expect("a client");
        let descriptors = python.line().await;
        assert_eq!(python.line().await, "waits");
        let (mut sent, mut number) = (Vec::new(), [0; 4]);
        for expected in 0..MESSAGES {
            let received = stream.recv(&mut number).await.expect("a message");
            assert_eq!((received.bytes, received.fds), (4, 1));
            assert_eq!(u32::from_be_bytes(number), expected);
            sent.extend(identities(stream.read_queue_mut().drain(..)));
        }
        assert_eq!(stream.read(&mut number).await.expect("the end"), 0);
        assert_eq!(descriptors, format!("sent {}", written(&sent[..3])));
        assert!(sent.chunks(3).all(|three| three == &sent[..3]), "each with its message");
        transcript.note(format!("we < {MESSAGES} messages, each with its descriptor"));
        python.ended().await;
    });
}
