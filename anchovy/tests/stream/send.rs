//! The sending side: what is sent, when, and what is refused without loss.

use std::io::{ErrorKind, IoSlice};
use std::os::fd::OwnedFd;

use anchovy::FdError;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::harness::*;

/// Checks that the peer receives nothing but the end of the stream.
async fn nothing_was_sent(near: impl Sized, mut far: impl tokio::io::AsyncRead + Unpin) {
    drop(near);
    assert_eq!(far.read(&mut [0; 64]).await.unwrap(), 0);
}

#[test]
fn a_write_of_zero_bytes_sends_nothing_and_keeps_the_queue() {
    run(async {
        let (mut near, far) = Dbus::pair().unwrap();
        near.write_queue_mut().push_back(memfd());
        let expected = identities(near.write_queue());
        assert_eq!(near.write(b"").await.unwrap(), 0);
        assert_eq!(near.write_vectored(&[]).await.unwrap(), 0);
        assert_eq!(near.write_vectored(&[IoSlice::new(b""); 3]).await.unwrap(), 0);
        assert_eq!(near.try_write(b"").unwrap(), 0);
        assert_eq!(near.try_write_vectored(&[IoSlice::new(b""); 3]).unwrap(), 0);
        near.flush().await.unwrap();
        assert_eq!(identities(near.write_queue()), expected);
        nothing_was_sent(near, far).await;
    });
}

#[test]
fn a_write_above_the_limit_sends_nothing_and_keeps_the_queue() {
    run(async {
        let (mut near, far) = Wayland::pair().unwrap();
        near.write_queue_mut().extend(memfds(29));
        let expected = identities(near.write_queue());
        for error in [
            near.write(b"AAAA").await.unwrap_err(),
            near.write_vectored(&[IoSlice::new(b"AA"); 2]).await.unwrap_err(),
            near.try_write(b"AAAA").unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let error = fd_error(error);
            assert_eq!(error, FdError::TooManyToSend { count: 29, limit: 28, space: 136 });
        }
        assert_eq!(identities(near.write_queue()), expected);
        nothing_was_sent(near, far).await;
    });
}

#[test]
fn a_shutdown_with_queued_descriptors_is_refused_and_shuts_nothing_down() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        near.write_queue_mut().push_back(memfd());
        let error = near.shutdown().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(fd_error(error), FdError::FdsWithoutBytes { count: 1 });
        assert_eq!(near.write_queue().len(), 1);

        near.write_all(b"still open").await.unwrap();
        near.shutdown().await.unwrap();
        let mut all = Vec::new();
        far.read_to_end(&mut all).await.unwrap();
        assert_eq!((&all[..], far.read_queue().len()), (&b"still open"[..], 1));
    });
}

#[test]
fn a_borrowed_send_is_refused_while_the_queue_holds_descriptors() {
    run(async {
        let (mut near, far) = Dbus::pair().unwrap();
        near.write_queue_mut().push_back(memfd());
        let none: &[OwnedFd] = &[];
        for error in [
            near.send_with_fds(b"AAAA", &memfds(1)).await.unwrap_err(),
            near.send_with_fds(b"AAAA", none).await.unwrap_err(),
            near.send_with_fds(b"", none).await.unwrap_err(),
            near.try_send_with_fds(b"AAAA", &memfds(1)).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert_eq!(fd_error(error), FdError::WriteQueueNotEmpty { queued: 1 });
        }
        assert_eq!(near.write_queue().len(), 1);
        nothing_was_sent(near, far).await;
    });
}

#[test]
fn a_borrowed_send_of_zero_bytes_fails_only_with_descriptors() {
    run(async {
        let (mut near, far) = Dbus::pair().unwrap();
        let fds = memfds(2);
        for error in [
            near.send_with_fds(b"", &fds).await.unwrap_err(),
            near.send_vectored_with_fds(&[IoSlice::new(b""); 2], &fds).await.unwrap_err(),
            near.try_send_with_fds(b"", &fds).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert_eq!(fd_error(error), FdError::FdsWithoutBytes { count: 2 });
        }
        assert_eq!(near.send_with_fds(b"", &fds[..0]).await.unwrap(), 0);
        assert_eq!(near.try_send_with_fds(b"", &fds[..0]).unwrap(), 0);
        nothing_was_sent(near, far).await;
    });
}

#[test]
fn a_borrowed_send_accepts_any_type_with_a_descriptor() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let fd = memfd();
        let file = std::fs::File::from(memfd());
        near.send_with_fds(b"A", std::slice::from_ref(&fd)).await.unwrap();
        near.send_with_fds(b"B", &[&file]).await.unwrap();
        let both: [std::os::fd::BorrowedFd<'_>; 2] =
            [std::os::fd::AsFd::as_fd(&fd), std::os::fd::AsFd::as_fd(&file)];
        near.send_with_fds(b"C", &both).await.unwrap();
        far.read_exact(&mut [0; 3]).await.unwrap();
        let expected = [identity(&fd), identity(&file), identity(&fd), identity(&file)];
        assert_eq!(identities(far.read_queue()), expected);
    });
}

