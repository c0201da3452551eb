//! Descriptors that leave, and those that cannot.

use std::io::{ErrorKind, IoSlice};
use std::os::unix::net::UnixStream as StdUnixStream;

use anchovy::exchange::{Exchange, FdId, SendErrorKind};
use anchovy::{DBUS_SCM_RIGHTS, FdError, UnixStream};
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::io::AsyncWriteExt;

use crate::harness::*;

/// An exchange that sends up to `limit` descriptors in one message, and its foreign peer.
fn limited(limit: usize) -> (End, StdUnixStream) {
    let (near, far) = StdUnixStream::pair().unwrap();
    far.set_nonblocking(true).unwrap();
    (exchange(UnixStream::builder().write_fd_limit(limit).build(near).unwrap()), far)
}

/// What one receive brings: bytes and descriptors.
fn received(far: &StdUnixStream) -> (Vec<u8>, Vec<Identity>) {
    let (bytes, fds, _) = foreign_receive(far, DBUS_SCM_RIGHTS);
    (bytes, identities(&fds))
}

#[test]
fn a_descriptor_leaves_with_the_next_written_byte() {
    run(async {
        let (mut near, far) = limited(8);
        near.write(b"before").await;
        let fd = memfd();
        let expected = identity(&fd);
        near.fds.send(fd).unwrap();
        assert_eq!(near.fds.queued(), 1);
        near.write(b"with").await;
        near.write(b"after").await;
        assert_eq!(near.fds.queued(), 0);
        let (bytes, carrier) = received(&far);
        assert_eq!((&bytes[..], carrier.len()), (&b"before"[..], 1));
        assert_eq!(received(&far), (b"with".to_vec(), vec![expected]));
        assert_eq!(received(&far), (b"after".to_vec(), vec![]));
    });
}

#[test]
fn a_vectored_write_carries_descriptors() {
    run(async {
        let (mut near, far) = limited(8);
        near.write(b".").await;
        received(&far);
        let fds = memfds(2);
        let expected = identities(&fds);
        near.send_all(fds);
        let bufs = [IoSlice::new(b""), IoSlice::new(b"ab"), IoSlice::new(b"cd")];
        assert_eq!(near.stream.write_vectored(&bufs).await.unwrap(), 4);
        assert_eq!(received(&far), (b"abcd".to_vec(), expected));
    });
}

#[test]
fn a_write_of_no_bytes_keeps_descriptors() {
    run(async {
        let (mut near, far) = limited(8);
        assert_eq!(near.stream.write(b"").await.unwrap(), 0);
        near.fds.send(memfd()).unwrap();
        assert_eq!(near.stream.write(b"").await.unwrap(), 0);
        assert_eq!(near.fds.queued(), 1);
        near.write(b".").await;
        assert_eq!(near.fds.queued(), 0);
        assert_eq!(received(&far).1.len(), 2);
    });
}

#[test]
fn more_descriptors_than_the_limit_leave_as_one_set_with_each_byte() {
    run(async {
        let (mut near, far) = limited(2);
        let fds = memfds(4);
        let expected = identities(&fds);
        near.send_all(fds);
        near.write(b"request").await;
        // With the carrier, they are five.
        let sets = [received(&far), received(&far), received(&far)];
        let bytes = sets.each_ref().map(|(bytes, _)| &bytes[..]);
        assert_eq!(bytes, [&b"r"[..], b"e", b"quest"]);
        let fds: Vec<_> = sets.into_iter().flat_map(|(_, fds)| fds).collect();
        assert_eq!(fds[1..], expected);
    });
}

#[test]
fn descriptors_for_which_a_write_has_no_byte_leave_with_the_next_bytes() {
    run(async {
        let (mut near, far) = limited(1);
        let fds = memfds(4);
        let expected = identities(&fds);
        near.send_all(fds);
        let mut arrived = Vec::new();
        for (bytes, left) in [(&b"a"[..], 4), (b"bc", 2), (b"d", 1), (b"efg", 0)] {
            near.write(bytes).await;
            assert_eq!(near.fds.queued(), left);
            let mut read = Vec::new();
            while read.len() < bytes.len() {
                let (bytes, fds) = received(&far);
                read.extend(bytes);
                arrived.extend(fds);
            }
            assert_eq!(read, bytes);
        }
        assert_eq!(arrived[1..], expected);
    });
}

