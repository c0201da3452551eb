//! Peers that use no exchange, and peers that are hostile.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;

use anchovy::exchange::{Exchange, ExchangeError, ReceiveError};
use anchovy::{FdError, UnixStream};
use rustix::fs::SealFlags;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::*;

const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::WRITE);

/// Reads, which fails with the same error each time.
async fn failed_read(end: &mut End) -> ExchangeError {
    let mut buf = [0; 8];
    let mut buf = tokio::io::ReadBuf::new(&mut buf);
    let read = std::future::poll_fn(|cx| {
        tokio::io::AsyncRead::poll_read(std::pin::Pin::new(&mut end.stream), cx, &mut buf)
    });
    let error = exchange_error(&read.await.unwrap_err());
    assert!(buf.filled().is_empty(), "a failed read returns no bytes");
    assert_eq!(exchange_error(&end.stream.read(&mut [0]).await.unwrap_err()), error);
    error
}

#[test]
fn a_peer_without_descriptors_need_not_use_an_exchange() {
    run(async {
        let (mut near, mut far) = with_foreign();
        far.socket.write_all(b"request").unwrap();
        assert_eq!(near.read(7).await, b"request");
        near.write(b"answer").await;
        let mut answer = [0; 6];
        far.socket.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"answer");
    });
}

#[test]
fn descriptors_of_a_peer_that_uses_no_exchange_fail_the_read_side() {
    run(async {
        let (mut near, far) = with_foreign();
        far.send(b"hello", 3);
        let fds = near.fds.clone();
        let waiting = tokio::spawn(async move { fds.receive(foreign_id(0)).await });
        drive_io().await;
        let error = failed_read(&mut near).await;
        assert_eq!(error, ExchangeError::NotAnExchange { count: 3 });
        assert_eq!(far.open(), 0);
        let id = foreign_id(0);
        let refused = ReceiveError::StreamFailed { id, error };
        assert_eq!(waiting.await.unwrap().unwrap_err(), refused);
        assert_eq!(now(near.fds.receive(id)).await.unwrap().unwrap_err(), refused);
        near.write(b"the write side works on").await;
    });
}

#[test]
fn a_first_descriptor_that_is_no_carrier_fails_the_read_side() {
    let content = [&b"anchovy\x01"[..], &NONCE.to_be_bytes()].concat();
    let unsealed = |missing: SealFlags| sealed(&content, SEALS.difference(missing));
    let in_pipe = || {
        let (reader, writer) = pipe();
        rustix::io::write(writer, &content).unwrap();
        reader
    };
    let cases: [(&str, &dyn Fn() -> OwnedFd); 8] = [
        ("a file that can be written", &|| unsealed(SealFlags::WRITE)),
        ("a file that can grow", &|| unsealed(SealFlags::GROW)),
        ("a file that can shrink", &|| unsealed(SealFlags::SHRINK)),
        ("a short file", &|| sealed(&content[..15], SEALS)),
        ("a long file", &|| sealed(&[&content[..], b"."].concat(), SEALS)),
        ("other content", &|| sealed(&[b"anchovy\x02", &content[8..]].concat(), SEALS)),
        ("a pipe", &in_pipe),
        ("a device", &|| std::fs::File::open("/dev/zero").unwrap().into()),
    ];
    for (name, fd) in cases {
        run(async {
            let (mut near, far) = with_foreign();
            far.send_these(b"hello", &[fd()]).unwrap();
            let error = failed_read(&mut near).await;
            assert_eq!(error, ExchangeError::NotAnExchange { count: 1 }, "{name}");
        });
    }
}

#[test]
fn a_carrier_that_comes_late_is_accepted() {
    run(async {
        let (mut near, mut far) = with_foreign();
        far.socket.write_all(b"bytes").unwrap();
        assert_eq!(near.read(5).await, b"bytes");
        let fd = memfd();
        let expected = identity(&fd);
        far.send_these(b"fd", &[carrier(), fd]).unwrap();
        assert_eq!(near.read(2).await, b"fd");
        assert_eq!(identity(near.take(foreign_id(0)).await), expected);
    });
}

