//! Properties of arbitrary messages, splits and bytes, and their memory use.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use allocation_counter::measure;
use anchovy_wayland::{Arguments, Fixed, Limits, Message, WireError};
use futures_util::StreamExt;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};

use crate::foreign::*;
use crate::harness::*;

/// An argument that is no descriptor.
#[derive(Clone, Debug)]
enum Argument {
    Int(i32),
    Uint(u32),
    Fixed(i32),
    Object(Option<u32>),
    String(Option<Vec<u8>>),
    Array(Vec<u8>),
}

fn argument() -> impl Strategy<Value = Argument> {
    let text = proptest::collection::vec(1..=255_u8, 0..40);
    prop_oneof![
        any::<i32>().prop_map(Argument::Int),
        any::<u32>().prop_map(Argument::Uint),
        any::<i32>().prop_map(Argument::Fixed),
        proptest::option::of(1..=u32::MAX).prop_map(Argument::Object),
        proptest::option::of(text).prop_map(Argument::String),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(Argument::Array),
    ]
}

/// A message to be made: its arguments, and how many descriptors it has.
type Plan = (Vec<Argument>, usize);

fn plans(most: usize) -> impl Strategy<Value = Vec<Plan>> {
    let fds = prop_oneof![3 => Just(0_usize), 3 => 1..4_usize, 1 => 0..=28_usize];
    proptest::collection::vec((proptest::collection::vec(argument(), 0..8), fds), 1..most)
}

fn make((arguments, fds): &Plan) -> Message {
    let object = if *fds > 0 { HOLDER } else { PLAIN };
    let mut builder = Message::builder(id(object), *fds as u16);
    // Descriptors between the other arguments, and at the end.
    let mut fds = memfds(*fds);
    for argument in arguments {
        builder = match argument {
            Argument::Int(number) => builder.int(*number),
            Argument::Uint(number) => builder.uint(*number),
            Argument::Fixed(bits) => builder.fixed(Fixed::from_bits(*bits)),
            Argument::Object(number) => builder.object(number.map(id)),
            Argument::String(Some(text)) => builder.string(text),
            Argument::String(None) => builder.null_string(),
            Argument::Array(bytes) => builder.array(bytes),
        };
        if let Some(fd) = fds.pop() {
            builder = builder.fd(fd);
        }
    }
    fds.into_iter().fold(builder, |builder, fd| builder.fd(fd)).build().expect("a good message")
}

fn read(arguments: &mut Arguments<'_>, expected: &Argument) -> Result<Argument, WireError> {
    Ok(match expected {
        Argument::Int(_) => Argument::Int(arguments.int()?),
        Argument::Uint(_) => Argument::Uint(arguments.uint()?),
        Argument::Fixed(_) => Argument::Fixed(arguments.fixed()?.to_bits()),
        Argument::Object(_) => Argument::Object(arguments.optional_object()?.map(|id| id.get())),
        Argument::String(_) => {
            let text = arguments.optional_string()?;
            Argument::String(text.map(|text| text.to_bytes().to_vec()))
        }
        Argument::Array(_) => Argument::Array(arguments.array()?.to_vec()),
    })
}

/// This message is of this plan, and these are its descriptors.
fn is_whole(mut message: Message, (plan, count): &Plan, expected: &RawMessage) {
    assert!(raw(&message) == *expected, "{message:?}");
    let mut arguments = message.read();
    let mut fds = Vec::new();
    for expected in plan {
        let argument = read(&mut arguments, expected).expect("it is there");
        assert_eq!(format!("{argument:?}"), format!("{expected:?}"));
    }
    (0..*count).for_each(|_| fds.push(arguments.fd().expect("it is there")));
    arguments.finish().expect("nothing is left");
    assert_eq!(identities(fds), expected.fds);
}

