//! The baselines of D-Bus: messages that are built once, and received without validation.

use std::num::NonZeroU32;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use anchovy_dbus::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::ours::{ping, signal, signal_with_fds as message_with_fds};
use super::{BATCH, CALLS, CONNECTS, IDLE, MANY, PLAIN, WITH_FD, WITH_MANY, address};
use crate::baseline::{Baseline, Messages};
use crate::contestant::Contestant;
use crate::live;
use crate::work::{null, run, together};

/// Number of bytes that a sink of anchovy-dbus sends with one call.
const SINK: usize = 64 * 1024;

/// A message as it is sent, with a serial.
fn bytes(mut message: Message) -> Vec<u8> {
    message.set_serial(NonZeroU32::MIN);
    message.to_bytes().expect("it has a serial").to_vec()
}

/// Returns the length of the message that begins with these bytes, in the byte order of this machine.
fn message_len(bytes: &[u8]) -> Option<usize> {
    let number = |at: usize| {
        let four = bytes.get(at..at + 4)?;
        Some(u32::from_ne_bytes(four.try_into().expect("four bytes")) as usize)
    };
    Some(16 + number(12)?.next_multiple_of(8) + number(4)?)
}

/// Sends `count` messages, `batch` with each call, and receives them.
fn stream(message: Vec<u8>, count: u32, batch: u32) -> Duration {
    run(async {
        let (mut near, far) = Baseline::<true>::pair();
        let mut far = Messages::new(far, message_len);
        let write = async move {
            let batches = message.repeat(batch as usize);
            for _ in 0..count / batch {
                near.write_all(&batches).await.expect("the far end is there");
            }
            let rest = message.repeat((count % batch) as usize);
            near.write_all(&rest).await.expect("the far end is there");
        };
        let read = async move {
            let start = Instant::now();
            for _ in 0..count {
                far.next().await.expect("it was sent");
            }
            start.elapsed() / count
        };
        together(write, read).await
    })
}

pub(crate) fn signals() -> Duration {
    stream(bytes(signal(0)), PLAIN, 1)
}

pub(crate) fn signals_in_batches() -> Duration {
    stream(bytes(signal(0)), PLAIN, BATCH)
}

pub(crate) fn signals_fed() -> Duration {
    let message = bytes(signal(0));
    let batch = SINK.div_ceil(message.len());
    stream(message, PLAIN, batch as u32)
}

pub(crate) fn signals_with_fd() -> Duration {
    signals_with_fds(1, WITH_FD)
}

pub(crate) fn signals_with_many_fds() -> Duration {
    signals_with_fds(MANY, WITH_MANY)
}

/// Sends and receives messages, each with `fds` duplicates of a descriptor.
fn signals_with_fds(fds: usize, count: u32) -> Duration {
    let null = null();
    let duplicate = || -> OwnedFd { null.try_clone().expect("a duplicate") };
    let message = bytes(message_with_fds((0..fds).map(|_| duplicate())));
    run(async move {
        let (mut near, far) = Baseline::<true>::pair();
        let mut far = Messages::new(far, message_len);
        let write = async move {
            for _ in 0..count {
                near.sending.extend((0..fds).map(|_| null.try_clone().expect("a duplicate")));
                near.write_all(&message).await.expect("the far end is there");
            }
        };
        let read = async move {
            let start = Instant::now();
            for _ in 0..count {
                far.next().await.expect("it was sent");
                far.stream.received.drain(..fds);
            }
            start.elapsed() / count
        };
        together(write, read).await
    })
}

