//! The benchmarks with zbus.

use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use zbus::connection::Builder;
use zbus::{Connection, Fd, Guid, Message, MessageStream, OwnedGuid};

use super::{
    BATCH, CALLS, CONNECTS, IDLE, INTERFACE, MANY, MEMBER, PATH, PLAIN, WITH_FD, WITH_MANY, address,
};
use crate::live;
use crate::work::{null, run, together};

async fn pair() -> (Connection, Connection) {
    handshake(&Guid::generate().into()).await
}

async fn handshake(guid: &OwnedGuid) -> (Connection, Connection) {
    let (near, far) = UnixStream::pair().expect("a pair");
    let client = Builder::unix_stream(near).p2p().build();
    let server = Builder::unix_stream(far).server(guid.clone()).p2p().build();
    let (client, server) = tokio::join!(client, server);
    (client.expect("a client"), server.expect("a server"))
}

pub(super) fn signal(number: u32) -> Message {
    let signal = Message::signal(PATH, INTERFACE, MEMBER);
    signal.build(&number).expect("a good signal")
}

/// Measures the time per message of `count` messages that `write` sends.
fn stream<W: Future<Output = ()> + Send + 'static>(
    count: u32,
    write: impl FnOnce(Connection) -> W,
) -> Duration {
    run(async {
        let (near, far) = pair().await;
        let mut far = MessageStream::from(far);
        let read = async move {
            let start = Instant::now();
            for _ in 0..count {
                let message = far.next().await.expect("it was sent").expect("a message");
                assert_eq!(message.header().member().expect("a member"), MEMBER);
            }
            start.elapsed() / count
        };
        together(write(near), read).await
    })
}

pub(crate) fn signals() -> Duration {
    stream(PLAIN, async |near: Connection| {
        for number in 0..PLAIN {
            near.send(&signal(number)).await.expect("the far end is there");
        }
    })
}

/// Sends the same message repeatedly. anchovy-dbus cannot do that: it assigns a serial to each message
/// when it sends it.
pub(crate) fn signals_built_once() -> Duration {
    stream(PLAIN, async |near: Connection| {
        let signal = signal(0);
        for _ in 0..PLAIN {
            near.send(&signal).await.expect("the far end is there");
        }
    })
}

pub(crate) fn signals_in_batches() -> Duration {
    stream(PLAIN, async |near: Connection| {
        let mut number = 0;
        while number < PLAIN {
            let batch = number..PLAIN.min(number + BATCH);
            number = batch.end;
            let signals: Vec<Message> = batch.map(signal).collect();
            near.send_all(&signals).await.expect("the far end is there");
        }
    })
}

pub(crate) fn signals_with_fd() -> Duration {
    let null = null();
    stream(WITH_FD, async move |near: Connection| {
        for _ in 0..WITH_FD {
            // A message owns its descriptors, so zbus duplicates borrowed ones.
            let signal = Message::signal(PATH, INTERFACE, MEMBER);
            let signal = signal.build(&Fd::from(&null)).expect("a good signal");
            near.send(&signal).await.expect("the far end is there");
        }
    })
}

pub(crate) fn signals_with_many_fds() -> Duration {
    let null = null();
    stream(WITH_MANY, async move |near: Connection| {
        for _ in 0..WITH_MANY {
            let signal = Message::signal(PATH, INTERFACE, MEMBER);
            let fds: Vec<Fd<'_>> = (0..MANY).map(|_| Fd::from(&null)).collect();
            near.send(&signal.build(&fds).expect("a good signal")).await.expect("it is there");
        }
    })
}

/// Answers every call.
async fn serve(connection: Connection) {
    let mut calls = MessageStream::from(&connection);
    while let Some(Ok(call)) = calls.next().await {
        connection.reply(&call.header(), &()).await.expect("the far end is there");
    }
}

async fn call(connection: &Connection) {
    let called = connection.call_method(None::<()>, PATH, Some(INTERFACE), "Ping", &()).await;
    called.expect("it is answered");
}

pub(crate) fn calls() -> Duration {
    run(async {
        let (near, far) = pair().await;
        let drive = async move {
            let start = Instant::now();
            for _ in 0..CALLS {
                call(&near).await;
            }
            start.elapsed() / CALLS
        };
        together(serve(far), drive).await
    })
}

pub(crate) fn connect() -> Duration {
    run(async {
        let guid = Guid::generate().into();
        let start = Instant::now();
        for _ in 0..CONNECTS {
            let _both = handshake(&guid).await;
        }
        start.elapsed() / CONNECTS
    })
}

pub(crate) fn connect_to_daemon() -> Duration {
    run(async {
        let start = Instant::now();
        for _ in 0..CONNECTS {
            let bus = Builder::address(address()).build().await.expect("the bus is there");
            assert!(bus.unique_name().is_some(), "Hello was answered");
        }
        start.elapsed() / CONNECTS
    })
}

pub(crate) fn idle() -> usize {
    let connections = |count: usize| async move {
        let mut kept = Vec::with_capacity(count);
        for _ in 0..count {
            let (near, far) = pair().await;
            tokio::spawn(serve(far));
            call(&near).await;
            kept.push(near);
        }
        tokio::task::yield_now().await;
        kept
    };
    let runtime = crate::work::runtime();
    // The first connection allocates memory that all connections share.
    let _first = runtime.block_on(connections(1));
    let (bytes, _kept) = live::bytes_of(|| runtime.block_on(connections(IDLE)));
    bytes / (2 * IDLE)
}
