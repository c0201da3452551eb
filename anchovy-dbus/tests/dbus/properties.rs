//! What holds of all messages, all splits and all bytes, and what it costs.

use std::io::Write;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;

use allocation_counter::measure;
use anchovy_dbus::{ByteOrder, Connection, Message, ReceiveError};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use crate::foreign::*;
use crate::harness::*;

/// A message to be made: the length of its body, its descriptors, and its byte order.
type Plan = (usize, usize, bool);

fn plans(most: usize) -> impl Strategy<Value = Vec<Plan>> {
    let length = prop_oneof![
        4 => 0..64_usize,
        2 => 3_000..5_000_usize,
        1 => 60_000..70_000_usize,
        1 => 100_000..300_000_usize,
    ];
    let fds = prop_oneof![3 => Just(0_usize), 3 => 1..4_usize, 1 => 0..=16_usize];
    proptest::collection::vec((length, fds, any::<bool>()), 1..most)
}

fn make(number: usize, (length, fds, big): Plan) -> Message {
    let member = format!("M{number}");
    let order = if big { ByteOrder::Big } else { ByteOrder::Little };
    let body: Vec<u8> = (0..length).map(|at| (at * 7 + number) as u8).collect();
    let mut builder = Message::signal("/org/example", "org.example.Test", &member)
        .byte_order(order)
        .serial(NonZeroU32::new(number as u32 + 1).expect("not 0"))
        .fds(memfds(fds));
    if length > 0 {
        builder = builder.body("ay", body);
    }
    builder.build().expect("a good signal")
}

/// What a message is, to the last byte and the last descriptor.
type Told = (Vec<u8>, Vec<Identity>);

fn whole(message: &Message) -> Told {
    (message.to_bytes().expect("it is whole").to_vec(), identities(message.fds()))
}

