//! Halves, which own separate queues and do not affect each other.

use std::os::fd::AsFd;

use anchovy::{FdError, ReuniteError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::*;

#[test]
fn borrowed_halves_leave_their_queues_in_the_stream() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        far.send_with_fds(b"AAAA", &memfds(2)).await.unwrap();
        let (mut read, mut write) = near.split();
        read.read_exact(&mut [0; 4]).await.unwrap();
        write.write_queue_mut().push_back(memfd());
        assert_eq!((read.read_queue().len(), write.write_queue().len()), (2, 1));
        assert_eq!((near.read_queue().len(), near.write_queue().len()), (2, 1));
    });
}

#[test]
fn borrowed_halves_read_and_write_concurrently() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let (mut read, mut write) = near.split();
        let fds = memfds(1);
        let mut buf = [0; 4];
        // The read waits first. The peer answers only after the write.
        let reading = read.read_exact(&mut buf);
        let writing = write.send_with_fds(b"ping", &fds);
        let answering = async {
            far.read_exact(&mut [0; 4]).await?;
            let fds: Vec<_> = far.read_queue_mut().drain(..).collect();
            far.send_with_fds(b"pong", &fds).await
        };
        tokio::try_join!(reading, writing, answering).unwrap();
        assert_eq!(&buf, b"pong");
        assert_eq!(identities(near.read_queue()), identities(&fds));
    });
}

#[test]
fn reunite_keeps_queues_limits_and_a_failed_read_side() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        near.set_read_fd_limit(2).unwrap();
        near.set_write_fd_limit(5).unwrap();
        let (mut read, mut write) = near.into_split();
        far.send_with_fds(b"A", &memfds(2)).await.unwrap();
        read.read_exact(&mut [0; 1]).await.unwrap();
        far.send_with_fds(b"A", &memfds(3)).await.unwrap();
        let failed = fd_error(read.read(&mut [0; 1]).await.unwrap_err());
        write.write_queue_mut().extend(memfds(3));

        let mut near = read.reunite(write).unwrap();
        assert_eq!((near.read_queue().len(), near.write_queue().len()), (2, 3));
        assert_eq!((near.read_fd_limit(), near.write_fd_limit()), (2, 5));
        assert_eq!(near.read_error(), Some(failed));
        // No side was shut down meanwhile.
        near.write_all(b"A").await.unwrap();
        assert_eq!(far.recv(&mut [0; 1]).await.unwrap().fds, 3);
    });
}

#[test]
fn reunite_returns_the_halves_of_different_streams() {
    run(async {
        let (near, far) = Dbus::pair().unwrap();
        let (mut near_read, mut near_write) = near.into_split();
        let (mut far_read, mut far_write) = far.into_split();
        far_write.write_queue_mut().push_back(memfd());

        (near_read, far_write) = {
            let ReuniteError(read, write) = near_read.reunite(far_write).unwrap_err();
            (read, write)
        };
        (far_read, near_write) = {
            let ReuniteError(read, write) = near_write.reunite(far_read).unwrap_err();
            (read, write)
        };
        far_write.write_all(b"A").await.unwrap();
        assert_eq!(near_read.recv(&mut [0; 1]).await.unwrap().fds, 1);
        near_read.reunite(near_write).unwrap();
        far_read.reunite(far_write).unwrap();
    });
}

#[test]
fn dropping_the_owned_write_half_closes_its_queue_and_shuts_down() {
    run(async {
        let (near, mut far) = Dbus::pair().unwrap();
        let (mut read, mut write) = near.into_split();
        let (reader, writer) = pipe();
        write.write_queue_mut().push_back(writer);
        drop(write);
        assert!(is_abandoned(&reader));
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0);

        far.send_with_fds(b"A", &memfds(1)).await.unwrap();
        assert_eq!(read.recv(&mut [0; 8]).await.unwrap().fds, 1);
    });
}

