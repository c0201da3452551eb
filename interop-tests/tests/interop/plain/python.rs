//! Python's `socket.send_fds` and `socket.recv_fds`, and a D-Bus client that uses nothing else.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use anchovy::FdError;
use anchovy_dbus::{Connection, Limits, Message, ReceiveError};
use interop_tests::{FullTable, Program, Scenario, Transcript, runtime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::dbus::Script;

pub(crate) const SCENARIOS: &[Scenario] = &[
    Scenario::new("descriptors_are_sent_to_the_peer_and_returned", there_and_back),
    Scenario::new("a_large_write_sends_its_descriptors_once", a_set_rides_once),
    Scenario::new("queued_descriptors_are_sent_with_the_next_write", the_queue_leaves),
    Scenario::new("one_descriptor_above_the_limit_is_an_error", the_limit_is_exact),
    Scenario::new("receiving_descriptors_with_a_full_table_is_an_error", a_full_table),
    Scenario::new("a_full_read_queue_pauses_reads_until_it_is_drained", the_queue_is_bounded),
    Scenario::new("a_peer_that_declares_wrong_counts_gets_an_error", a_liar),
    Scenario::new("too_many_descriptors_for_a_server_are_an_error", too_many_for_a_message),
    Scenario::new("a_refused_send_loses_nothing", guarantees::a_refused_send_loses_nothing),
    Scenario::new("descriptors_that_were_not_negotiated_are_returned", guarantees::not_agreed_on),
    Scenario::new("a_canceled_call_loses_nothing", guarantees::given_up),
    Scenario::new("malformed_messages_get_an_error_and_bounded_memory", guarantees::no_good),
    Scenario::new(guarantees::STEADY, guarantees::the_steady_state),
];

/// Returns a socket, and a Python program at its other end that does `what`.
pub(super) fn python(what: &str) -> (UnixStream, Program) {
    let (near, far) = UnixStream::pair().expect("a pair");
    (near, python_at(far, what))
}

/// Returns a Python program with this socket that does `what`.
pub(super) fn python_at(far: UnixStream, what: &str) -> Program {
    let mut command = Script("plain.py").command();
    Program::start(command.arg(what).stdin(OwnedFd::from(far)))
}

pub(super) fn stream(near: UnixStream) -> Stream {
    Stream::new(near).expect("a socket")
}

fn there_and_back(transcript: &Transcript) {
    runtime().block_on(async {
        let (near, python) = python("echo");
        let mut stream = stream(near);
        exchange(&mut stream, &[0, 1, 2, 3, 16, 252, 253], transcript).await;
        hang_up(stream, python).await;
    });
}

fn a_set_rides_once(transcript: &Transcript) {
    runtime().block_on(async {
        let (near, python) = python("count");
        let mut stream = stream(near);
        stream.write_queue_mut().extend(memfds(2));
        stream.write_all(&vec![7; 4 << 20]).await.expect("it is sent");
        transcript.note("we > 4194304 bytes, 2 descriptors");
        for line in hang_up(stream, python).await {
            transcript.note(format!("it < {line}"));
        }
    });
}

fn the_queue_leaves(transcript: &Transcript) {
    runtime().block_on(async {
        let (near, python) = python("count");
        let mut stream = stream(near);
        for count in [1, 3] {
            stream.write_queue_mut().extend(memfds(count));
            stream.write_all(b"with").await.expect("it is sent");
            assert!(stream.write_queue().is_empty());
            stream.write_all(b"without").await.expect("it is sent");
        }
        // More descriptors than one message can carry are refused, and nothing is lost.
        let fds = memfds(254);
        let error = stream.send_with_fds(b"refused", &fds).await.expect_err("too many");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        stream.write_all(b"goes on").await.expect("it is sent");
        for line in hang_up(stream, python).await {
            transcript.note(format!("it < {line}"));
        }
    });
}

fn the_limit_is_exact(transcript: &Transcript) {
    runtime().block_on(async {
        for (limit, what) in [(3, "send 3"), (3, "send 4"), (4, "send 5")] {
            let (near, mut python) = python(what);
            let mut stream = stream(near);
            stream.set_read_fd_limit(limit).expect("a lower limit");
            let outcome = match stream.recv(&mut [0; 64]).await {
                Ok(received) => format!("{} descriptors", received.fds),
                Err(error) => FdError::from_io_error(&error).expect("one of ours").to_string(),
            };
            transcript.note(format!("limit {limit}, it is to {what}: {outcome}"));
            python.ended().await;
        }
    });
}

fn a_full_table(transcript: &Transcript) {
    runtime().block_on(async {
        let (near, mut python) = python("send 5");
        let mut stream = stream(near);
        // The peer has sent everything and closed its pipe.
        python.ended().await;
        drop(python);
        let table = FullTable::with_room_for(2);
        let outcome = stream.recv(&mut [0; 64]).await;
        let second = stream.recv(&mut [0; 64]).await;
        drop(table);
        let error = outcome.expect_err("three of them are lost");
        transcript.note(FdError::from_io_error(&error).expect("one of ours").to_string());
        assert!(second.is_err(), "a later read fails too");
    });
}

fn the_queue_is_bounded(transcript: &Transcript) {
    runtime().block_on(async {
        let (near, mut python) = python("send 250 250 250");
        let mut stream = stream(near);
        stream.set_read_queue_limit(2 * Stream::FD_LIMIT).expect("room for two messages");
        python.ended().await;
        let mut bytes = [0; 64];
        let mut read = 0;
        let error = loop {
            match stream.read(&mut bytes).await {
                Ok(0) => panic!("everything was read without an error"),
                Ok(_) => read += 1,
                Err(error) => break error,
            }
        };
        transcript
            .note(format!("after {read} reads: {}", FdError::from_io_error(&error).expect("ours")));
        let mut count = stream.read_queue_mut().drain(..).count();
        while stream.read(&mut bytes).await.expect("the queue is drained") > 0 {
            count += stream.read_queue_mut().drain(..).count();
        }
        assert_eq!(count, 750, "nothing is lost");
    });
}

/// Declares one descriptor and sends three, then declares two and sends none. An implementation
/// that assigns descriptors from a queue would give the two spare ones to the second message.
fn a_liar(transcript: &Transcript) {
    runtime().block_on(async {
        let (near, mut python) = python("lie");
        let mut us = handshake_and_go(near).await;
        let mut messages = 0;
        let error = loop {
            match us.receive().await {
                Ok(Some(message)) => {
                    assert_eq!(
                        (messages, message.fds().len()),
                        (0, 1),
                        "only the declared descriptor"
                    );
                    messages += 1;
                }
                Ok(None) => panic!("the wrong counts are not noticed"),
                Err(error) => break error,
            }
        };
        assert!(matches!(error, ReceiveError::UnclaimedFds { .. }), "{error}");
        transcript.note(error.to_string());
        drop(us);
        python.ended().await;
    });
}

fn too_many_for_a_message(transcript: &Transcript) {
    runtime().block_on(async {
        assert_eq!(Limits::server().max_received_fds, 16);
        for what in ["declare 16", "declare 17"] {
            let (near, mut python) = python(what);
            let mut us = handshake_and_go(near).await;
            let outcome = match us.receive().await {
                Ok(message) => crate::dbus::line(&message.expect("a message")),
                Err(error) => error.to_string(),
            };
            transcript.note(format!("it is to {what}: {outcome}"));
            drop(us);
            python.ended().await;
        }
    });
}

/// Accepts a Python client, and sends it a message that makes it start its work.
pub(super) async fn handshake_and_go(near: UnixStream) -> Connection {
    let mut us = crate::dbus::server().handshake(near).await.expect("a good client so far");
    us.send(go()).await.expect("it is sent");
    us
}

/// Returns the message that a client waits for.
pub(super) fn go() -> Message {
    Message::signal("/", "org.example.Test", "Go").build().expect("a good signal")
}