#[test]
fn a_short_write_after_a_partial_one_sends_what_it_has_bytes_for() {
    run(async {
        let (near, far) = UnixStream::builder().write_fd_limit(1).pair().unwrap();
        set_socket_send_buffer_size(&near, 1).unwrap();
        let (mut near, mut far) = (exchange(near), exchange(far));
        let fds = memfds(400);
        let expected = identities(&fds);
        let ids = near.send_all(fds);
        // The socket is full before all have left.
        let sent = now(near.stream.write(&[7; 1000])).await.unwrap().unwrap();
        assert!((1..400).contains(&sent) && near.fds.queued() == 401 - sent, "{sent}");
        let mut taken = Vec::new();
        let mut bytes = sent;
        while near.fds.queued() > 0 {
            far.read(bytes).await;
            bytes = near.stream.write(b"x").await.unwrap();
        }
        far.read(bytes).await;
        for id in ids {
            taken.push(far.take(id).await);
        }
        assert_eq!(identities(&taken), expected);
    });
}

#[test]
fn descriptors_that_fill_the_socket_several_times_arrive_whole() {
    run(async {
        let (near, far) = UnixStream::builder().write_fd_limit(1).pair().unwrap();
        let (mut near, mut far) = (exchange(near), exchange(far));
        let fds = memfds(1000);
        let expected = identities(&fds);
        let ids = near.send_all(fds);
        let message = [7; 3000];
        let (written, read) = tokio::join!(near.stream.write_all(&message), far.read(3000));
        written.unwrap();
        assert!(read == message);
        let mut taken = Vec::new();
        for id in ids {
            taken.push(far.take(id).await);
        }
        assert_eq!(identities(&taken), expected);
    });
}

#[test]
fn a_full_socket_keeps_the_descriptor_until_there_is_room() {
    run(async {
        let (mut near, mut far) = pair();
        let mut written = 0;
        while let Some(count) = now(near.stream.write(&[7; 4096])).await {
            written += count.unwrap();
        }
        let fd = memfd();
        let expected = identity(&fd);
        let id = near.fds.send(fd).unwrap();
        assert!(now(near.stream.write(b"request")).await.is_none());
        assert_eq!(near.fds.queued(), 1);

        let (sent, _) = tokio::join!(near.stream.write_all(b"request"), far.read(written + 7));
        sent.unwrap();
        assert_eq!(identity(far.take(id).await), expected);
    });
}

#[test]
fn more_descriptors_than_may_wait_are_returned() {
    run(async {
        let (mut near, mut far) = pair_with(&Exchange::builder().max_queued(2));
        let mut ids = near.send_all(memfds(2));
        let refused = memfd();
        let expected = identity(&refused);
        let error = near.fds.send(refused).unwrap_err();
        assert!(matches!(error.kind, SendErrorKind::TooManyQueued { count: 2, limit: 2 }));
        let refused = error.unsent.expect("the descriptor");
        assert_eq!(identity(&refused), expected);

        // Once the others have left, it is taken, with the next number.
        near.write(b".").await;
        ids.push(near.fds.send(refused).unwrap());
        assert!(ids[2].to_string().starts_with("2-"), "{}", ids[2]);
        near.write(b".").await;
        far.read(2).await;
        assert_eq!(identity(far.take(ids[2]).await), expected);
    });
}

#[test]
fn by_default_1024_descriptors_may_wait_to_leave() {
    run(async {
        let (near, _far) = pair();
        near.send_all(memfds(1024));
        let error = near.fds.send(memfd()).unwrap_err();
        assert!(matches!(error.kind, SendErrorKind::TooManyQueued { count: 1024, limit: 1024 }));
    });
}

#[test]
fn descriptors_that_the_peer_refuses_stay_and_leave_later() {
    run(async {
        let (mut near, mut far) = pair();
        far.stream.get_ref().set_fd_passing(false).expect("Linux 6.16");
        let fd = memfd();
        let expected = identity(&fd);
        let id = near.fds.send(fd).unwrap();
        let error = near.stream.write(b"request").await.unwrap_err();
        assert!(matches!(fd_error(&error), FdError::RefusedByPeer { count: 2, .. }), "{error}");
        assert_eq!(near.fds.queued(), 1);

        far.stream.get_ref().set_fd_passing(true).unwrap();
        near.write(b"request").await;
        assert_eq!(far.read(7).await, b"request");
        assert_eq!(identity(far.take(id).await), expected);
    });
}