#[test]
fn a_flood_of_descriptors_fails_the_read_side_and_closes_all() {
    run(async {
        let (mut near, far) = with_known_foreign(&Exchange::builder().max_unclaimed(300)).await;
        far.send(b"full", 253);
        assert_eq!(near.read(4).await, b"full");
        far.send(b"taken", 47);
        near.read(5).await;
        near.take(foreign_id(0)).await;
        assert_eq!((far.open(), near.fds.unclaimed()), (299, 299));
        let fds = near.fds.clone();
        let waiting = tokio::spawn(async move { fds.receive(foreign_id(302)).await });
        drive_io().await;

        far.send(b"over", 2);
        let error = failed_read(&mut near).await;
        assert_eq!(error, ExchangeError::TooManyUnclaimed { count: 301, limit: 300 });
        assert_eq!((far.open(), near.fds.unclaimed()), (0, 0));
        let id = foreign_id(302);
        assert_eq!(waiting.await.unwrap().unwrap_err(), ReceiveError::StreamFailed { id, error });
        for id in [foreign_id(1), foreign_id(301)] {
            let refused = now(near.fds.receive(id)).await.unwrap().unwrap_err();
            assert_eq!(refused, ReceiveError::StreamFailed { id, error });
        }
        near.write(b"the write side works on").await;
    });
}

#[test]
fn by_default_1277_descriptors_may_wait_to_be_taken() {
    run(async {
        let (mut near, far) = with_known_foreign(&Exchange::builder()).await;
        for count in [253, 253, 253, 253, 253, 12] {
            far.send(b".", count);
            near.read(1).await;
            far.forget();
        }
        assert_eq!(near.fds.unclaimed(), 1277);
        far.send(b".", 1);
        let error = failed_read(&mut near).await;
        assert_eq!(error, ExchangeError::TooManyUnclaimed { count: 1278, limit: 1277 });
    });
}

#[test]
fn a_stream_that_fails_ends_calls_and_keeps_what_has_arrived() {
    run(async {
        let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
        let near = UnixStream::builder().read_fd_limit(2).build(near).unwrap();
        let (mut near, far) = (exchange(near), Foreign::new(far));
        far.send_these(b".", &[carrier(), memfd()]).unwrap();
        near.read(1).await;
        far.send(b"three", 3);
        let error = near.stream.read(&mut [0; 8]).await.unwrap_err();
        let cause = fd_error(&error);
        assert!(matches!(cause, FdError::TooManyReceived { count: 3, limit: 2, .. }), "{cause}");
        assert_eq!(far.open(), 0);
        let id = foreign_id(1);
        let refused = now(near.fds.receive(id)).await.unwrap().unwrap_err();
        let error = ExchangeError::Stream(cause);
        assert_eq!(refused, ReceiveError::StreamFailed { id, error });
        assert_eq!(fd_error(&near.stream.read(&mut [0]).await.unwrap_err()), cause);
        near.take(foreign_id(0)).await;
    });
}

#[test]
fn a_full_table_ends_calls_that_wait() {
    run(async {
        let (mut near, far) = with_known_foreign(&Exchange::builder()).await;
        far.send(b"two", 2);
        let error = {
            let _full = FullTable::with_room_for(0);
            near.stream.read(&mut [0; 8]).await.unwrap_err()
        };
        let cause = fd_error(&error);
        assert!(matches!(cause, FdError::Truncated { .. }), "{cause}");
        let id = foreign_id(0);
        let refused = now(near.fds.receive(id)).await.unwrap().unwrap_err();
        let error = ExchangeError::Stream(cause);
        assert_eq!(refused, ReceiveError::StreamFailed { id, error });
    });
}

#[test]
fn bytes_alone_pass_to_a_peer_that_refuses_descriptors() {
    run(async {
        let (mut near, mut far) = pair();
        far.stream.get_ref().set_fd_passing(false).expect("Linux 6.16");
        near.write(b"first").await;
        near.write(b"second").await;
        assert_eq!(far.read(11).await, b"firstsecond");

        // The carrier has not left, and leaves before the first descriptor.
        far.stream.get_ref().set_fd_passing(true).unwrap();
        let fd = memfd();
        let expected = identity(&fd);
        let id = near.fds.send(fd).unwrap();
        near.write(b"third").await;
        assert_eq!(far.read(5).await, b"third");
        assert_eq!(identity(far.take(id).await), expected);
    });
}

