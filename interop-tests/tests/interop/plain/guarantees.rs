//! Guarantees that hold for any peer: a refused send loses nothing, a canceled call loses nothing,
//! malformed messages are errors, and the steady state needs one system call and no allocation.

use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::pin::Pin;

use anchovy::FdError;
use anchovy_dbus::{Message, SendErrorKind};
use anchovy_wayland::Limits;
use interop_tests::{
    Transcript, count, drive_io, identities, is_traced, kernel_is_at_least, mark, memfds, now,
    runtime, trace,
};
use tokio::io::AsyncWriteExt;

use super::python::{go, handshake_and_go, python, python_at, stream};
use super::*;

/// Too many descriptors, descriptors without a byte, a borrowed send with a non-empty queue, and a
/// shutdown with a non-empty queue are refused. The data can be sent later.
pub(crate) fn a_refused_send_loses_nothing(transcript: &Transcript) {
    runtime().block_on(async {
        let (near, python) = python("echo");
        let mut stream = stream(near);
        stream.write_queue_mut().extend(memfds(254));
        let queued = identities(stream.write_queue());
        let error = stream.write(b"too many").await.expect_err("one more than there may be");
        transcript.note(FdError::from_io_error(&error).expect("one of ours").to_string());
        assert_eq!(identities(stream.write_queue()), queued, "they are as they were");

        stream.write_queue_mut().truncate(2);
        assert_eq!(stream.write(b"").await.expect("nothing is sent"), 0);
        let error = stream.send_with_fds(b"others wait", &memfds(1)).await.expect_err("they do");
        transcript.note(FdError::from_io_error(&error).expect("one of ours").to_string());
        let error = stream.shutdown().await.expect_err("they do");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(identities(stream.write_queue()), queued[..2]);

        assert_eq!(stream.write(b"there").await.expect("it is sent"), 5);
        let received = stream.recv(&mut [0; 64]).await.expect("an answer");
        transcript.note(format!("we < {} bytes, {} descriptors", received.bytes, received.fds));
        assert_eq!(identities(stream.read_queue_mut().drain(..)), queued[..2]);
        hang_up(stream, python).await;
    });
}

pub(crate) fn not_agreed_on(transcript: &Transcript) {
    runtime().block_on(async {
        let (near, mut python) = python("unagreed");
        let mut us = handshake_and_go(near).await;
        let message = Message::signal("/", "org.example.Test", "File").body("h", vec![0; 4]);
        let message = message.fds(memfds(1)).build().expect("a good signal");
        let fds = identities(message.fds());
        let error = us.send(message).await.expect_err("they were not agreed on");
        assert!(matches!(error.kind, SendErrorKind::FdsNotAgreed { count: 1 }), "{error}");
        transcript.note(error.to_string());
        let message = error.unsent.expect("it comes back");
        assert_eq!(identities(message.fds()), fds, "with what it had");
        us.send(go()).await.expect("it goes on");
        drop(us);
        assert_eq!(python.ended().await, ["2"], "what it was to go on with, both times");
    });
}

pub(crate) fn given_up(transcript: &Transcript) {
    runtime().block_on(async {
        a_read_is_given_up(transcript).await;
        a_write_is_given_up(transcript).await;
        half_a_message_is_given_up(transcript).await;
    });
}

/// Cancels a read while nothing has arrived.
async fn a_read_is_given_up(transcript: &Transcript) {
    let (near, python) = python("echo");
    let mut stream = stream(near);
    assert!(now(stream.recv(&mut [0; 64])).await.is_none());
    exchange(&mut stream, &[3], transcript).await;
    hang_up(stream, python).await;
}

/// Cancels a write while the socket is full.
async fn a_write_is_given_up(transcript: &Transcript) {
    let (near, far) = UnixStream::pair().expect("a pair");
    let mut stream = stream(near);
    // After this, tokio knows that the socket is writable.
    drive_io().await;
    let (chunk, mut sent) = (vec![7; 1 << 20], 0);
    while let Some(count) = now(stream.write(&chunk)).await {
        sent += count.expect("the other end is there");
    }
    assert!(sent > 0, "there was room before");
    stream.write_queue_mut().extend(memfds(2));
    assert!(now(stream.write(b"with")).await.is_none());
    assert_eq!(stream.write_queue().len(), 2);

    let python = python_at(far, "count");
    stream.write_all(b"with").await.expect("it is sent");
    let said = hang_up(stream, python).await;
    assert_eq!(said, [format!("{} bytes, sets of 2", sent + 4)]);
    transcript.note("it < every byte, and sets of 2");
}

/// Cancels a receive after half of a message and its descriptors have arrived.
async fn half_a_message_is_given_up(transcript: &Transcript) {
    let (near, mut python) = python("half");
    let mut us = handshake_and_go(near).await;
    let sent = python.line().await;
    drive_io().await;
    assert!(now(us.receive()).await.is_none());
    us.send(go()).await.expect("it is sent");
    let message = us.receive().await.expect("a good message").expect("a message");
    transcript.note(format!("we < {}", crate::dbus::line(&message)));
    assert_eq!(sent, format!("sent {}", crate::dbus::written(&identities(message.fds()))));
    drop(us);
    python.ended().await;
}