#[test]
fn a_vectored_write_sends_at_most_1024_buffers() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let slices = [IoSlice::new(b"x"); 1500];
        near.write_queue_mut().push_back(memfd());
        assert_eq!(near.write_vectored(&slices).await.unwrap(), 1024);
        assert!(near.write_queue().is_empty());
        assert_eq!(near.write_vectored(&slices).await.unwrap(), 1024);
        assert_eq!(near.send_vectored_with_fds(&slices, &memfds(1)).await.unwrap(), 1024);
        let mut buf = [0; 3 * 1024];
        far.read_exact(&mut buf).await.unwrap();
        assert_eq!(far.read_queue().len(), 2);
        assert_eq!(buf, [b'x'; 3 * 1024]);
    });
}

#[test]
fn descriptors_after_1024_empty_buffers_are_not_lost() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let mut slices = [IoSlice::new(b""); 1500];
        slices[1499] = IoSlice::new(b"last");
        near.write_queue_mut().push_back(memfd());
        assert_eq!(near.write_vectored(&slices).await.unwrap(), 4);
        let mut buf = [0; 8];
        let received = far.recv(&mut buf).await.unwrap();
        assert_eq!((&buf[..received.bytes], received.fds), (&b"last"[..], 1));
    });
}

#[test]
fn a_vectored_write_is_one_message() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let slices = [IoSlice::new(b"one "), IoSlice::new(b""), IoSlice::new(b"message")];
        near.write_queue_mut().push_back(memfd());
        assert_eq!(near.write_vectored(&slices).await.unwrap(), 11);
        assert_eq!(near.write_vectored(&slices).await.unwrap(), 11);
        let mut buf = [0; 64];
        let received = far.recv(&mut buf).await.unwrap();
        assert_eq!((&buf[..received.bytes], received.fds), (&b"one message"[..], 1));
        let received = far.recv(&mut buf).await.unwrap();
        assert_eq!((&buf[..received.bytes], received.fds), (&b"one message"[..], 0));
    });
}

#[test]
fn a_full_socket_keeps_the_queue() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        near.writable().await.unwrap();
        let mut filled = 0;
        let error = loop {
            match near.try_write(&[0; 4096]) {
                Ok(count) => filled += count,
                Err(error) => break error,
            }
        };
        assert_eq!(error.kind(), ErrorKind::WouldBlock);

        near.write_queue_mut().push_back(memfd());
        let expected = identities(near.write_queue());
        assert_eq!(near.try_write(b"late").unwrap_err().kind(), ErrorKind::WouldBlock);
        assert_eq!(now(near.write(b"late")).await.map(|written| written.is_ok()), None);
        assert_eq!(identities(near.write_queue()), expected);

        let mut read = vec![0; filled];
        far.read_exact(&mut read).await.unwrap();
        assert!(far.read_queue().is_empty());
        near.write_all(b"late").await.unwrap();
        let mut buf = [0; 8];
        let received = far.recv(&mut buf).await.unwrap();
        assert_eq!((&buf[..received.bytes], received.fds), (&b"late"[..], 1));
        assert_eq!(identities(far.read_queue()), expected);
    });
}

#[test]
fn a_write_in_many_parts_sends_its_descriptors_once() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        rustix::net::sockopt::set_socket_send_buffer_size(&near, 4608).unwrap();
        let data: Vec<u8> = (0..1 << 20).map(|index: u32| (index % 251) as u8).collect();
        let fds = memfds(3);
        let expected = identities(&fds);
        near.write_queue_mut().extend(fds);

        let write = async {
            near.write_all(&data).await.unwrap();
            assert!(near.write_queue().is_empty());
            near.shutdown().await.unwrap();
        };
        let read = async {
            let mut first = [0; 1];
            assert_eq!(far.recv(&mut first).await.unwrap().fds, 3);
            let mut all = first.to_vec();
            far.read_to_end(&mut all).await.unwrap();
            all
        };
        let ((), all) = tokio::join!(write, read);
        assert!(all == data, "the bytes arrived as they were sent");
        assert_eq!(identities(far.read_queue()), expected);
    });
}

#[test]
fn a_partial_borrowed_send_has_sent_its_descriptors() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let data = vec![7; 1 << 20];
        let fds = memfds(2);
        let sent = near.send_with_fds(&data, &fds).await.unwrap();
        assert!(sent < data.len(), "a megabyte does not fit");
        let mut all = vec![0; sent];
        far.read_exact(&mut all).await.unwrap();
        assert_eq!(identities(far.read_queue()), identities(&fds));
        drop(near);
        assert_eq!(far.read(&mut [0; 1]).await.unwrap(), 0);
    });
}

#[test]
fn an_empty_send_makes_no_system_call() {
    run(async {
        let (mut near, far) = Dbus::pair().unwrap();
        drop(far);
        let none: &[OwnedFd] = &[];
        assert_eq!(near.send_with_fds(b"", none).await.unwrap(), 0);
        assert_eq!(near.send_vectored_with_fds(&[IoSlice::new(b""); 2], none).await.unwrap(), 0);
        assert_eq!(near.try_send_with_fds(b"", none).unwrap(), 0);
        assert_eq!(near.write(b"").await.unwrap(), 0);
        assert_eq!(near.try_write(b"").unwrap(), 0);
    });
}

#[test]
fn every_writer_accepts_vectored_writes() {
    run(async {
        let (mut near, _far) = Dbus::pair().unwrap();
        assert!(near.is_write_vectored());
        assert!(near.split().1.is_write_vectored());
        assert!(near.into_split().1.is_write_vectored());
    });
}