/// Runs a property; a case that fails is printed as it was made, and smaller.
fn holds<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value) + Send + Sync)
where
    S::Value: std::fmt::Debug,
{
    const SEED: u64 = 0xdb05;
    println!("seed {SEED:#x}, {cases} cases");
    let config = Config {
        cases,
        rng_seed: RngSeed::Fixed(SEED),
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    runner
        .run(&strategy, |value| {
            test(value);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn what_we_send_arrives_as_it_was_to_the_last_byte_and_descriptor() {
    guarded(|| {
        holds(48, (plans(12), any::<bool>()), |(plans, at_once)| {
            runtime().block_on(async {
                let (mut client, mut server) = pair().await;
                let messages: Vec<Message> = plans
                    .into_iter()
                    .enumerate()
                    .map(|(number, plan)| make(number, plan))
                    .collect();
                let expected: Vec<Told> = messages.iter().map(whole).collect();
                let sending = async {
                    for message in messages {
                        if at_once {
                            client.feed(message).await.expect("it is taken");
                        } else {
                            client.send(message).await.expect("it is sent");
                        }
                    }
                    client.flush().await.expect("it leaves");
                };
                let receiving = async {
                    for expected in &expected {
                        let message = server.receive().await.expect("no error").expect("one more");
                        assert!(whole(&message) == *expected, "{message:?}");
                    }
                };
                tokio::join!(sending, receiving);
            });
        });
    });
}

/// Sends each message as real peers do: what has descriptors begins a call, with all of them; the
/// rest is cut anywhere, and plain messages run together.
fn foreign_sends(socket: &StdUnixStream, messages: &[Told], fds: &[Vec<OwnedFd>], cuts: &[usize]) {
    let mut cuts = cuts.iter().copied().cycle();
    let mut plain: Vec<u8> = Vec::new();
    for ((bytes, _), fds) in messages.iter().zip(fds) {
        if fds.is_empty() {
            plain.extend_from_slice(bytes);
            continue;
        }
        write_in_parts(socket, &plain, &mut cuts);
        plain.clear();
        let first = cuts.next().expect("for ever").clamp(1, bytes.len());
        let borrowed: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
        let sent = foreign_send(socket, &bytes[..first], &[&borrowed]).expect("it is carried");
        write_in_parts(socket, &bytes[sent..], &mut cuts);
    }
    write_in_parts(socket, &plain, &mut cuts);
}

fn write_in_parts(
    mut socket: &StdUnixStream,
    mut bytes: &[u8],
    cuts: &mut impl Iterator<Item = usize>,
) {
    while !bytes.is_empty() {
        let length = cuts.next().expect("for ever").clamp(1, bytes.len());
        socket.write_all(&bytes[..length]).expect("it reads");
        bytes = &bytes[length..];
    }
}

#[test]
fn messages_of_a_foreign_peer_do_not_depend_on_calls_and_reads() {
    guarded(|| {
        let cuts = proptest::collection::vec(1..20_000_usize, 1..8);
        holds(48, (plans(10), cuts, 0..2_usize), |(plans, cuts, buffer)| {
            runtime().block_on(async {
                let (mut server, foreign) = Role::Server.connected().await;
                // A small buffer makes the reads small, whatever the calls are.
                let size = [4096, 1 << 20][buffer];
                rustix::net::sockopt::set_socket_send_buffer_size(&foreign.socket, size)
                    .expect("a size");
                let mut messages: Vec<Message> = plans
                    .into_iter()
                    .enumerate()
                    .map(|(number, plan)| make(number, plan))
                    .collect();
                let expected: Vec<Told> = messages.iter().map(whole).collect();
                let fds: Vec<_> = messages.iter_mut().map(Message::take_fds).collect();
                let copies = expected.clone();
                let sender = tokio::task::spawn_blocking(move || {
                    foreign_sends(&foreign.socket, &copies, &fds, &cuts);
                });
                for expected in &expected {
                    let message = server.receive().await.expect("no error").expect("one more");
                    assert!(whole(&message) == *expected, "{message:?}");
                }
                sender.await.expect("it sends");
                assert!(server.receive().await.expect("no error").is_none());
            });
        });
    });
}

/// Receives to the end, or to an error.
async fn drain(connection: &mut Connection) -> (usize, Option<ReceiveError>) {
    let mut count = 0;
    loop {
        match connection.receive().await {
            Ok(Some(message)) => {
                // Reading a header that was accepted does not fail either.
                let _ = format!("{message:?}");
                assert_eq!(message.fds().len(), message.header().unix_fds() as usize);
                count += 1;
            }
            Ok(None) => return (count, None),
            Err(error) => {
                let _ = error.to_string();
                return (count, Some(error));
            }
        }
    }
}

#[test]
fn random_bytes_and_sets_are_messages_or_an_error_and_leave_nothing_open() {
    guarded(|| {
        let part = (proptest::collection::vec(any::<u8>(), 1..200), 0..20_usize);
        let parts = proptest::collection::vec(part, 1..8);
        let starts =
            prop_oneof![Just(&b""[..]), Just(&b"l\x01\0\x01"[..]), Just(&b"B\x04\0\x01"[..])];
        holds(256, (starts, parts), |(start, parts)| hostile(start, &parts));
    });
}

/// Both roles get this, and then the end of the stream.
fn hostile(start: &[u8], parts: &[(Vec<u8>, usize)]) {
    runtime().block_on(async {
        for role in ROLES {
            let (mut connection, foreign) = role.connected().await;
            let mut first = start.to_vec();
            for (bytes, count) in parts {
                first.extend_from_slice(bytes);
                foreign.send(&first, *count);
                first.clear();
            }
            foreign.socket.shutdown(std::net::Shutdown::Write).expect("it is open");
            let (_, error) = drain(&mut connection).await;
            if error.is_some() {
                assert!(connection.receive().await.expect("one is enough").is_none());
            }
            drop(connection);
            assert_eq!(foreign.open(), 0);
        }
    });
}

#[test]
fn changed_bytes_are_messages_or_an_error_and_leave_nothing_open() {
    guarded(|| {
        let changes = proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
        let declared = proptest::collection::vec((0..4_u32, 0..4_usize, 0..40_usize), 1..5);
        holds(256, (declared, changes), |(messages, changes)| {
            let mut parts: Vec<(Vec<u8>, usize)> = messages
                .iter()
                .map(|(declared, sent, body)| (message("A", *declared, *body), *sent))
                .collect();
            for (at, to) in changes {
                let part = at.index(parts.len());
                let bytes = &mut parts[part].0;
                let at = at.index(bytes.len());
                bytes[at] = to;
            }
            hostile(b"", &parts);
        });
    });
}

/// The most that is allocated for a peer that has sent next to nothing, in bytes.
const NEXT_TO_NOTHING: u64 = 256 << 10;

#[test]
fn a_header_that_claims_128_mib_has_nothing_reserved_on_its_word() {
    run(async {
        for role in ROLES {
            let (mut connection, foreign) = role.connected().await;
            let mut start = message("A", 0, 0)[..16].to_vec();
            let fields = u32::from_ne_bytes(start[12..16].try_into().unwrap());
            let body = (1 << 27) - 16 - fields.next_multiple_of(8);
            start[4..8].copy_from_slice(&body.to_ne_bytes());
            foreign.send(&start, 0);
            drive_io().await;
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            let allocated = measure(|| {
                use futures_util::StreamExt;
                for _ in 0..10 {
                    assert!(connection.poll_next_unpin(&mut cx).is_pending());
                }
            });
            assert!(allocated.bytes_max < NEXT_TO_NOTHING, "{allocated:?}");
        }
    });
}

#[test]
fn memory_for_a_long_message_is_bounded_by_the_received_part() {
    run(async {
        let (mut connection, foreign) = Role::Server.connected().await;
        let bytes = message("A", 0, 1 << 20);
        let (start, _) = bytes.split_at(100 << 10);
        foreign.send(&start[..50 << 10], 0);
        foreign.send(&start[50 << 10..], 0);
        drive_io().await;
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let allocated = measure(|| {
            use futures_util::StreamExt;
            assert!(connection.poll_next_unpin(&mut cx).is_pending());
        });
        // Twice what is there, and the buffer before that while it is copied.
        assert!(allocated.bytes_max < 6 * start.len() as u64, "{allocated:?}");
    });
}

/// Allocations per message in the steady state, of both ends together, in thousandths.
fn allocations(fds: usize) -> u64 {
    const ROUNDS: u64 = 1000;
    let runtime = runtime();
    let (mut client, mut server) = runtime.block_on(pair());
    let mut messages = vec![signal("A", memfds(fds))];
    // Back and forth, so that nothing is made while it is counted.
    let mut rounds = |count: u64| {
        runtime.block_on(async {
            for _ in 0..count {
                client.send(messages.pop().expect("a message")).await.expect("it is sent");
                let message = server.receive().await.expect("no error").expect("a message");
                server.send(message).await.expect("it is sent");
                messages.push(client.receive().await.expect("no error").expect("a message"));
            }
        });
    };
    rounds(100);
    let few = measure(|| rounds(100)).count_total;
    let many = measure(|| rounds(100 + ROUNDS)).count_total;
    (many - few) * 1000 / (2 * ROUNDS)
}

#[test]
fn only_the_list_of_descriptors_of_a_message_is_allocated() {
    guarded(|| {
        assert_eq!(allocations(0), 0);
        assert_eq!(allocations(1), 1000);
        assert_eq!(allocations(16), 1000);
    });
}
