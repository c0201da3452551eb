//! Receiving descriptors into a vector of the caller.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::net::TcpListener as StdTcpListener;
use std::os::fd::OwnedFd;

use anchovy::{Budget, FdError, Received};
use tokio::io::{AsyncReadExt, ReadBuf};

use crate::harness::*;

#[test]
fn a_receive_returns_only_its_own_descriptors() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let (older, first, second) = (memfds(3), memfds(2), memfds(1));
        near.send_with_fds(b"A", &older).await.unwrap();
        far.read_exact(&mut [0]).await.unwrap();
        near.send_with_fds(b"B", &first).await.unwrap();
        near.send_with_fds(b"CC", &second).await.unwrap();

        let (mut buf, mut fds) = ([0; 8], Vec::new());
        let received = far.recv_with_fds(&mut buf, &mut fds).await.unwrap();
        assert_eq!((received.bytes, received.fds), (1, 2));
        assert_eq!(identities(&fds), identities(&first));

        // They are appended to the vector.
        let received = far.recv_with_fds(&mut buf, &mut fds).await.unwrap();
        assert_eq!((&buf[..received.bytes], received.fds), (&b"CC"[..], 1));
        assert_eq!(identities(&fds), [identities(&first), identities(&second)].concat());
        assert_eq!(identities(far.read_queue()), identities(&older));
    });
}

#[test]
fn plain_bytes_and_eof_return_no_descriptors() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        near.try_write(b"AAAA").unwrap();
        drop(near);
        let mut fds = memfds(1);
        let received = far.recv_with_fds(&mut [0; 8], &mut fds).await.unwrap();
        assert_eq!((received.bytes, received.fds), (4, 0));
        let received = far.recv_with_fds(&mut [0; 8], &mut fds).await.unwrap();
        assert_eq!(received, Received::default());
        assert_eq!(fds.len(), 1);
    });
}

#[test]
fn try_and_poll_variants_work_on_streams_and_halves() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let sent = memfds(5);
        let (mut fds, mut memory) = (Vec::new(), [0; 8]);
        let empty = far.try_recv_with_fds(&mut memory, &mut fds).unwrap_err();
        assert_eq!(empty.kind(), ErrorKind::WouldBlock);

        near.send_with_fds(b"A", &sent[..1]).await.unwrap();
        far.readable().await.unwrap();
        assert_eq!(far.try_recv_with_fds(&mut memory, &mut fds).unwrap().fds, 1);

        near.send_with_fds(b"B", &sent[1..2]).await.unwrap();
        let mut buf = ReadBuf::new(&mut memory);
        let poll = std::future::poll_fn(|cx| far.poll_recv_with_fds(cx, &mut buf, &mut fds));
        assert_eq!(poll.await.unwrap().fds, 1);
        assert_eq!(buf.filled(), b"B");

        near.send_with_fds(b"C", &sent[2..3]).await.unwrap();
        let (mut read, _) = far.split();
        assert_eq!(read.recv_with_fds(&mut memory, &mut fds).await.unwrap().fds, 1);
        assert!(read.try_recv_with_fds(&mut memory, &mut fds).is_err());

        let (mut read, _write) = far.into_split();
        near.send_with_fds(b"D", &sent[3..4]).await.unwrap();
        assert_eq!(read.recv_with_fds(&mut memory, &mut fds).await.unwrap().fds, 1);
        near.send_with_fds(b"E", &sent[4..]).await.unwrap();
        let mut buf = ReadBuf::new(&mut memory);
        let poll = std::future::poll_fn(|cx| read.poll_recv_with_fds(cx, &mut buf, &mut fds));
        assert_eq!(poll.await.unwrap().fds, 1);
        assert!(read.read_queue().is_empty());
        assert_eq!(identities(&fds), identities(&sent));
    });
}