/// Runs a property; a case that fails is printed as it was made, and smaller.
fn holds<S: Strategy>(cases: u32, strategy: S, test: impl Fn(S::Value) + Send + Sync)
where
    S::Value: std::fmt::Debug,
{
    const SEED: u64 = 0x57a1;
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
fn sent_messages_arrive_with_all_arguments_and_descriptors() {
    guarded(|| {
        let how = (any::<bool>(), any::<bool>(), prop_oneof![Just(100_usize), Just(64 << 10)]);
        holds(64, (plans(40), how), |(plans, (own, at_once, room))| {
            runtime().block_on(async {
                let limits = Limits {
                    fds_with_their_message: own,
                    max_buffered_bytes: room,
                    ..Limits::default()
                };
                let (mut near, mut far) = pair_with(limits);
                let messages: Vec<Message> = plans.iter().map(make).collect();
                let expected: Vec<RawMessage> = messages.iter().map(raw).collect();
                let sending = async {
                    for message in messages {
                        if at_once {
                            near.feed(message).await.expect("it is taken");
                        } else {
                            near.send(message).await.expect("it is sent");
                        }
                    }
                    near.shutdown().await.expect("it leaves");
                };
                let receiving = async {
                    for (plan, expected) in plans.iter().zip(&expected) {
                        let message = far.receive().await.expect("no error").expect("one more");
                        is_whole(message, plan, expected);
                    }
                    assert!(far.receive().await.expect("no error").is_none());
                };
                tokio::join!(sending, receiving);
            });
        });
    });
}

/// A call: bytes up to there, and so many descriptors.
type Cut = (usize, usize);

/// Calls in which a sender may put this stream: cut anywhere, and each descriptor at any byte up
/// to the first of its message, in order, with at most 28 in a call.
fn calls(expected: &[RawMessage], cuts: &[usize], leads: &[usize]) -> Vec<Cut> {
    let (mut cuts, mut leads) = (cuts.iter().cycle(), leads.iter().cycle());
    let (mut start, mut latest) = (0, Vec::new());
    for message in expected {
        // Any byte that is no later than the first one of the message will do.
        latest.extend(message.fds.iter().map(|_| start));
        start += message.bytes.len();
    }
    // Each as early as it likes, and in order.
    let mut before = start;
    let mut at: Vec<usize> = latest
        .iter()
        .rev()
        .map(|latest| {
            before = before.min(latest.saturating_sub(*leads.next().expect("for ever")));
            before
        })
        .collect();
    at.reverse();
    let (mut calls, mut done) = (Vec::new(), 0);
    while done < start {
        let mut end = (done + cuts.next().expect("for ever")).min(start);
        let mut count = at.iter().take_while(|at| **at <= done).count();
        if count > 28 {
            // The rest with the next byte: it is late only if the message is theirs already.
            (count, end) = (28, done + 1);
        }
        // The next one that may wait no longer begins a call.
        if let Some(next) = at.get(count).filter(|next| **next > done) {
            end = end.min(*next);
        }
        at.drain(..count);
        calls.push((end, count));
        done = end;
    }
    assert!(at.is_empty());
    calls
}

#[test]
fn messages_do_not_depend_on_cuts_and_early_descriptors() {
    guarded(|| {
        let cuts = proptest::collection::vec(1..600_usize, 1..12);
        let leads =
            proptest::collection::vec(prop_oneof![Just(0), 0..20_usize, 0..2000_usize], 1..9);
        holds(96, (plans(14), cuts, leads), |(plans, cuts, leads)| {
            runtime().block_on(async {
                let (mut near, foreign) = foreign_peer().await;
                let mut messages: Vec<Message> = plans.iter().map(make).collect();
                let expected: Vec<RawMessage> = messages.iter().map(raw).collect();
                let bytes: Vec<u8> =
                    expected.iter().flat_map(|message| message.bytes.clone()).collect();
                let mut fds: Vec<OwnedFd> =
                    messages.iter_mut().flat_map(Message::take_fds).collect();
                let calls = calls(&expected, &cuts, &leads);
                // It waits in the socket, or is read call by call.
                let sender = async {
                    let mut done = 0;
                    for (end, count) in calls {
                        let set: Vec<OwnedFd> = fds.drain(..count).collect();
                        foreign.send_these(&bytes[done..end], &set).expect("it is carried");
                        done = end;
                        tokio::task::yield_now().await;
                    }
                    drop(foreign);
                };
                let receiver = async {
                    for (plan, expected) in plans.iter().zip(&expected) {
                        let message = near.receive().await.expect("no error").expect("one more");
                        is_whole(message, plan, expected);
                    }
                    assert!(near.receive().await.expect("no error").is_none());
                };
                tokio::join!(receiver, sender);
            });
        });
    });
}

/// Receives until the end of the stream or an error, and checks that no descriptor stays open.
fn hostile(parts: &[(Vec<u8>, usize)]) {
    runtime().block_on(async {
        let (mut near, foreign) = foreign_peer().await;
        for (bytes, count) in parts {
            foreign.send(bytes, *count);
        }
        foreign.socket.shutdown(std::net::Shutdown::Write).expect("it is open");
        loop {
            match near.receive().await {
                Ok(None) => break,
                Ok(Some(mut message)) => {
                    let _ = format!("{message:?}");
                    let mut arguments = message.read();
                    let _ = arguments.string();
                    let _ = arguments.untyped_new_id();
                    let _ = (arguments.array().map(<[u8]>::len), arguments.fd());
                    let _ = arguments.finish();
                }
                Err(error) => {
                    let _ = error.to_string();
                    if let Some(words) = anchovy_wayland::DisplayError::from_receive_error(&error) {
                        near.send(words.message()).await.expect("it can be sent");
                    }
                    assert!(near.receive().await.expect("one is enough").is_none());
                    break;
                }
            }
        }
        drop(near);
        assert_eq!(foreign.open(), 0);
    });
}

#[test]
fn random_bytes_are_messages_or_an_error_and_leak_nothing() {
    guarded(|| {
        let part = (proptest::collection::vec(any::<u8>(), 1..200), 0..20_usize);
        holds(256, proptest::collection::vec(part, 1..8), |parts| hostile(&parts));
    });
}

#[test]
fn corrupted_streams_are_messages_or_an_error_and_leak_nothing() {
    guarded(|| {
        let change = (any::<prop::sample::Index>(), any::<u8>());
        let changes = proptest::collection::vec(change, 0..4);
        let declared = proptest::collection::vec((0..4_u16, 0..4_usize, 0..30_usize), 1..6);
        holds(256, (declared, changes), |(messages, changes)| {
            let part = |(declared, sent, words): &(u16, usize, usize)| {
                (bytes(HOLDER, *declared, &vec![1; *words]), *sent)
            };
            let mut parts: Vec<(Vec<u8>, usize)> = messages.iter().map(part).collect();
            for (at, to) in changes {
                let part = at.index(parts.len());
                let bytes = &mut parts[part].0;
                let at = at.index(bytes.len());
                bytes[at] = to;
            }
            hostile(&parts);
        });
    });
}

/// The most that is allocated for a peer that has sent next to nothing, in bytes.
const NEXT_TO_NOTHING: u64 = 64 << 10;

#[test]
fn a_header_that_claims_64_kib_reserves_nothing() {
    run(async {
        let limits = Limits { max_message_bytes: 65532, ..Limits::default() };
        let (mut near, foreign) = foreign_peer_with(limits).await;
        foreign.send(&header(PLAIN, 0, 65532), 0);
        drive_io().await;
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let allocated = measure(|| {
            for _ in 0..10 {
                assert!(near.poll_next_unpin(&mut cx).is_pending());
            }
        });
        assert!(allocated.bytes_max < NEXT_TO_NOTHING, "{allocated:?}");
    });
}

#[test]
fn memory_for_a_peer_is_bounded_regardless_of_its_messages() {
    guarded(|| {
        let runtime = runtime();
        let (mut near, foreign) = runtime.block_on(foreign_peer());
        let many: Vec<u8> = (0..40).flat_map(|_| bytes(PLAIN, 0, &[7; 1000])).collect();
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let _inside = runtime.enter();
        let mut round = || {
            foreign.send(&many, 0);
            runtime.block_on(drive_io());
            let mut count = 0;
            while near.poll_next_unpin(&mut cx).is_ready() {
                count += 1;
            }
            assert_eq!(count, 40);
        };
        let allocated = measure(|| (0..20).for_each(|_| round()));
        assert!(allocated.bytes_max < 4 * NEXT_TO_NOTHING, "{allocated:?}");
        // What was kept at its most is not what remains.
        assert!(allocated.bytes_current < 2 * NEXT_TO_NOTHING as i64, "{allocated:?}");
    });
}

/// Allocations per message in the steady state, of both ends together, in thousandths.
fn allocations(fds: usize) -> u64 {
    const ROUNDS: u64 = 1000;
    let runtime = runtime();
    let (mut near, mut far) = {
        let _inside = runtime.enter();
        pair()
    };
    let mut messages = vec![holder(1, memfds(fds))];
    // Back and forth, so that nothing is made while it is counted.
    let mut rounds = |count: u64| {
        runtime.block_on(async {
            for _ in 0..count {
                near.send(messages.pop().expect("a message")).await.expect("it is sent");
                let message = far.receive().await.expect("no error").expect("a message");
                far.send(message).await.expect("it is sent");
                messages.push(near.receive().await.expect("no error").expect("a message"));
            }
        });
    };
    rounds(100);
    let few = measure(|| rounds(100)).count_total;
    let many = measure(|| rounds(100 + ROUNDS)).count_total;
    (many - few) * 1000 / (2 * ROUNDS)
}

#[test]
fn only_the_list_of_descriptors_is_allocated_for_a_message() {
    guarded(|| {
        assert_eq!(allocations(0), 0);
        assert_eq!(allocations(1), 1000);
        assert_eq!(allocations(28), 1000);
    });
}

// The kernel makes one of them.
#[test]
fn two_control_messages_in_one_call_are_one_set() {
    run(gives(|foreign| {
        let fds = foreign.pipes(3);
        let borrowed: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
        let message = holder_bytes(1, 3);
        foreign_send(&foreign.socket, &message, &[&borrowed[..1], &borrowed[1..]]).unwrap();
        vec![raw_message(&message, &identities(&fds))]
    }));
}