/// Number of peers that send malformed messages, each of another kind.
const BAD: usize = 96;

/// Maximum memory for all of them together, in bytes. One declares a length of a hundred million.
const COST: u64 = 1 << 20;

pub(crate) fn no_good(transcript: &Transcript) {
    type Serve = fn(UnixStream) -> Pin<Box<dyn Future<Output = Ended>>>;
    let protocols: [(&str, Serve); 2] = [
        ("bad-dbus", |near| Box::pin(serve_dbus(near))),
        ("bad-wayland", |near| Box::pin(serve_wayland(near))),
    ];
    for (what, serve) in protocols {
        let (mut messages, mut errors) = (0, 0);
        let cost = allocation_counter::measure(|| {
            runtime().block_on(async {
                let (near, mut python) = python(what);
                let ends = (0..BAD).map(|_| UnixStream::pair().expect("a pair"));
                let (ours, theirs): (Vec<_>, Vec<_>) = ends.unzip();
                let mut stream = stream(near);
                stream.send_with_fds(b"ends", &theirs).await.expect("they are sent");
                drop(theirs);
                for near in ours {
                    let ended = serve(near).await;
                    messages += ended.messages;
                    errors += u32::from(ended.error);
                }
                python.ended().await;
            });
        });
        assert!(cost.bytes_max < COST, "{} bytes at the same time", cost.bytes_max);
        transcript.note(format!("{BAD} {what}: {messages} good messages, {errors} errors"));
    }
}

/// The end of a connection: the number of messages before it, and whether it ended with an error.
struct Ended {
    messages: u32,
    error: bool,
}

async fn serve_dbus(near: UnixStream) -> Ended {
    let mut us = handshake_and_go(near).await;
    let mut messages = 0;
    loop {
        match us.receive().await {
            Ok(Some(_)) => messages += 1,
            outcome => return Ended { messages, error: outcome.is_err() },
        }
    }
}

async fn serve_wayland(near: UnixStream) -> Ended {
    let us = anchovy_wayland::Connection::without_fds(near, Limits::default());
    let (mut us, mut messages) = (us.expect("a connection"), 0);
    loop {
        match us.receive().await {
            // Any message can be read in any way.
            Ok(Some(mut message)) => {
                let mut arguments = message.read();
                let _ = (arguments.string(), arguments.array(), arguments.untyped_new_id());
                messages += 1;
            }
            outcome => return Ended { messages, error: outcome.is_err() },
        }
    }
}

/// Number of messages that are sent back and forth.
const ROUNDS: usize = 200;

pub(crate) const STEADY: &str = "the_steady_state_is_a_call_and_no_allocation";

/// The system calls are traced, so the work is done in a separate process, which inherits the
/// socket.
pub(crate) fn the_steady_state(transcript: &Transcript) {
    if is_traced() {
        runtime().block_on(async {
            let near = std::io::stdin().as_fd().try_clone_to_owned().expect("a socket");
            let (mut stream, fds) = (stream(near.into()), memfds(3));
            drive_io().await;
            mark();
            rounds(&mut stream, &fds).await;
            mark();
        });
    } else {
        runtime().block_on(async {
            let (near, mut python) = python("echo");
            let trace = trace(&["python", STEADY], &[], std::os::fd::OwnedFd::from(near));
            let calls = count(&trace);
            for (call, expected) in
                [("sendmsg", ROUNDS), ("recvmsg", ROUNDS), ("close", 3 * ROUNDS)]
            {
                assert_eq!(calls.get(call), Some(&expected), "{calls:?}");
            }
            // Older kernels do not report that no bytes follow a descriptor set. Newer ones report it from the
            // second set on.
            if kernel_is_at_least(6, 17) {
                let in_vain = calls.get("recvmsg EAGAIN").copied().unwrap_or_default();
                assert!(in_vain <= 1, "{calls:?}");
            }
            python.ended().await;
        });

        let runtime = runtime();
        let (mut stream, python) = runtime.block_on(async {
            let (near, python) = python("echo");
            (stream(near), python)
        });
        let fds = memfds(3);
        runtime.block_on(rounds(&mut stream, &fds));
        let cost = allocation_counter::measure(|| runtime.block_on(rounds(&mut stream, &fds)));
        assert_eq!(cost.count_total, 0);
        runtime.block_on(hang_up(stream, python));
    }
    transcript.note(format!("{ROUNDS} messages with 3 descriptors there and back:"));
    transcript.note("a call to send each, a call to receive each, and nothing is allocated");
}

async fn rounds(stream: &mut Stream, fds: &[std::os::fd::OwnedFd]) {
    let mut answer = [0; 64];
    for _ in 0..ROUNDS {
        stream.send_with_fds(b"there", fds).await.expect("it is sent");
        let received = stream.recv(&mut answer).await.expect("an answer");
        assert_eq!((received.bytes, received.fds), (5, 3));
        stream.read_queue_mut().clear();
    }
}
