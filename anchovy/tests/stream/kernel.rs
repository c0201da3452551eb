//! The order of bytes and descriptors on Linux, as a stream receives them.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use rustix::net::{RecvAncillaryBuffer, RecvFlags};
use signal_hook::consts::SIGPIPE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::*;

/// Sends with one `sendmsg` each. Returns the identities of the sent descriptors.
async fn sent(stream: &mut Dbus, sends: &[(&str, usize)]) -> Vec<Vec<Identity>> {
    let mut sets = Vec::new();
    for (bytes, count) in sends {
        let fds = memfds(*count);
        let sent = stream.send_with_fds(bytes.as_bytes(), &fds).await.expect("room");
        assert_eq!(sent, bytes.len());
        sets.push(identities(&fds));
    }
    sets
}

/// Reads once into a buffer of this size. Returns the bytes and the identities of the descriptors.
async fn read(stream: &mut Dbus, size: usize) -> (String, Vec<Identity>) {
    let mut buf = vec![0; size];
    let received = stream.recv(&mut buf).await.expect("something to read");
    let fds: Vec<_> = stream.read_queue_mut().drain(..).collect();
    assert_eq!(received.fds, fds.len());
    (String::from_utf8_lossy(&buf[..received.bytes]).into_owned(), identities(fds))
}

fn plain(bytes: &str) -> (String, Vec<Identity>) {
    (bytes.to_owned(), Vec::new())
}

fn with(bytes: &str, set: &[Identity]) -> (String, Vec<Identity>) {
    (bytes.to_owned(), set.to_vec())
}

#[test]
fn bytes_before_descriptors_merge_with_them() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let sets = sent(&mut near, &[("AAAA", 0), ("BBBB", 1)]).await;
        assert_eq!(read(&mut far, 100).await, with("AAAABBBB", &sets[1]));
    });
}

#[test]
fn a_read_ends_after_a_descriptor_set() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let sets = sent(&mut near, &[("AAAA", 1), ("BBBB", 0)]).await;
        assert_eq!(read(&mut far, 100).await, with("AAAA", &sets[0]));
        assert_eq!(read(&mut far, 100).await, plain("BBBB"));
    });
}

#[test]
fn plain_bytes_merge_only_with_descriptors_after_them() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let sends = [("p1", 0), ("F1", 1), ("p2", 0), ("F2", 1), ("p3", 0)];
        let sets = sent(&mut near, &sends).await;
        assert_eq!(read(&mut far, 100).await, with("p1F1", &sets[1]));
        assert_eq!(read(&mut far, 100).await, with("p2F2", &sets[3]));
        assert_eq!(read(&mut far, 100).await, plain("p3"));
    });
}

#[test]
fn two_descriptor_sets_are_never_merged() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let sets = sent(&mut near, &[("AAAA", 1), ("BBBB", 1)]).await;
        assert_eq!(read(&mut far, 100).await, with("AAAA", &sets[0]));
        assert_eq!(read(&mut far, 100).await, with("BBBB", &sets[1]));
    });
}

#[test]
fn two_full_sets_arrive_with_one_read_each() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let sets = sent(&mut near, &[("AAAA", 253), ("BBBB", 253)]).await;
        assert_eq!(read(&mut far, 100).await, with("AAAA", &sets[0]));
        assert_eq!(read(&mut far, 100).await, with("BBBB", &sets[1]));
    });
}

#[test]
fn descriptors_arrive_with_the_first_byte_of_their_message() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let sets = sent(&mut near, &[("ABCD", 2), ("next", 0)]).await;
        assert_eq!(read(&mut far, 1).await, with("A", &sets[0]));
        assert_eq!(read(&mut far, 1).await, plain("B"));
        assert_eq!(read(&mut far, 100).await, plain("CDnext"));
    });
}

#[test]
fn a_read_that_ends_within_a_message_has_its_descriptors() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let sets = sent(&mut near, &[("AAAA", 0), ("BBBB", 1)]).await;
        assert_eq!(read(&mut far, 2).await, plain("AA"));
        assert_eq!(read(&mut far, 3).await, with("AAB", &sets[1]));
        assert_eq!(read(&mut far, 100).await, plain("BBB"));
    });
}

#[test]
fn a_read_that_ends_before_a_message_has_no_descriptors() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let sets = sent(&mut near, &[("AAAA", 0), ("BBBB", 1)]).await;
        assert_eq!(read(&mut far, 4).await, plain("AAAA"));
        assert_eq!(read(&mut far, 100).await, with("BBBB", &sets[1]));
    });
}

#[test]
fn the_rest_of_a_message_merges_with_the_next_descriptor_set() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let sets = sent(&mut near, &[("AAAA", 1), ("BBBB", 2)]).await;
        assert_eq!(read(&mut far, 2).await, with("AA", &sets[0]));
        assert_eq!(read(&mut far, 100).await, with("AABBBB", &sets[1]));
    });
}

#[test]
fn descriptors_can_arrive_with_the_second_of_two_buffers() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let sets = sent(&mut near, &[("AAAA", 0), ("BBBB", 1)]).await;
        let (mut first, mut second) = ([0; 4], [0; 4]);
        far.readable().await.unwrap();
        let bufs =
            &mut [std::io::IoSliceMut::new(&mut first), std::io::IoSliceMut::new(&mut second)];
        assert_eq!(far.try_read_vectored(bufs).unwrap(), 8);
        assert_eq!((&first, &second), (b"AAAA", b"BBBB"));
        assert_eq!(identities(far.read_queue()), sets[1]);
    });
}