pub(crate) fn calls() -> Duration {
    let mut call = ping();
    call.set_serial(NonZeroU32::MIN);
    let answer = bytes(Message::method_return(&call).build().expect("a good answer"));
    let call = bytes(call);
    run(async {
        let (near, far) = Baseline::<true>::pair();
        let mut near = Messages::new(near, message_len);
        let mut far = Messages::new(far, message_len);
        let serve = async move {
            while far.next().await.is_some() {
                far.stream.write_all(&answer).await.expect("the near end is there");
            }
        };
        let drive = async move {
            let start = Instant::now();
            for _ in 0..CALLS {
                near.stream.write_all(&call).await.expect("the far end is there");
                near.next().await.expect("it is answered");
            }
            start.elapsed() / CALLS
        };
        together(serve, drive).await
    })
}

/// What a client sends if it does not wait for replies.
fn greeting() -> Vec<u8> {
    // SAFETY: this reads a number of the process.
    let uid = unsafe { libc::getuid() }.to_string();
    let hex: String = uid.bytes().map(|digit| format!("{digit:02x}")).collect();
    format!("\0AUTH EXTERNAL {hex}\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n").into_bytes()
}

/// Reads until the bytes end with `end`.
async fn read_until(stream: &mut UnixStream, end: &[u8]) {
    let mut received = Vec::with_capacity(512);
    while !received.ends_with(end) {
        let count = stream.read_buf(&mut received).await.expect("a read");
        assert!(count > 0, "the peer continues");
    }
}

pub(crate) fn connect() -> Duration {
    let greeting = greeting();
    run(async {
        let start = Instant::now();
        for _ in 0..CONNECTS {
            let (mut near, mut far) = UnixStream::pair().expect("a pair");
            let client = async {
                near.write_all(&greeting).await.expect("the far end is there");
                read_until(&mut near, b"AGREE_UNIX_FD\r\n").await;
            };
            let server = async {
                read_until(&mut far, b"BEGIN\r\n").await;
                let reply = b"OK 0123456789abcdef0123456789abcdef\r\nAGREE_UNIX_FD\r\n";
                far.write_all(reply).await.expect("the near end is there");
            };
            tokio::join!(client, server);
        }
        start.elapsed() / CONNECTS
    })
}

pub(crate) fn connect_to_daemon() -> Duration {
    const BUS: &str = "org.freedesktop.DBus";
    let hello = Message::method_call("/org/freedesktop/DBus", "Hello")
        .interface(BUS)
        .destination(BUS)
        .build();
    let greeting = [greeting(), bytes(hello.expect("a good call"))].concat();
    let path = address().strip_prefix("unix:path=").expect("a path");
    let path = path.split(',').next().expect("at least one part");
    run(async {
        let start = Instant::now();
        for _ in 0..CONNECTS {
            let mut bus = UnixStream::connect(path).await.expect("the bus is there");
            bus.write_all(&greeting).await.expect("the bus is there");
            let mut received = Vec::with_capacity(2048);
            while !is_answered(&received) {
                let count = bus.read_buf(&mut received).await.expect("a read");
                assert!(count > 0, "the bus continues");
            }
        }
        start.elapsed() / CONNECTS
    })
}

/// Returns whether the handshake and a whole message are among these bytes. The reply to `Hello` is the
/// first message of the bus.
fn is_answered(received: &[u8]) -> bool {
    const AGREED: &[u8] = b"AGREE_UNIX_FD\r\n";
    let agreed = received.windows(AGREED.len()).position(|window| window == AGREED);
    agreed.is_some_and(|at| {
        let rest = &received[at + AGREED.len()..];
        message_len(rest).is_some_and(|len| len <= rest.len())
    })
}

/// Memory of tasks that wait for a socket to become readable, without a buffer.
pub(crate) fn idle() -> usize {
    let connections = |count: usize| async move {
        for _ in 0..count {
            let (near, far) = UnixStream::pair().expect("a pair");
            for end in [near, far] {
                tokio::spawn(async move { end.readable().await });
            }
        }
        // Lets each task wait.
        tokio::task::yield_now().await;
    };
    let runtime = crate::work::runtime();
    runtime.block_on(connections(1));
    let (bytes, ()) = live::bytes_of(|| runtime.block_on(connections(IDLE)));
    bytes / (2 * IDLE)
}