#[test]
fn descriptors_over_the_limit_in_flight_stay_and_leave_later() {
    without_privileges(async {
        let _limit = Lowered::descriptors(256);
        let (mut near, mut far) = pair();
        let (mut flood, mut drain) = UnixStream::pair().unwrap();
        let fds = memfds(32);
        flood.writable().await.unwrap();
        while flood.try_send_with_fds(b".", &fds).is_ok() {}
        let fd = memfd();
        let expected = identity(&fd);
        let id = near.fds.send(fd).unwrap();
        let error = near.stream.write(b"request").await.unwrap_err();
        assert!(matches!(fd_error(&error), FdError::TooManyInFlight { count: 2, .. }), "{error}");
        assert_eq!(near.fds.queued(), 1);

        drive_io().await;
        while drain.try_recv(&mut [0; 8]).is_ok() {
            drain.read_queue_mut().clear();
        }
        near.write(b"request").await;
        assert_eq!(far.read(7).await, b"request");
        assert_eq!(identity(far.take(id).await), expected);
    });
}

#[test]
fn a_peer_that_is_gone_is_an_error_of_the_write() {
    run(async {
        let (mut near, far) = pair();
        let (reader, writer) = pipe();
        near.fds.send(writer).unwrap();
        drop(far);
        let error = near.stream.write(b"request").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert!(!is_abandoned(&reader), "it stays until the stream is dropped");
        drop(near.stream);
        assert!(is_abandoned(&reader));
    });
}

#[test]
fn a_shutdown_closes_descriptors_that_have_not_left() {
    run(async {
        let (mut near, mut far) = pair();
        near.write(b".").await;
        let (reader, writer) = pipe();
        let id = near.fds.send(writer).unwrap();
        near.stream.shutdown().await.unwrap();
        assert!(is_abandoned(&reader));
        assert_eq!(near.fds.queued(), 0);
        let error = near.fds.send(memfd()).unwrap_err();
        assert!(matches!(error.kind, SendErrorKind::Closed), "{error:?}");

        let mut rest = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut far.stream, &mut rest).await.unwrap();
        assert_eq!(rest, b".");
        let error = now(far.fds.receive(id)).await.unwrap().unwrap_err();
        assert_eq!(error, anchovy::exchange::ReceiveError::EndOfStream { id });
    });
}

#[test]
fn a_shutdown_closes_descriptors_of_a_write_that_failed() {
    run(async {
        let (mut near, far) = pair();
        far.stream.get_ref().set_fd_passing(false).expect("Linux 6.16");
        let (reader, writer) = pipe();
        near.fds.send(writer).unwrap();
        near.stream.write(b"request").await.unwrap_err();
        near.stream.shutdown().await.unwrap();
        assert!(is_abandoned(&reader));
    });
}

#[test]
fn a_handle_whose_stream_is_dropped_returns_the_descriptor() {
    run(async {
        let (near, _far) = pair();
        let (reader, writer) = pipe();
        near.fds.send(writer).unwrap();
        drop(near.stream);
        assert!(is_abandoned(&reader));
        let fd = memfd();
        let expected = identity(&fd);
        let error = near.fds.send(fd).unwrap_err();
        assert!(matches!(error.kind, SendErrorKind::Closed), "{error:?}");
        assert_eq!(error.unsent.map(identity), Some(expected));
    });
}

#[test]
fn a_borrowed_descriptor_stays_with_the_caller() {
    run(async {
        let (mut near, mut far) = pair();
        let fd = memfd();
        let id = near.fds.send_borrowed(&fd).unwrap();
        near.write(b".").await;
        far.read(1).await;
        assert_eq!(identity(far.take(id).await), identity(&fd));
    });
}

#[test]
fn a_borrowed_descriptor_is_not_sent_without_room_for_its_duplicate() {
    run(async {
        let (near, _far) = pair();
        let fd = memfd();
        let error = {
            let _full = FullTable::with_room_for(0);
            near.fds.send_borrowed(&fd).unwrap_err()
        };
        assert!(error.unsent.is_none());
        let SendErrorKind::Duplicate(error) = error.kind else { panic!("{error:?}") };
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
        assert!(near.fds.send(fd).unwrap().to_string().starts_with("0-"));
    });
}

#[test]
fn handles_on_other_threads_send_beside_each_other() {
    run_on_threads(async {
        let (mut near, mut far) = pair();
        let senders: Vec<_> = (0..4)
            .map(|_| {
                let fds = near.fds.clone();
                tokio::spawn(async move {
                    let sent: Vec<(FdId, Identity)> = (0..50)
                        .map(|_| {
                            let fd = memfd();
                            let identity = identity(&fd);
                            (fds.send(fd).unwrap(), identity)
                        })
                        .collect();
                    sent
                })
            })
            .collect();
        let mut sent = Vec::new();
        for sender in senders {
            sent.extend(sender.await.unwrap());
        }
        near.write(b"all of them").await;
        far.read(11).await;
        for (id, expected) in sent {
            assert_eq!(identity(far.take(id).await), expected);
        }
    });
}