#[test]
fn bytes_alone_pass_while_too_many_descriptors_are_in_flight() {
    without_privileges(async {
        let _limit = Lowered::descriptors(256);
        let (mut near, mut far) = pair();
        let (mut flood, _drain) = UnixStream::pair().unwrap();
        let fds = memfds(32);
        flood.writable().await.unwrap();
        while flood.try_send_with_fds(b".", &fds).is_ok() {}
        let error = flood.try_send_with_fds(b".", &fds[..1]).unwrap_err();
        assert!(matches!(fd_error(&error), FdError::TooManyInFlight { .. }), "{error}");
        near.write(b"request").await;
        assert_eq!(far.read(7).await, b"request");
    });
}

#[test]
fn what_arrived_before_the_exchange_was_made_is_taken_over() {
    run(async {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut near = exchange(near);
        let fd = memfd();
        let expected = identity(&fd);
        let id = near.fds.send(fd).unwrap();
        near.write(b"hello\nrequest").await;
        far.read_exact(&mut [0; 6]).await.unwrap();
        assert_eq!(far.read_queue().len(), 2);
        let mut far = exchange(far);
        assert_eq!(far.read(7).await, b"request");
        assert_eq!(identity(far.take(id).await), expected);
    });
}

#[test]
fn a_stream_with_descriptors_of_a_peer_without_exchange_becomes_none() {
    run(async {
        let (near, far) = std::os::unix::net::UnixStream::pair().unwrap();
        let (mut near, far) = (UnixStream::new(near).unwrap(), Foreign::new(far));
        far.send(b"hello", 2);
        near.read_exact(&mut [0; 5]).await.unwrap();
        let error = Exchange::builder().build(near).unwrap_err();
        assert_eq!(exchange_error(&error), ExchangeError::NotAnExchange { count: 2 });
        assert_eq!(far.open(), 0);
    });
}

#[test]
fn a_stream_with_a_full_write_queue_becomes_no_exchange() {
    run(async {
        let (mut near, _far) = UnixStream::pair().unwrap();
        near.write_queue_mut().extend(memfds(2));
        let error = Exchange::builder().build(near).unwrap_err();
        assert!(matches!(fd_error(&error), FdError::WriteQueueNotEmpty { queued: 2 }));
    });
}

#[test]
fn a_stream_that_may_pass_no_descriptor_becomes_no_exchange() {
    run(async {
        for builder in
            [UnixStream::builder().read_fd_limit(0), UnixStream::builder().write_fd_limit(0)]
        {
            let (near, _far) = builder.pair().unwrap();
            let error = Exchange::builder().build(near).unwrap_err();
            let error = fd_error(&error);
            assert!(
                matches!(error, FdError::LimitOutOfRange { limit: 0, least: 1, .. }),
                "{error}"
            );
        }
    });
}

#[test]
fn an_exchange_needs_a_place_for_its_carrier() {
    run(async {
        let (near, _far) = UnixStream::pair().unwrap();
        let error = {
            let _full = FullTable::with_room_for(0);
            Exchange::builder().build(near).unwrap_err()
        };
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
    });
}

#[test]
fn a_peer_that_resets_the_connection_leaves_nothing_open() {
    run(async {
        let (mut near, far) = with_known_foreign(&Exchange::builder()).await;
        far.send(b"one", 1);
        near.read(3).await;
        near.write(b"unread").await;
        far.send(b"two", 1);
        let Foreign { socket, .. } = &far;
        rustix::net::shutdown(socket, rustix::net::Shutdown::Both).unwrap();
        let mut rest = Vec::new();
        let _ = near.stream.read_to_end(&mut rest).await;
        assert_eq!(near.stream.write(b"more").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
        drop(near);
        assert_eq!(far.open(), 0);
    });
}
