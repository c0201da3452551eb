//! The operations of `anchovy-dbus`.

use std::num::NonZeroU32;

use anchovy_dbus::{Client, Connection, Guid, Message, Server};
use interop_tests::runtime;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;

use super::stream::null;
use crate::operation::{Operation, Rounds, repeat};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation::new("D-Bus: build a signal", build),
    Operation::new("D-Bus: parse a signal", parse),
    Operation::new("D-Bus: send and receive a signal", || signals(1)),
    Operation::new("D-Bus: send and receive 16 signals", || signals(16)),
    Operation::new("D-Bus: send and receive a signal with 1 descriptor", signal_with_fd),
    Operation::new("D-Bus: call and reply", call),
    Operation::new("D-Bus: handshake", handshake),
];

const PATH: &str = "/org/example/Counts";
const INTERFACE: &str = "org.example.Counts";
const MEMBER: &str = "Tick";

fn signal(number: u32) -> Message {
    Message::signal(PATH, INTERFACE, MEMBER)
        .body("u", number.to_ne_bytes().to_vec())
        .build()
        .expect("a good signal")
}

fn build() -> Rounds {
    Box::new(|count| {
        for number in 1..=count {
            let mut signal = signal(number);
            signal.set_serial(NonZeroU32::MIN);
            std::hint::black_box(signal.to_bytes().expect("it has a serial"));
        }
    })
}

fn parse() -> Rounds {
    let mut signal = signal(0);
    signal.set_serial(NonZeroU32::MIN);
    let bytes = signal.to_bytes().expect("it has a serial");
    Box::new(move |count| {
        for _ in 0..count {
            let signal = Message::from_bytes(bytes.clone(), Vec::new()).expect("a good signal");
            assert_eq!(signal.header().member(), Some(MEMBER));
        }
    })
}

async fn pair() -> (Connection, Connection) {
    let (near, far) = UnixStream::pair().expect("a pair");
    let (client, server) = (Client::new(), Server::new(Guid::generate().expect("a guid")));
    let (client, server) = tokio::join!(client.handshake(near), server.handshake(far));
    (client.expect("a client"), server.expect("a server"))
}

fn connected() -> (Runtime, Connection, Connection) {
    let runtime = runtime();
    let (near, far) = runtime.block_on(pair());
    (runtime, near, far)
}

async fn receive(connection: &mut Connection) -> Message {
    connection.receive().await.expect("a message").expect("it was sent")
}

fn signals(batch: u32) -> Rounds {
    let (runtime, mut near, mut far) = connected();
    repeat(runtime, async move || {
        for number in 0..batch {
            near.feed(signal(number)).await.expect("the far end is there");
        }
        near.flush().await.expect("the far end is there");
        for _ in 0..batch {
            assert_eq!(receive(&mut far).await.header().member(), Some(MEMBER));
        }
    })
}

fn signal_with_fd() -> Rounds {
    let (runtime, mut near, mut far) = connected();
    let mut fds = vec![null()];
    repeat(runtime, async move || {
        let signal = Message::signal(PATH, INTERFACE, MEMBER)
            .body("h", 0_u32.to_ne_bytes().to_vec())
            .fds(fds.drain(..))
            .build();
        near.send(signal.expect("a good signal")).await.expect("the far end is there");
        fds.append(&mut receive(&mut far).await.take_fds());
        assert_eq!(fds.len(), 1);
    })
}

fn call() -> Rounds {
    let (runtime, mut near, mut far) = connected();
    repeat(runtime, async move || {
        let call = Message::method_call(PATH, "Ping").interface(INTERFACE).build();
        let serial = near.send(call.expect("a good call")).await.expect("the far end is there");
        let call = receive(&mut far).await;
        let answer = Message::method_return(&call).build().expect("a good answer");
        far.send(answer).await.expect("the near end is there");
        assert_eq!(receive(&mut near).await.header().reply_serial(), Some(serial));
    })
}

fn handshake() -> Rounds {
    repeat(runtime(), async || drop(pair().await))
}
