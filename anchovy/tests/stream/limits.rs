//! Run-time limits, which are exact regardless of padding.

use std::io::{ErrorKind, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream as StdUnixStream};

use anchovy::{AnchovyStream, ConnectError, FdError, cmsg_space};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};

use crate::harness::*;

/// Sends this number of descriptors with four bytes from a foreign peer, and four more bytes.
fn foreign_sends(far: &StdUnixStream, count: usize) {
    let fds = memfds(count);
    let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
    assert_eq!(foreign_send(far, b"AAAA", &[&fds]).unwrap(), 4);
    assert_eq!(foreign_send(far, b"BBBB", &[]).unwrap(), 4);
}

/// Checks that reads fail permanently, that earlier descriptors are kept, and that writes still
/// succeed.
async fn is_refused<const S: usize>(stream: &mut AnchovyStream<S>, count: usize, limit: usize) {
    let queued = stream.read_queue().len();
    let expected = FdError::TooManyReceived { count, limit, space: S };
    for _ in 0..3 {
        let error = stream.read(&mut [0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert_eq!(fd_error(error), expected);
    }
    let error = stream.recv(&mut [0; 64]).await.unwrap_err();
    assert_eq!(fd_error(error), expected);
    assert_eq!(fd_error(stream.try_read(&mut [0; 64]).unwrap_err()), expected);
    assert_eq!(stream.read_error(), Some(expected));
    assert_eq!(stream.read_queue().len(), queued);
    stream.write_all(b"still writing").await.unwrap();
}

#[test]
fn descriptors_above_the_limit_fail_the_read_side_permanently() {
    run(async {
        const FOUR: usize = cmsg_space!(ScmRights(4));
        let (mut near, far) = with_foreign::<FOUR>();
        foreign_sends(&far, 4);
        assert_eq!(near.recv(&mut [0; 4]).await.unwrap().fds, 4);
        assert_eq!(near.recv(&mut [0; 4]).await.unwrap().fds, 0);
        foreign_sends(&far, 5);
        is_refused(&mut near, 5, 4).await;
        assert_eq!(near.read_queue().len(), 4);
    });
}

#[test]
fn far_too_many_descriptors_fail_the_read_side_permanently() {
    run(async {
        let (mut near, far) = with_foreign::<{ cmsg_space!(ScmRights(2)) }>();
        foreign_sends(&far, 253);
        is_refused(&mut near, 253, 2).await;
    });
}

#[test]
fn an_odd_run_time_limit_is_exact_despite_padding() {
    run(async {
        let (mut near, far) = with_foreign::<{ cmsg_space!(ScmRights(27)) }>();
        assert_eq!((near.read_fd_limit(), near.write_fd_limit()), (28, 28));
        near.set_read_fd_limit(27).unwrap();
        near.set_write_fd_limit(27).unwrap();

        let error = fd_error(near.send_with_fds(b"A", &memfds(28)).await.unwrap_err());
        assert_eq!(error, FdError::TooManyToSend { count: 28, limit: 27, space: 136 });
        near.send_with_fds(b"A", &memfds(27)).await.unwrap();

        foreign_sends(&far, 27);
        assert_eq!(near.recv(&mut [0; 64]).await.unwrap().fds, 27);
        near.read_exact(&mut [0; 4]).await.unwrap();
        foreign_sends(&far, 28);
        is_refused(&mut near, 28, 27).await;
    });
}

#[test]
fn a_limit_of_one_refuses_a_second_descriptor_despite_padding() {
    run(async {
        let (mut near, far) = with_foreign::<{ cmsg_space!(ScmRights(1)) }>();
        near.set_read_fd_limit(1).unwrap();
        foreign_sends(&far, 2);
        is_refused(&mut near, 2, 1).await;
    });
}

#[test]
fn a_limit_of_zero_accepts_bytes_and_refuses_descriptors() {
    run(async {
        let (near, far) = StdUnixStream::pair().unwrap();
        let builder = Dbus::builder().read_fd_limit(0).write_fd_limit(0);
        let mut near = builder.build(near).unwrap();
        let error = fd_error(near.send_with_fds(b"A", &memfds(1)).await.unwrap_err());
        assert_eq!(error, FdError::TooManyToSend { count: 1, limit: 0, space: 1040 });

        foreign_send(&far, b"plain", &[]).unwrap();
        assert_eq!(near.read(&mut [0; 64]).await.unwrap(), 5);
        foreign_sends(&far, 1);
        is_refused(&mut near, 1, 0).await;
    });
}

#[test]
fn descriptors_of_a_refused_set_are_closed() {
    run(async {
        let (mut near, far) = with_foreign::<{ cmsg_space!(ScmRights(2)) }>();
        let (reader, writer) = pipe();
        foreign_send(&far, b"A", &[&[writer.as_fd(); 3]]).unwrap();
        drop(writer);
        assert!(!is_abandoned(&reader));
        near.read(&mut [0; 8]).await.unwrap_err();
        assert!(is_abandoned(&reader));
    });
}

#[test]
fn a_full_read_queue_fails_reads_until_it_is_drained() {
    run(async {
        let (mut near, far) = with_foreign::<{ cmsg_space!(ScmRights(4)) }>();
        near.set_read_queue_limit(9).unwrap();
        for _ in 0..3 {
            foreign_sends(&far, 2);
        }
        for _ in 0..5 {
            near.read_exact(&mut [0; 4]).await.unwrap();
        }
        foreign_sends(&far, 4);
        let expected = identities(near.read_queue());

        for error in [
            near.read(&mut [0; 64]).await.unwrap_err(),
            near.recv(&mut [0; 64]).await.unwrap_err(),
            near.try_read(&mut [0; 64]).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
            assert_eq!(
                fd_error(error),
                FdError::ReadQueueFull { queued: 6, fd_limit: 4, limit: 9 }
            );
        }
        assert_eq!(near.read_error(), None);
        assert_eq!(identities(near.read_queue()), expected);

        near.read_queue_mut().pop_front();
        let mut buf = [0; 64];
        let received = near.recv(&mut buf).await.unwrap();
        assert_eq!((&buf[..received.bytes], received.fds), (&b"BBBBAAAA"[..], 4));
        assert_eq!(near.read_queue().len(), 9);
    });
}

#[test]
fn a_full_read_queue_fails_reads_even_if_nothing_is_queued() {
    run(async {
        let (mut near, _far) = Dbus::pair().unwrap();
        near.set_read_queue_limit(253).unwrap();
        near.read_queue_mut().push_back(memfd());
        let error = fd_error(now(near.read(&mut [0; 8])).await.unwrap().unwrap_err());
        assert_eq!(error, FdError::ReadQueueFull { queued: 1, fd_limit: 253, limit: 253 });
    });
}

#[test]
fn the_default_read_queue_holds_1024_and_a_full_set() {
    run(async {
        assert_eq!(Dbus::DEFAULT_READ_QUEUE_LIMIT, 1024 + 253);
        assert_eq!(Wayland::DEFAULT_READ_QUEUE_LIMIT, 1024 + 28);
        assert_eq!(Dbus::pair().unwrap().0.read_queue_limit(), 1277);
        assert_eq!(Wayland::pair().unwrap().0.read_queue_limit(), 1052);
        let (few, _) = Dbus::builder().read_fd_limit(16).pair().unwrap();
        assert_eq!((few.read_fd_limit(), few.read_queue_limit()), (16, 1277));
    });
}

/// wayland-rs sends the descriptors of queued requests before the first request is complete: each
/// full set with one byte.
#[test]
fn nine_full_sets_before_the_end_of_a_message_do_not_fill_the_queue() {
    run(async {
        let (mut near, mut far) = Wayland::pair().unwrap();
        let fds = memfds(28);
        for _ in 0..9 {
            near.send_with_fds(b"A", &fds).await.unwrap();
        }
        near.write_all(b"A").await.unwrap();
        far.read_exact(&mut [0; 10]).await.unwrap();
        assert_eq!(far.read_queue().len(), 9 * 28);
    });
}

#[test]
fn out_of_range_limits_are_refused_and_change_nothing() {
    run(async {
        let (mut near, _far) = Wayland::pair().unwrap();
        let out_of_range =
            |limit, least, most| Err(FdError::LimitOutOfRange { limit, least, most, space: 136 });
        assert_eq!(near.set_read_fd_limit(29), out_of_range(29, 0, 28));
        assert_eq!(near.set_write_fd_limit(29), out_of_range(29, 0, 28));
        assert_eq!(near.set_read_queue_limit(27), out_of_range(27, 28, usize::MAX));
        assert_eq!((near.read_fd_limit(), near.read_queue_limit()), (28, 1052));

        near.set_read_fd_limit(4).unwrap();
        near.set_read_queue_limit(8).unwrap();
        assert_eq!(near.set_read_fd_limit(9), out_of_range(9, 0, 8));
        assert_eq!((near.read_fd_limit(), near.read_queue_limit()), (4, 8));
    });
}

#[test]
fn limits_at_the_ends_of_their_ranges_are_accepted() {
    run(async {
        let (mut near, _far) = Wayland::pair().unwrap();
        for limit in [0, 28] {
            near.set_write_fd_limit(limit).unwrap();
            near.set_read_fd_limit(limit).unwrap();
            near.set_read_queue_limit(limit).unwrap();
            near.set_read_queue_limit(28).unwrap();
            assert_eq!((near.write_fd_limit(), near.read_fd_limit()), (limit, limit));
        }
    });
}

#[test]
fn a_builder_with_out_of_range_limits_creates_no_stream() {
    run(async {
        let builder = Wayland::builder();
        for builder in [
            builder.clone().read_fd_limit(29),
            builder.clone().write_fd_limit(29),
            builder.clone().read_queue_limit(27),
            builder.clone().read_fd_limit(16).read_queue_limit(15),
        ] {
            let error = builder.pair().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(matches!(fd_error(error), FdError::LimitOutOfRange { space: 136, .. }));
            // The limit is checked before the connection is attempted.
            let error = builder.connect("/nobody listens here").await.unwrap_err();
            let ConnectError::Limit(error) = error else { panic!("{error:?}") };
            assert!(matches!(error, FdError::LimitOutOfRange { space: 136, .. }));
        }
    });
}

#[test]
fn debug_and_limit_errors_name_the_count_and_the_space() {
    run(async {
        let (near, _far) = Wayland::pair().unwrap();
        assert_eq!(Wayland::FD_LIMIT, 28);
        let debug = format!("{near:?}");
        assert!(debug.contains("S: 136, FD_LIMIT: 28"), "{debug}");

        let (read, write) = near.into_split();
        assert!(format!("{read:?}").contains("S: 136, FD_LIMIT: 28"));
        assert!(format!("{write:?}").contains("S: 136, FD_LIMIT: 28"));

        let error = FdError::TooManyToSend { count: 29, limit: 28, space: 136 }.to_string();
        assert!(error.contains("limit is 28 (S = 136 bytes)"), "{error}");
    });
}

#[test]
fn debug_of_a_stream_has_the_limits_of_both_sides() {
    run(async {
        let (mut near, _far) = Wayland::pair().unwrap();
        near.set_read_fd_limit(7).unwrap();
        near.set_write_fd_limit(8).unwrap();
        let debug = format!("{near:?}");
        assert!(debug.contains("read_fd_limit: 7"), "{debug}");
        assert!(debug.contains("write_fd_limit: 8"), "{debug}");
    });
}

#[test]
fn a_vectored_read_fails_with_a_full_queue_and_a_failed_side() {
    run(async {
        let (mut near, far) = with_foreign::<{ cmsg_space!(ScmRights(2)) }>();
        near.set_read_queue_limit(3).unwrap();
        near.read_queue_mut().extend(memfds(2));
        let fds = memfds(3);
        let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        foreign_send(&far, b"AAAA", &[&fds[..2]]).unwrap();
        near.readable().await.unwrap();

        let mut bytes = [0; 64];
        let error = near.try_read_vectored(&mut [IoSliceMut::new(&mut bytes)]).unwrap_err();
        assert_eq!(fd_error(error), FdError::ReadQueueFull { queued: 2, fd_limit: 2, limit: 3 });
        near.read_queue_mut().clear();
        assert_eq!(near.try_read_vectored(&mut [IoSliceMut::new(&mut bytes)]).unwrap(), 4);
        assert_eq!(near.read_queue_mut().drain(..).count(), 2);

        foreign_send(&far, b"BBBB", &[&fds]).unwrap();
        foreign_send(&far, b"CCCC", &[]).unwrap();
        near.readable().await.unwrap();
        for _ in 0..3 {
            let error = near.try_read_vectored(&mut [IoSliceMut::new(&mut bytes)]).unwrap_err();
            let expected = FdError::TooManyReceived { count: 3, limit: 2, space: 32 };
            assert_eq!(fd_error(error), expected);
        }
    });
}

#[test]
fn a_failed_read_side_is_reported_even_if_its_queue_is_full() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        near.set_read_fd_limit(2).unwrap();
        near.set_read_queue_limit(3).unwrap();
        far.send_with_fds(b"AAAA", &memfds(3)).await.unwrap();
        let failed = fd_error(near.read(&mut [0; 8]).await.unwrap_err());
        near.read_queue_mut().extend(memfds(3));
        assert_eq!(fd_error(near.read(&mut [0; 8]).await.unwrap_err()), failed);
    });
}

