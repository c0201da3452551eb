//! The benchmarks with anchovy-dbus.

use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anchovy_dbus::{Addresses, Client, Connection, Guid, Message, Server};
use futures_util::StreamExt;
use tokio::net::UnixStream;

use super::{
    BATCH, CALLS, CONNECTS, IDLE, INTERFACE, MANY, MEMBER, PATH, PLAIN, WITH_FD, WITH_MANY, address,
};
use crate::live;
use crate::work::{null, run, together};

async fn pair() -> (Connection, Connection) {
    let server = Server::new(Guid::generate().expect("a guid"));
    handshake(&server).await
}

async fn handshake(server: &Server) -> (Connection, Connection) {
    let (near, far) = UnixStream::pair().expect("a pair");
    let client = Client::new();
    let (client, server) = tokio::join!(client.handshake(near), server.handshake(far));
    (client.expect("a client"), server.expect("a server"))
}

pub(super) fn signal(number: u32) -> Message {
    Message::signal(PATH, INTERFACE, MEMBER)
        .body("u", number.to_ne_bytes().to_vec())
        .build()
        .expect("a good signal")
}

/// A signal with descriptors, of which its body refers to the first one.
pub(super) fn signal_with_fds(fds: impl IntoIterator<Item = OwnedFd>) -> Message {
    Message::signal(PATH, INTERFACE, MEMBER)
        .body("h", 0_u32.to_ne_bytes().to_vec())
        .fds(fds)
        .build()
        .expect("a good signal")
}

/// Measures the time per message of `count` messages that `write` sends.
fn stream<W: Future<Output = ()> + Send + 'static>(
    count: u32,
    write: impl FnOnce(Connection) -> W,
) -> Duration {
    run(async {
        let (near, mut far) = pair().await;
        let read = async move {
            let start = Instant::now();
            for _ in 0..count {
                let message = far.next().await.expect("it was sent").expect("a message");
                assert_eq!(message.header().member(), Some(MEMBER));
            }
            start.elapsed() / count
        };
        together(write(near), read).await
    })
}

pub(crate) fn signals() -> Duration {
    stream(PLAIN, async |mut near: Connection| {
        for number in 0..PLAIN {
            near.send(signal(number)).await.expect("the far end is there");
        }
    })
}

pub(crate) fn signals_in_batches() -> Duration {
    stream(PLAIN, async |mut near: Connection| {
        for number in 0..PLAIN {
            near.feed(signal(number)).await.expect("the far end is there");
            if (number + 1) % BATCH == 0 {
                near.flush().await.expect("the far end is there");
            }
        }
        near.flush().await.expect("the far end is there");
    })
}

pub(crate) fn signals_fed() -> Duration {
    stream(PLAIN, async |mut near: Connection| {
        for number in 0..PLAIN {
            near.feed(signal(number)).await.expect("the far end is there");
        }
        near.flush().await.expect("the far end is there");
    })
}

pub(crate) fn signals_with_fd() -> Duration {
    let null = null();
    stream(WITH_FD, async move |mut near: Connection| {
        for _ in 0..WITH_FD {
            let fd = null.try_clone().expect("a duplicate");
            near.send(signal_with_fds([fd])).await.expect("the far end is there");
        }
    })
}

pub(crate) fn signals_with_many_fds() -> Duration {
    let null = null();
    stream(WITH_MANY, async move |mut near: Connection| {
        for _ in 0..WITH_MANY {
            let fds = (0..MANY).map(|_| null.try_clone().expect("a duplicate"));
            near.send(signal_with_fds(fds)).await.expect("the far end is there");
        }
    })
}

pub(crate) fn signals_with_fd_fed() -> Duration {
    let null = null();
    stream(WITH_FD, async move |mut near: Connection| {
        for _ in 0..WITH_FD {
            let fd = null.try_clone().expect("a duplicate");
            near.feed(signal_with_fds([fd])).await.expect("the far end is there");
        }
        near.flush().await.expect("the far end is there");
    })
}

pub(super) fn ping() -> Message {
    Message::method_call(PATH, "Ping").interface(INTERFACE).build().expect("a good call")
}

/// Answers every call.
async fn serve(mut connection: Connection) {
    while let Ok(Some(call)) = connection.receive().await {
        let answer = Message::method_return(&call).build().expect("a good answer");
        connection.send(answer).await.expect("the far end is there");
    }
}

async fn call(connection: &mut Connection, message: Message) {
    let serial = connection.send(message).await.expect("the far end is there");
    answer(connection, serial).await;
}

async fn answer(connection: &mut Connection, serial: NonZeroU32) {
    loop {
        let answer = connection.receive().await.expect("a message").expect("it is answered");
        if answer.header().reply_serial() == Some(serial) {
            return;
        }
    }
}

pub(crate) fn calls() -> Duration {
    run(async {
        let (mut near, far) = pair().await;
        let drive = async move {
            let start = Instant::now();
            for _ in 0..CALLS {
                call(&mut near, ping()).await;
            }
            start.elapsed() / CALLS
        };
        together(serve(far), drive).await
    })
}

pub(crate) fn connect() -> Duration {
    run(async {
        let server = Server::new(Guid::generate().expect("a guid"));
        let start = Instant::now();
        for _ in 0..CONNECTS {
            handshake(&server).await;
        }
        start.elapsed() / CONNECTS
    })
}

/// A call of a method of the bus itself.
fn bus_call(member: &str) -> Message {
    const BUS: &str = "org.freedesktop.DBus";
    Message::method_call("/org/freedesktop/DBus", member)
        .interface(BUS)
        .destination(BUS)
        .build()
        .expect("a good call")
}

/// Connects to a bus, which answers `Hello`.
async fn connected(address: &str) -> Connection {
    let addresses: Addresses = address.parse().expect("an address");
    let connected = Client::new().connect_and_send(&addresses, bus_call("Hello")).await;
    let (mut bus, serial) = connected.expect("the bus is there");
    answer(&mut bus, serial).await;
    bus
}

pub(crate) fn connect_to_daemon() -> Duration {
    run(async {
        let start = Instant::now();
        for _ in 0..CONNECTS {
            connected(address()).await;
        }
        start.elapsed() / CONNECTS
    })
}

/// Calls the bus at this address.
pub(crate) fn calls_to_daemon(address: &str) -> Duration {
    const CALLS: u32 = 200;
    run(async {
        let mut bus = connected(address).await;
        let start = Instant::now();
        for _ in 0..CALLS {
            call(&mut bus, bus_call("GetId")).await;
        }
        start.elapsed() / CALLS
    })
}

pub(crate) fn idle() -> usize {
    let connections = |count: usize| async move {
        for _ in 0..count {
            let (mut near, far) = pair().await;
            tokio::spawn(serve(far));
            call(&mut near, ping()).await;
            tokio::spawn(async move { near.receive().await });
        }
        // Lets each connection wait.
        tokio::task::yield_now().await;
    };
    let runtime = crate::work::runtime();
    // The first connection allocates memory that all connections share.
    runtime.block_on(connections(1));
    let (bytes, ()) = live::bytes_of(|| runtime.block_on(connections(IDLE)));
    bytes / (2 * IDLE)
}