#[test]
fn control_messages_of_one_foreign_send_arrive_as_one_set() {
    run(async {
        let (mut near, far) = with_foreign::<{ anchovy::DBUS_SCM_RIGHTS }>();
        let fds = memfds(5);
        let fds: Vec<_> = fds.iter().map(std::os::fd::AsFd::as_fd).collect();
        foreign_send(&far, b"AAAA", &[&fds[..2], &fds[2..]]).unwrap();
        assert_eq!(read(&mut near, 100).await, with("AAAA", &identities(&fds)));
    });
}

#[test]
fn an_empty_rights_message_delivers_no_descriptors() {
    run(async {
        let (mut near, far) = with_foreign::<{ anchovy::DBUS_SCM_RIGHTS }>();
        foreign_send(&far, b"AAAA", &[&[]]).unwrap();
        foreign_send(&far, b"BBBB", &[&[]]).unwrap();
        assert_eq!(read(&mut near, 100).await, plain("AAAABBBB"));
    });
}

#[test]
fn descriptors_in_flight_survive_the_end_of_their_sender() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let sets = sent(&mut near, &[("AAAA", 2)]).await;
        near.shutdown().await.unwrap();
        drop(near);
        assert_eq!(read(&mut far, 100).await, with("AAAA", &sets[0]));
        assert_eq!(read(&mut far, 100).await, plain(""));
    });
}

#[test]
fn unread_descriptors_are_closed_with_their_receiver() {
    run(async {
        let (mut near, far) = Dbus::pair().unwrap();
        let (reader, writer) = pipe();
        near.write_queue_mut().push_back(writer);
        near.write_all(b"AAAA").await.unwrap();
        // The only copy is in flight.
        assert!(!is_abandoned(&reader));
        drop(far);
        assert!(is_abandoned(&reader));
    });
}

#[test]
fn a_peer_that_closes_with_unread_bytes_causes_one_error_then_eof() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        near.write_all(b"unread").await.unwrap();
        far.write_all(b"reply").await.unwrap();
        drop(far);
        assert_eq!(read(&mut near, 100).await, plain("reply"));
        let error = near.read(&mut [0; 100]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
        assert_eq!(read(&mut near, 100).await, plain(""));
    });
}

#[test]
fn a_write_to_a_closed_peer_is_an_error_and_no_signal() {
    run(async {
        // Rust ignores SIGPIPE by default; a handler would be called.
        let signalled = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(SIGPIPE, Arc::clone(&signalled)).unwrap();

        let (mut near, far) = Dbus::pair().unwrap();
        drop(far);
        for count in [0, 1, 20] {
            near.write_queue_mut().extend(memfds(count));
            let error = near.write(b"AAAA").await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
            let error = near.write_vectored(&[std::io::IoSlice::new(b"A"); 2]).await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
            assert_eq!(near.write_queue().len(), count);
            let fds: Vec<_> = near.write_queue_mut().drain(..).collect();
            let error = near.send_with_fds(b"AAAA", &fds).await.unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
        }
        assert!(!signalled.load(Ordering::SeqCst), "SIGPIPE was raised");
    });
}

/// Streams rely on this: after such a read, they wait for the next event.
#[test]
fn a_short_read_without_a_control_message_has_emptied_the_socket() {
    let sizes = prop_oneof![Just(1usize), 2..16usize, Just(5000)];
    // Bytes and descriptors to send, or the size of a buffer to receive into.
    let send = (sizes.clone(), 0..3usize).prop_map(|(bytes, fds)| (Some(fds), bytes));
    let read = sizes.prop_map(|bytes| (None, bytes));
    let steps = proptest::collection::vec(prop_oneof![send, read], 1..40);
    guarded(|| {
        let fds = memfds(2);
        let (far, near) = StdUnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        far.set_nonblocking(true).unwrap();
        const SEED: u64 = 0x5405;
        println!("seed {SEED:#x}");
        let config = ProptestConfig {
            rng_seed: RngSeed::Fixed(SEED),
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let outcome = TestRunner::new(config).run(&steps, |steps| {
            for (fd_count, bytes) in steps {
                let Some(count) = fd_count else {
                    let Some((received, is_plain)) = receive(&near, bytes) else { continue };
                    if received < bytes && is_plain {
                        let queued = rustix::io::ioctl_fionread(&near).unwrap();
                        prop_assert_eq!(queued, 0, "a read of {} bytes into {}", received, bytes);
                    }
                    continue;
                };
                let set: Vec<_> = fds[..count].iter().map(std::os::fd::AsFd::as_fd).collect();
                let sets: &[&[_]] = if count == 0 { &[] } else { &[&set] };
                // It fails if the socket is full.
                let _ = foreign_send(&far, &vec![7; bytes], sets);
            }
            Ok(())
        });
        outcome.unwrap_or_else(|failure| panic!("{failure}"));
    });
}

/// Calls `recvmsg` once. Returns the number of bytes, and whether there was no control message, or `None`
/// if nothing is queued.
fn receive(socket: &StdUnixStream, size: usize) -> Option<(usize, bool)> {
    let mut buf = vec![0; size];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let slices = &mut [IoSliceMut::new(&mut buf)];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received = rustix::net::recvmsg(socket, slices, &mut control, flags).ok()?;
    Some((received.bytes, control.drain().count() == 0))
}