#[test]
fn a_refused_read_leaves_the_buffer_unchanged() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        near.set_read_fd_limit(2).unwrap();
        far.send_with_fds(b"AAAA", &memfds(3)).await.unwrap();
        let mut memory = [0; 8];
        let mut buf = ReadBuf::new(&mut memory);
        std::future::poll_fn(|cx| near.poll_recv(cx, &mut buf)).await.unwrap_err();
        assert!(buf.filled().is_empty());
    });
}

#[test]
fn a_lower_read_limit_keeps_the_queue_limit() {
    run(async {
        let (mut near, _far) = Dbus::pair().unwrap();
        near.set_read_queue_limit(300).unwrap();
        near.set_read_fd_limit(16).unwrap();
        assert_eq!((near.read_fd_limit(), near.read_queue_limit()), (16, 300));
    });
}

#[test]
fn builder_options_apply_to_every_way_of_creating_a_stream() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let _listener = UnixListener::bind(&path).unwrap();
        let builder = Dbus::builder().read_fd_limit(9).read_queue_limit(20).write_fd_limit(7);
        let connected = builder.clone().inq(false).connect(&path).await;
        let (one, other) = builder.clone().inq(false).pair().unwrap();
        let built = builder.inq(false).build(StdUnixStream::pair().unwrap().0).unwrap();
        for stream in [connected.unwrap(), one, other, built] {
            assert_eq!((stream.read_fd_limit(), stream.read_queue_limit()), (9, 20));
            assert_eq!(stream.write_fd_limit(), 7);
        }
    });
}