#[test]
fn a_refused_or_dropped_receive_returns_no_descriptors() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        far.set_read_fd_limit(2).unwrap();
        far.set_read_queue_limit(3).unwrap();
        let (mut buf, mut fds) = ([0; 8], Vec::new());
        assert!(now(far.recv_with_fds(&mut buf, &mut fds)).await.is_none());

        near.send_with_fds(b"A", &memfds(2)).await.unwrap();
        far.read_queue_mut().extend(memfds(2));
        let full = fd_error(far.recv_with_fds(&mut buf, &mut fds).await.unwrap_err());
        assert_eq!(full, FdError::ReadQueueFull { queued: 2, fd_limit: 2, limit: 3 });
        far.read_queue_mut().clear();
        assert_eq!(far.recv_with_fds(&mut buf, &mut fds).await.unwrap().fds, 2);

        fds.clear();
        near.send_with_fds(b"B", &memfds(3)).await.unwrap();
        let error = fd_error(far.recv_with_fds(&mut buf, &mut fds).await.unwrap_err());
        assert_eq!(error, FdError::TooManyReceived { count: 3, limit: 2, space: 1040 });
        assert_eq!(fd_error(far.try_recv_with_fds(&mut buf, &mut fds).unwrap_err()), error);
        assert!(fds.is_empty());
    });
}

#[test]
fn more_descriptors_than_the_read_queue_holds_can_be_received() {
    run(async {
        let (mut near, mut far) = Wayland::pair().unwrap();
        far.set_read_queue_limit(28).unwrap();
        let (sent, mut fds) = (memfds(28), Vec::new());
        for round in 1..=3 {
            near.send_with_fds(b"A", &sent).await.unwrap();
            far.recv_with_fds(&mut [0; 8], &mut fds).await.unwrap();
            assert_eq!(fds.len(), round * 28);
        }
    });
}

#[test]
fn received_descriptors_in_a_vector_are_no_longer_charged() {
    run(async {
        let budget = Budget::builder().held_fds(100).build();
        let (mut near, mut far) = Wayland::pair().unwrap();
        far.set_account(budget.account(1));
        let sent = memfds(2);
        near.send_with_fds(b"A", &sent).await.unwrap();
        far.recv(&mut [0; 8]).await.unwrap();
        assert_eq!(budget.usage_of(1).held_fds, 2);

        let mut fds = Vec::new();
        near.send_with_fds(b"B", &sent).await.unwrap();
        far.recv_with_fds(&mut [0; 8], &mut fds).await.unwrap();
        assert_eq!((fds.len(), budget.usage_of(1).held_fds), (2, 2));
        near.send_with_fds(b"C", &sent).await.unwrap();
        far.readable().await.unwrap();
        far.try_recv_with_fds(&mut [0; 8], &mut fds).unwrap();
        assert_eq!((fds.len(), budget.usage_of(1).held_fds), (4, 2));
    });
}

#[test]
fn reading_a_header_returns_the_descriptors_of_the_message() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let sent = memfds(2);
        near.send_with_fds(b"head and body", &sent).await.unwrap();
        let mut fds = Vec::new();
        let received = far.recv_with_fds(&mut [0; 4], &mut fds).await.unwrap();
        assert_eq!((received.bytes, identities(&fds)), (4, identities(&sent)));
        let received = far.recv_with_fds(&mut [0; 64], &mut fds).await.unwrap();
        assert_eq!((received.bytes, received.fds), (9, 0));
    });
}

#[test]
fn file_offset_and_nonblocking_mode_are_shared_with_the_sender() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let mut file = File::from(memfd());
        file.write_all(b"position").unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sent: [OwnedFd; 2] =
            [file.try_clone().unwrap().into(), listener.into_std().unwrap().into()];
        near.send_with_fds(b"here", &sent).await.unwrap();

        let mut fds = Vec::new();
        far.recv_with_fds(&mut [0; 4], &mut fds).await.unwrap();
        let listener = StdTcpListener::from(fds.pop().unwrap());
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        let mut received = File::from(fds.pop().unwrap());
        assert_eq!(received.stream_position().unwrap(), 8);
        received.seek(SeekFrom::Start(4)).unwrap();
        let mut rest = String::new();
        file.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "tion");
    });
}
