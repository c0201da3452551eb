//! How messages and their descriptors arrive at a peer that reads single bytes, and at one that reads as
//! libwayland 1.21 does.

use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use anchovy_wayland::{Limits, Message};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags};

use crate::foreign::*;
use crate::harness::*;

/// The limits with both values of `fds_with_their_message`.
fn placements() -> [Limits; 2] {
    [false, true].map(|own| Limits { fds_with_their_message: own, ..Limits::default() })
}

/// Sends messages with these numbers of descriptors in one flush.
async fn flushed(limits: Limits, fds: &[usize]) -> (Foreign, Vec<RawMessage>) {
    let (mut near, foreign) = foreign_peer_with(limits).await;
    let mut expected = Vec::new();
    for (number, count) in fds.iter().enumerate() {
        let message = match count {
            0 => plain(number as u32, 8),
            count => holder(number as u32, memfds(*count)),
        };
        expected.push(raw(&message));
        near.feed(message).await.expect("it is taken");
    }
    near.flush().await.expect("it leaves");
    (foreign, expected)
}

/// Receives with room for `room` bytes and for as many descriptors as libwayland.
fn receive(foreign: &Foreign, room: usize) -> (Vec<u8>, Vec<OwnedFd>) {
    // CMSG_LEN(28 * 4), which is what libwayland has.
    let mut space = [MaybeUninit::uninit(); 128];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = vec![0; room];
    let received = rustix::net::recvmsg(
        &foreign.socket,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut control,
        RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC,
    );
    let received = match received {
        Err(rustix::io::Errno::AGAIN) => return (Vec::new(), Vec::new()),
        received => received.expect("something to receive"),
    };
    assert!(!received.flags.contains(ReturnFlags::CTRUNC), "room for 28 is enough");
    let sets = control.drain().map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => fds.collect(),
        _ => Vec::new(),
    });
    let fds = sets.flatten().collect();
    bytes.truncate(received.bytes);
    (bytes, fds)
}

/// Reads and takes messages apart as libwayland 1.21 does: once per wakeup, into a ring of 4096
/// bytes, and every message that is whole has its descriptors or is an error.
fn as_libwayland_reads(foreign: &Foreign) -> Vec<RawMessage> {
    let (mut bytes, mut fds) = (Vec::<u8>::new(), VecDeque::new());
    let mut messages = Vec::new();
    loop {
        let (more, sets) = receive(foreign, 4096 - bytes.len());
        if more.is_empty() {
            assert!(bytes.is_empty() && fds.is_empty(), "{} bytes are left", bytes.len());
            return messages;
        }
        bytes.extend(more);
        fds.extend(sets);
        assert!(fds.len() <= 1024, "a ring of 4096 bytes");
        while bytes.len() >= 8 {
            let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
            let (object, second) = (word(0), word(4));
            let length = (second >> 16) as usize;
            if bytes.len() < length {
                break;
            }
            let count = counts(id(object), second as u16);
            assert!(fds.len() >= count, "file descriptor expected, object ({object})");
            let own: Vec<OwnedFd> = fds.drain(..count).collect();
            messages
                .push(RawMessage { bytes: bytes.drain(..length).collect(), fds: identities(own) });
        }
    }
}

#[test]
fn a_hundred_create_pools_arrive_whole_at_a_libwayland_reader() {
    run(async {
        for limits in placements() {
            let (foreign, expected) = flushed(limits, &[1; 100]).await;
            assert_eq!(as_libwayland_reads(&foreign), expected);
        }
    });
}

#[test]
fn sets_of_every_size_arrive_whole_at_a_libwayland_reader() {
    run(async {
        let sizes: Vec<usize> = (0..=28).chain((0..=28).rev()).flat_map(|n| [n, 0, 1]).collect();
        for limits in placements() {
            let limits = Limits { max_buffered_fds: 10_000, ..limits };
            let (foreign, expected) = flushed(limits, &sizes).await;
            assert_eq!(as_libwayland_reads(&foreign), expected);
        }
    });
}

#[test]
fn partially_sent_long_messages_arrive_whole_at_a_libwayland_reader() {
    run(async {
        for limits in placements() {
            let (mut near, foreign) = foreign_peer_with(limits).await;
            let long = |number: u32| {
                let fds = memfds((number % 4) as usize);
                let message = Message::builder(id(HOLDER), fds.len() as u16).uint(number);
                let message = message.array(&[7; 3500]);
                fds.into_iter().fold(message, |message, fd| message.fd(fd)).build().unwrap()
            };
            let (mut expected, mut came) = (Vec::new(), Vec::new());
            for number in 0..200 {
                let message = long(number);
                let copy = raw(&message);
                let mut feed = std::pin::pin!(near.feed(message));
                while now(feed.as_mut()).await.is_none() {
                    came.extend(all_calls(&foreign));
                    drive_io().await;
                }
                expected.push(copy);
            }
            while now(near.flush()).await.is_none() {
                came.extend(all_calls(&foreign));
                drive_io().await;
            }
            came.extend(all_calls(&foreign));
            let bytes: Vec<u8> = came.iter().flat_map(|call| call.bytes.clone()).collect();
            let fds: Vec<Identity> = came.iter().flat_map(|call| call.fds.clone()).collect();
            let all_bytes: Vec<u8> =
                expected.iter().flat_map(|message| message.bytes.clone()).collect();
            let all_fds: Vec<Identity> =
                expected.iter().flat_map(|message| message.fds.clone()).collect();
            assert!(bytes == all_bytes, "the bytes, in order");
            assert!(fds == all_fds, "the descriptors, in order");
        }
    });
}

/// All that there is to be read, call by call.
fn all_calls(foreign: &Foreign) -> Vec<RawMessage> {
    let mut calls = Vec::new();
    loop {
        let (bytes, fds) = receive(foreign, 4096);
        if bytes.is_empty() {
            return calls;
        }
        calls.push(RawMessage { bytes, fds: identities(fds) });
    }
}

#[test]
fn no_descriptor_is_sent_after_the_first_byte_of_its_message() {
    run(async {
        let sizes = [0, 3, 0, 20, 8, 1, 0, 28, 1, 27, 1, 1, 0];
        for limits in placements() {
            let (foreign, expected) = flushed(limits.clone(), &sizes).await;
            let mut arrived: VecDeque<OwnedFd> = VecDeque::new();
            for message in &expected {
                let (first, fds) = receive(&foreign, 1);
                assert_eq!(first, message.bytes[..1]);
                arrived.extend(fds);
                assert!(arrived.len() >= message.fds.len(), "with the first byte at the latest");
                if limits.fds_with_their_message {
                    assert_eq!(arrived.len(), message.fds.len(), "its own, and no others");
                }
                let own = arrived.drain(..message.fds.len());
                assert_eq!(identities(own), message.fds);
                for byte in &message.bytes[1..] {
                    let (next, fds) = receive(&foreign, 1);
                    assert_eq!((next[0], fds.len()), (*byte, 0));
                }
            }
            assert!(arrived.is_empty());
        }
    });
}

#[test]
fn a_set_that_does_not_fit_is_sent_with_the_next_call() {
    run(async {
        let (foreign, expected) = flushed(placements()[0].clone(), &[20, 0, 9, 19, 1]).await;
        let length = |range: std::ops::Range<usize>| {
            expected[range].iter().map(|message| message.bytes.len()).sum::<usize>()
        };
        for (range, count) in [(0..2, 20), (2..4, 28), (4..5, 1)] {
            let (bytes, fds) = receive(&foreign, 4096);
            assert_eq!((bytes.len(), fds.len()), (length(range), count));
        }
    });
}
