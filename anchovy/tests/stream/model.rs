//! Random sends and reads, compared with a model of the kernel's queue that predicts the result of
//! each read.

use std::collections::VecDeque;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::OwnedFd;

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::*;

const CASES: u32 = 400;
const SEED: u64 = 0x00a1_1c50;

/// A step of one end.
#[derive(Clone, Debug)]
enum Step {
    Send { end: usize, length: usize, fds: usize, way: SendWay },
    Read { end: usize, size: usize, way: ReadWay },
}

#[derive(Clone, Copy, Debug)]
enum SendWay {
    Queued,
    QueuedVectored,
    Lent,
    LentVectored,
    Tried,
}

#[derive(Clone, Copy, Debug)]
enum ReadWay {
    Read,
    Receive,
    TryReceive,
    TryVectored,
}

fn step() -> impl Strategy<Value = Step> {
    let length = prop_oneof![4 => 1..8usize, 2 => 8..600usize, 1 => 600..9000usize];
    let fds = prop_oneof![4 => Just(0), 4 => 1..4usize, 1 => 4..40usize, 1 => Just(253usize)];
    let send_way = prop_oneof![
        Just(SendWay::Queued),
        Just(SendWay::QueuedVectored),
        Just(SendWay::Lent),
        Just(SendWay::LentVectored),
        Just(SendWay::Tried),
    ];
    let size = prop_oneof![3 => 1..8usize, 3 => 8..600usize, 3 => Just(16 * 1024)];
    let read_way = prop_oneof![
        Just(ReadWay::Read),
        Just(ReadWay::Receive),
        Just(ReadWay::TryReceive),
        Just(ReadWay::TryVectored),
    ];
    prop_oneof![
        (0..2usize, length, fds, send_way).prop_map(|(end, length, fds, way)| Step::Send {
            end,
            length,
            fds,
            way
        }),
        (0..2usize, size, read_way).prop_map(|(end, size, way)| Step::Read { end, size, way }),
    ]
}

/// The rest of the data of one `sendmsg` in the kernel's queue.
struct Segment {
    bytes: VecDeque<u8>,
    set: Vec<Identity>,
}

/// Returns the result of a read of this size by the rules of Linux: it takes bytes until the
/// buffer is full, or until the end of the first segment with descriptors.
fn predict(queue: &mut VecDeque<Segment>, size: usize) -> (Vec<u8>, Vec<Identity>) {
    let (mut bytes, mut set) = (Vec::new(), Vec::new());
    while bytes.len() < size && set.is_empty() {
        let Some(segment) = queue.front_mut() else { break };
        let count = segment.bytes.len().min(size - bytes.len());
        bytes.extend(segment.bytes.drain(..count));
        set = std::mem::take(&mut segment.set);
        if segment.bytes.is_empty() {
            queue.pop_front();
        }
    }
    (bytes, set)
}

/// Returns whether the socket is far from full. Other tests fill it.
fn has_room(queue: &VecDeque<Segment>) -> bool {
    queue.len() < 32 && queue.iter().map(|segment| segment.bytes.len()).sum::<usize>() < 48 * 1024
}

async fn follow(steps: Vec<Step>, inq: bool) {
    let (near, far) = Dbus::builder().inq(inq).pair().unwrap();
    let mut ends = [near, far];
    let mut queues = [VecDeque::new(), VecDeque::new()];
    let mut next = 0u8;
    for step in steps {
        match step {
            Step::Send { end, length, fds, way } => {
                let queue = &mut queues[1 - end];
                if !has_room(queue) {
                    continue;
                }
                let fds = memfds(fds);
                let set = identities(&fds);
                let bytes: Vec<u8> = (0..length).map(|n| next.wrapping_add(n as u8)).collect();
                next = next.wrapping_add(length as u8);
                send(&mut ends[end], &bytes, fds, way).await;
                queue.push_back(Segment { bytes: bytes.into(), set });
            }
            Step::Read { end, size, way } => {
                if queues[end].is_empty() {
                    assert!(now(ends[end].read(&mut [0; 8])).await.is_none());
                    continue;
                }
                let expected = predict(&mut queues[end], size);
                assert_eq!(read(&mut ends[end], size, way).await, expected);
            }
        }
    }
    for (end, queue) in ends.iter_mut().zip(&mut queues) {
        while !queue.is_empty() {
            let expected = predict(queue, 4096);
            assert_eq!(read(end, 4096, ReadWay::Receive).await, expected);
        }
    }
}

async fn send(stream: &mut Dbus, bytes: &[u8], fds: Vec<OwnedFd>, way: SendWay) {
    let (head, tail) = bytes.split_at(bytes.len() / 2);
    let slices = [IoSlice::new(head), IoSlice::new(&[]), IoSlice::new(tail)];
    let sent = match way {
        SendWay::Queued => {
            stream.write_queue_mut().extend(fds);
            stream.write(bytes).await
        }
        SendWay::QueuedVectored => {
            stream.write_queue_mut().extend(fds);
            stream.write_vectored(&slices).await
        }
        SendWay::Lent => stream.send_with_fds(bytes, &fds).await,
        SendWay::LentVectored => stream.send_vectored_with_fds(&slices, &fds).await,
        SendWay::Tried => {
            stream.writable().await.unwrap();
            stream.try_send_with_fds(bytes, &fds)
        }
    };
    assert_eq!(sent.unwrap(), bytes.len());
    assert!(stream.write_queue().is_empty());
}

async fn read(stream: &mut Dbus, size: usize, way: ReadWay) -> (Vec<u8>, Vec<Identity>) {
    let mut buf = vec![0; size];
    let count = match way {
        ReadWay::Read => stream.read(&mut buf).await.unwrap(),
        ReadWay::Receive => stream.recv(&mut buf).await.unwrap().bytes,
        ReadWay::TryReceive => {
            stream.readable().await.unwrap();
            stream.try_recv(&mut buf).unwrap().bytes
        }
        ReadWay::TryVectored => {
            stream.readable().await.unwrap();
            let (head, tail) = buf.split_at_mut(size / 3);
            let slices = &mut [IoSliceMut::new(head), IoSliceMut::new(tail)];
            stream.try_read_vectored(slices).unwrap()
        }
    };
    buf.truncate(count);
    (buf, identities(stream.read_queue_mut().drain(..)))
}

#[test]
fn every_read_returns_what_the_model_predicts() {
    println!("seed {SEED:#x}, {CASES} cases");
    let config = ProptestConfig {
        cases: CASES,
        rng_seed: RngSeed::Fixed(SEED),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let cases = (prop::collection::vec(step(), 1..60), any::<bool>());
    guarded(|| {
        TestRunner::new(config)
            .run(&cases, |(steps, inq)| {
                runtime().block_on(follow(steps, inq));
                Ok(())
            })
            .unwrap_or_else(|failure| panic!("{failure}"));
    });
}
