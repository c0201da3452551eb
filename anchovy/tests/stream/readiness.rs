//! Readiness: a read never waits while bytes are queued, with or without `SO_INQ`.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream as StdUnixStream;

use anchovy::{AnchovyStream, DBUS_SCM_RIGHTS};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest, ReadBuf};

use crate::harness::*;

/// Returns a stream with or without `SO_INQ`, and a foreign peer.
fn receiver(inq: bool) -> (AnchovyStream<DBUS_SCM_RIGHTS>, StdUnixStream) {
    let (near, far) = StdUnixStream::pair().unwrap();
    (Dbus::builder().inq(inq).build(near).unwrap(), far)
}

#[test]
fn a_read_that_ends_after_descriptors_keeps_the_readiness() {
    run(async {
        for inq in [true, false] {
            let (mut near, far) = receiver(inq);
            let fd = memfd();
            let set = [std::os::fd::AsFd::as_fd(&fd)];
            foreign_send(&far, b"AAAA", &[&set]).unwrap();
            foreign_send(&far, b"BBBB", &[]).unwrap();
            foreign_send(&far, b"CCCC", &[&set]).unwrap();
            foreign_send(&far, b"DDDD", &[]).unwrap();
            near.readable().await.unwrap();
            // Without waiting, so there is no new edge.
            for expected in [4, 8, 4] {
                let read = now(near.read(&mut [0; 64])).await.expect("bytes are queued").unwrap();
                assert_eq!(read, expected);
            }
            assert!(now(near.read(&mut [0; 64])).await.is_none());
        }
    });
}

#[test]
fn a_read_that_drains_the_socket_clears_the_readiness() {
    run(async {
        for inq in [true, false] {
            let (mut near, far) = receiver(inq);
            for round in 0..100 {
                let fd = memfd();
                let set = [std::os::fd::AsFd::as_fd(&fd)];
                foreign_send(&far, b"AAAA", &[&set[..round % 2]]).unwrap();
                assert_eq!(near.read(&mut [0; 64]).await.unwrap(), 4);
                assert!(now(near.read(&mut [0; 64])).await.is_none());
                near.read_queue_mut().clear();
            }
        }
    });
}

#[test]
fn nothing_is_readable_after_a_short_read_of_all_bytes() {
    run(async {
        for inq in [true, false] {
            let (mut near, far) = receiver(inq);
            foreign_send(&far, b"AAAA", &[]).unwrap();
            near.readable().await.unwrap();
            assert_eq!(near.read(&mut [0; 64]).await.unwrap(), 4);
            assert!(now(near.readable()).await.is_none(), "inq: {inq}");
        }
    });
}

#[test]
fn a_read_of_exactly_the_queued_bytes_makes_the_next_one_wait() {
    run(async {
        for inq in [true, false] {
            let (mut near, far) = receiver(inq);
            foreign_send(&far, b"AAAA", &[]).unwrap();
            assert_eq!(near.read(&mut [0; 4]).await.unwrap(), 4);
            assert!(now(near.read(&mut [0; 4])).await.is_none());
            foreign_send(&far, b"BBBB", &[]).unwrap();
            assert_eq!(near.read(&mut [0; 4]).await.unwrap(), 4);
        }
    });
}

#[test]
fn a_waiting_reader_is_woken_by_bytes_and_by_eof() {
    run(async {
        for inq in [true, false] {
            let (mut near, far) = receiver(inq);
            let mut buf = [0; 64];
            let read = near.read(&mut buf);
            let write = async {
                tokio::task::yield_now().await;
                foreign_send(&far, b"AAAA", &[]).unwrap();
            };
            assert_eq!(tokio::join!(read, write).0.unwrap(), 4);
            let read = near.read(&mut buf);
            let close = async {
                tokio::task::yield_now().await;
                drop(far);
            };
            assert_eq!(tokio::join!(read, close).0.unwrap(), 0);
        }
    });
}

#[test]
fn a_waiting_writer_is_woken_by_room() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        rustix::net::sockopt::set_socket_send_buffer_size(&near, 4608).unwrap();
        let write = async {
            for _ in 0..50 {
                near.send_with_fds(&[7; 16 * 1024], &memfds(1)).await.unwrap();
            }
            drop(near);
        };
        let read = async {
            let mut fds = 0;
            loop {
                let received = far.recv(&mut [0; 1024]).await.unwrap();
                if received.bytes == 0 {
                    return fds;
                }
                fds += received.fds;
                far.read_queue_mut().clear();
            }
        };
        assert_eq!(tokio::join!(write, read).1, 50);
    });
}

#[test]
fn readiness_is_reported_as_by_tokio() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        assert!(near.ready(Interest::WRITABLE).await.unwrap().is_writable());
        near.write_all(b"AAAA").await.unwrap();
        far.readable().await.unwrap();
        std::future::poll_fn(|cx| far.poll_read_ready(cx)).await.unwrap();
        std::future::poll_fn(|cx| far.poll_write_ready(cx)).await.unwrap();
        assert_eq!(far.try_read(&mut [0; 8]).unwrap(), 4);
        assert!(now(far.readable()).await.is_none());
        assert_eq!(far.try_read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        near.shutdown().await.unwrap();
        assert!(far.ready(Interest::READABLE).await.unwrap().is_read_closed());
    });
}

#[test]
fn readiness_for_reading_is_reported_beside_that_for_writing() {
    run(async {
        let (near, mut far) = Dbus::pair().unwrap();
        far.write_all(b"bytes").await.unwrap();
        drive_io().await;
        let ready = near.ready(Interest::READABLE | Interest::WRITABLE).await.unwrap();
        assert!(ready.is_readable() && ready.is_writable(), "{ready:?}");
    });
}

