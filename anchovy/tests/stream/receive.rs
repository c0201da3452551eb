//! The receiving side: which bytes and descriptors a read takes.

use std::io::{ErrorKind, IoSliceMut};

use anchovy::Received;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};

use crate::harness::*;

#[test]
fn a_read_into_an_empty_buffer_takes_nothing() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let fds = memfds(2);
        near.send_with_fds(b"AAAA", &fds).await.unwrap();
        drive_io().await;

        assert_eq!(far.read(&mut []).await.unwrap(), 0);
        assert_eq!(far.recv(&mut []).await.unwrap(), Received::default());
        assert_eq!(far.try_recv(&mut []).unwrap(), Received::default());
        assert_eq!(far.try_read(&mut []).unwrap(), 0);
        assert_eq!(far.try_read_vectored(&mut []).unwrap(), 0);
        let (mut first, mut second) = ([], []);
        let bufs = &mut [IoSliceMut::new(&mut first), IoSliceMut::new(&mut second)];
        assert_eq!(far.try_read_vectored(bufs).unwrap(), 0);
        assert!(far.read_queue().is_empty());

        let received = far.recv(&mut [0; 8]).await.unwrap();
        assert_eq!((received.bytes, received.fds), (4, 2));
        assert_eq!(identities(far.read_queue()), identities(&fds));
    });
}

#[test]
fn a_read_into_an_empty_buffer_does_not_wait() {
    run(async {
        let (_near, mut far) = Dbus::pair().unwrap();
        assert_eq!(now(far.read(&mut [])).await.unwrap().unwrap(), 0);
    });
}

#[test]
fn a_vectored_read_skips_more_than_1024_empty_buffers() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        near.send_with_fds(b"AAAA", &memfds(1)).await.unwrap();
        far.readable().await.unwrap();
        let mut last = [0; 8];
        let mut bufs: Vec<_> = (0..1500).map(|_| IoSliceMut::new(&mut [])).collect();
        bufs.push(IoSliceMut::new(&mut last));
        assert_eq!(far.try_read_vectored(&mut bufs).unwrap(), 4);
        assert_eq!(far.read_queue().len(), 1);
        assert_eq!(&last[..4], b"AAAA");
    });
}

#[test]
fn a_vectored_read_fills_at_most_1024_buffers() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        near.write_all(&[7; 1500]).await.unwrap();
        far.readable().await.unwrap();
        let mut bytes = [0; 1500];
        let mut bufs: Vec<_> = bytes.chunks_mut(1).map(IoSliceMut::new).collect();
        assert_eq!(far.try_read_vectored(&mut bufs).unwrap(), 1024);
        assert_eq!(far.read(&mut [0; 1500]).await.unwrap(), 476);
    });
}

#[test]
fn a_receive_counts_only_its_own_descriptors() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let (older, newer) = (memfds(3), memfds(2));
        near.send_with_fds(b"A", &older).await.unwrap();
        near.send_with_fds(b"B", &newer).await.unwrap();
        assert_eq!(far.recv(&mut [0; 8]).await.unwrap().fds, 3);
        assert_eq!(far.recv(&mut [0; 8]).await.unwrap().fds, 2);
        assert_eq!(identities(far.read_queue().range(..3)), identities(&older));
        assert_eq!(identities(far.read_queue().range(3..)), identities(&newer));
    });
}

#[test]
fn a_read_appends_to_the_filled_part_and_initializes_no_more() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        near.write_all(b"tail").await.unwrap();
        let mut memory = [std::mem::MaybeUninit::uninit(); 64];
        let mut buf = ReadBuf::uninit(&mut memory);
        buf.put_slice(b"head ");
        std::future::poll_fn(|cx| far.poll_recv(cx, &mut buf)).await.unwrap();
        assert_eq!(buf.filled(), b"head tail");
        assert_eq!(buf.initialized().len(), 9);
    });
}

#[test]
fn every_read_at_the_end_of_the_stream_returns_zero_bytes() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        near.shutdown().await.unwrap();
        for _ in 0..3 {
            assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0);
            assert_eq!(far.recv(&mut [0; 8]).await.unwrap(), Received::default());
        }
    });
}

#[test]
fn a_try_read_of_an_empty_socket_would_block() {
    run(async {
        let (_near, mut far) = Dbus::pair().unwrap();
        drive_io().await;
        assert_eq!(far.try_read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        let error = far.try_recv(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        let error = far.try_read_vectored(&mut [IoSliceMut::new(&mut [0; 8])]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    });
}