#[test]
fn forgetting_the_owned_write_half_only_closes_its_queue() {
    run(async {
        let (near, mut far) = Dbus::pair().unwrap();
        let (read, mut write) = near.into_split();
        let (reader, writer) = pipe();
        write.write_queue_mut().push_back(writer);
        write.forget();
        assert!(is_abandoned(&reader));
        drive_io().await;
        assert!(now(far.read(&mut [0; 8])).await.is_none());
        drop(read);
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

#[test]
fn dropping_the_owned_read_half_closes_only_its_queue() {
    run(async {
        let (near, mut far) = Dbus::pair().unwrap();
        let (mut read, mut write) = near.into_split();
        let (reader, writer) = pipe();
        far.send_with_fds(b"A", &[&writer]).await.unwrap();
        drop(writer);
        read.read_exact(&mut [0; 1]).await.unwrap();
        assert!(!is_abandoned(&reader));
        drop(read);
        assert!(is_abandoned(&reader));

        write.send_with_fds(b"A", &memfds(1)).await.unwrap();
        assert_eq!(far.recv(&mut [0; 8]).await.unwrap().fds, 1);
    });
}

#[test]
fn descriptors_for_a_dropped_read_half_are_closed_with_the_socket() {
    run(async {
        for read_first in [true, false] {
            let (near, mut far) = Dbus::pair().unwrap();
            let (read, write) = near.into_split();
            let (reader, writer) = pipe();
            far.send_with_fds(b"A", &[&writer]).await.unwrap();
            drop(writer);
            if read_first {
                drop(read);
                assert!(!is_abandoned(&reader));
                drop(write);
            } else {
                drop(write);
                assert!(!is_abandoned(&reader));
                drop(read);
            }
            assert!(is_abandoned(&reader));
        }
    });
}

#[test]
fn a_shutdown_of_a_write_half_with_queued_descriptors_is_refused() {
    run(async {
        let (near, mut far) = Dbus::pair().unwrap();
        let (_read, mut write) = near.into_split();
        write.write_queue_mut().push_back(memfd());
        let error = fd_error(write.shutdown().await.unwrap_err());
        assert_eq!(error, FdError::FdsWithoutBytes { count: 1 });
        write.write_queue_mut().clear();
        write.shutdown().await.unwrap();
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

#[test]
fn halves_have_the_socket_methods_of_the_stream() {
    run(async {
        let (mut near, _far) = Dbus::pair().unwrap();
        let socket = identity(near.as_fd());
        let (read, write) = near.split();
        assert_eq!((identity(&read), identity(&write)), (socket, socket));
        assert!(read.peer_addr().unwrap().is_unnamed() && write.local_addr().unwrap().is_unnamed());
        let (read, write) = near.into_split();
        assert_eq!((identity(&read), identity(&write)), (socket, socket));
        assert_eq!(read.peer_cred().unwrap().pid(), write.peer_cred().unwrap().pid());
    });
}

#[test]
fn streams_and_halves_are_send_and_sync() {
    fn goes_anywhere<T: Send + Sync + Unpin + std::fmt::Debug + 'static>() {}
    goes_anywhere::<Dbus>();
    goes_anywhere::<anchovy::OwnedReadHalf<{ anchovy::DBUS_SCM_RIGHTS }>>();
    goes_anywhere::<anchovy::OwnedWriteHalf<{ anchovy::DBUS_SCM_RIGHTS }>>();
    goes_anywhere::<anchovy::ReadHalf<'static, { anchovy::DBUS_SCM_RIGHTS }>>();
    goes_anywhere::<anchovy::WriteHalf<'static, { anchovy::DBUS_SCM_RIGHTS }>>();
    goes_anywhere::<anchovy::StreamBuilder<{ anchovy::DBUS_SCM_RIGHTS }>>();
    goes_anywhere::<anchovy::Parts>();
}

#[test]
fn dropping_the_owned_read_half_shuts_down_neither_side() {
    run(async {
        let (near, mut far) = Dbus::pair().unwrap();
        let (read, _write) = near.into_split();
        drop(read);
        far.send_with_fds(b"A", &memfds(1)).await.unwrap();
    });
}