#[test]
fn try_io_uses_the_readiness_of_the_stream() {
    run(async {
        let (mut near, far) = Dbus::pair().unwrap();
        let refused = far.try_io(Interest::READABLE, || Ok(()));
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::WouldBlock);
        near.write_all(b"AAAA").await.unwrap();
        let queued = far
            .async_io(Interest::READABLE, || Ok(rustix::io::ioctl_fionread(&far)?))
            .await
            .unwrap();
        assert_eq!(queued, 4);
        assert!(far.take_error().unwrap().is_none());
    });
}

#[test]
fn a_read_that_fills_its_buffer_keeps_the_readiness() {
    run(async {
        for inq in [true, false] {
            let (near, far) = StdUnixStream::pair().unwrap();
            let mut near = Dbus::builder().inq(inq).build(near).unwrap();
            foreign_send(&far, b"AAAABBBB", &[]).unwrap();
            near.readable().await.unwrap();
            let mut memory = [0; 8];
            let mut buf = ReadBuf::new(&mut memory);
            buf.put_slice(b"head");
            let read = std::future::poll_fn(|cx| near.poll_recv(cx, &mut buf));
            assert_eq!(now(read).await.expect("bytes are queued").unwrap().bytes, 4);
            let read = now(near.read(&mut [0; 8])).await.expect("bytes are queued").unwrap();
            assert_eq!(read, 4);
        }
    });
}

#[test]
fn a_reader_is_woken_after_a_false_readiness() {
    run(async {
        let (near, far) = StdUnixStream::pair().unwrap();
        let mut near = Dbus::builder().inq(false).build(near).unwrap();
        foreign_send(&far, b"AAAA", &[]).unwrap();
        // Without `SO_INQ`, a read of exactly the queued bytes leaves the socket readable for
        // tokio.
        assert_eq!(near.read(&mut [0; 4]).await.unwrap(), 4);
        // In a separate task, so that only the socket wakes it.
        let reading = tokio::spawn(async move { near.read(&mut [0; 8]).await });
        drive_io().await;
        foreign_send(&far, b"BBBB", &[]).unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), 4);
    });
}

#[test]
fn async_io_repeats_its_closure_until_it_does_not_block() {
    run(async {
        let (mut near, far) = Dbus::pair().unwrap();
        let mut calls = 0;
        let foreign = far.async_io(tokio::io::Interest::READABLE, || {
            calls += 1;
            if calls == 1 { Err(ErrorKind::WouldBlock.into()) } else { Ok(calls) }
        });
        let write = async {
            near.write_all(b"AAAA").await.unwrap();
            drive_io().await;
            near.write_all(b"BBBB").await.unwrap();
        };
        assert_eq!(tokio::join!(foreign, write).0.unwrap(), 2);
    });
}

#[test]
fn async_io_returns_an_error_of_its_closure() {
    run(async {
        let (near, _far) = Dbus::pair().unwrap();
        let mut calls = 0;
        let failing = near.async_io(Interest::WRITABLE, || {
            calls += 1;
            if calls == 1 { Err(ErrorKind::BrokenPipe.into()) } else { Ok(()) }
        });
        assert_eq!(failing.await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_task_that_finds_a_new_stream_ready_again_and_again_lets_others_run() {
    run(async {
        let (near, _far) = Dbus::pair().unwrap();
        let mut is_ready = true;
        for _ in 0..1000 {
            is_ready &= now(near.writable()).await.is_some();
        }
        assert!(!is_ready);
    });
}

#[test]
fn read_and_write_readiness_are_not_confused() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        drive_io().await;
        assert!(now(std::future::poll_fn(|cx| near.poll_write_ready(cx))).await.is_some());
        assert!(now(std::future::poll_fn(|cx| near.poll_read_ready(cx))).await.is_none());
        far.send_with_fds(b"AAAA", &memfds(2)).await.unwrap();
        near.readable().await.unwrap();
        while near.try_write(&[0; 4096]).is_ok() {}
        assert!(now(std::future::poll_fn(|cx| near.poll_read_ready(cx))).await.is_some());
        assert!(now(std::future::poll_fn(|cx| near.poll_write_ready(cx))).await.is_none());
        assert_eq!(near.try_read(&mut [0; 8]).unwrap(), 4);
    });
}

#[test]
fn nothing_is_writable_after_a_write_of_a_part() {
    run(async {
        let (mut near, _far) = Dbus::pair().unwrap();
        near.writable().await.unwrap();
        let bytes = vec![7; 4 << 20];
        assert!(near.try_write(&bytes).unwrap() < bytes.len());
        assert!(now(near.writable()).await.is_none());
    });
}

#[test]
fn nothing_is_writable_after_a_part_was_written_by_a_future() {
    run(async {
        let (mut near, _far) = Dbus::pair().unwrap();
        near.writable().await.unwrap();
        let bytes = vec![7; 4 << 20];
        assert!(near.write(&bytes).await.unwrap() < bytes.len());
        assert!(now(near.writable()).await.is_none());
    });
}

#[test]
fn a_writer_is_woken_after_a_false_readiness() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        // The kernel sends a small write completely or not at all, so tokio learns only from the
        // first failed one that the socket is full. In a separate task, so that only the socket
        // wakes it.
        let writing = tokio::spawn(async move {
            for _ in 0..2_000 {
                assert_eq!(near.write(&[7; 1024]).await.unwrap(), 1024);
            }
        });
        let mut all = Vec::new();
        far.read_to_end(&mut all).await.unwrap();
        assert_eq!(all.len(), 2_000 * 1024);
        writing.await.unwrap();
    });
}
