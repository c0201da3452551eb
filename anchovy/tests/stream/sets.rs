//! Descriptor sets of boundary sizes: around protocol limits, around padding, and around the
//! kernel's limit.

use anchovy::FdError;
use rustix::io::FdFlags;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::*;

/// From 9 on, the stream initializes a larger array.
const COUNTS: [usize; 9] = [1, 2, 8, 9, 27, 28, 29, 252, 253];

#[test]
fn queued_descriptors_arrive_whole_in_order_and_close_on_exec() {
    run(async {
        for count in COUNTS {
            let (mut near, mut far) = Dbus::pair().unwrap();
            let fds = memfds(count);
            let expected = identities(&fds);
            near.write_queue_mut().extend(fds);
            near.write_all(b"here").await.unwrap();
            assert!(near.write_queue().is_empty());

            far.read_exact(&mut [0; 4]).await.unwrap();
            assert_eq!(identities(far.read_queue()), expected);
            for fd in far.read_queue() {
                assert_eq!(rustix::io::fcntl_getfd(fd).unwrap(), FdFlags::CLOEXEC);
            }
        }
    });
}

#[test]
fn borrowed_descriptors_arrive_whole_in_order_and_close_on_exec() {
    run(async {
        for count in COUNTS {
            let (mut near, mut far) = Dbus::pair().unwrap();
            let fds = memfds(count);
            assert_eq!(near.send_with_fds(b"here", &fds).await.unwrap(), 4);

            far.read_exact(&mut [0; 4]).await.unwrap();
            assert_eq!(identities(far.read_queue()), identities(&fds));
            for fd in far.read_queue() {
                assert_eq!(rustix::io::fcntl_getfd(fd).unwrap(), FdFlags::CLOEXEC);
            }
        }
    });
}

#[test]
fn a_queue_of_254_descriptors_is_refused_and_kept() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        near.write_queue_mut().extend(memfds(254));
        let expected = identities(near.write_queue());
        let error = fd_error(near.write(b"here").await.unwrap_err());
        assert_eq!(error, FdError::TooManyToSend { count: 254, limit: 253, space: 1040 });
        assert_eq!(identities(near.write_queue()), expected);

        // Nothing was sent, so the next byte is the first that the peer receives.
        near.write_queue_mut().truncate(253);
        near.write_all(b"now!").await.unwrap();
        let mut buf = [0; 8];
        let received = far.recv(&mut buf).await.unwrap();
        assert_eq!((&buf[..received.bytes], received.fds), (&b"now!"[..], 253));
    });
}

#[test]
fn a_borrowed_send_of_254_descriptors_is_refused() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let error = fd_error(near.send_with_fds(b"here", &memfds(254)).await.unwrap_err());
        assert_eq!(error, FdError::TooManyToSend { count: 254, limit: 253, space: 1040 });
        drop(near);
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 0);
    });
}

#[test]
fn a_wayland_stream_sends_28_descriptors_and_refuses_29() {
    run(async {
        let (mut near, mut far) = Wayland::pair().unwrap();
        near.send_with_fds(b"here", &memfds(28)).await.unwrap();
        assert_eq!(far.recv(&mut [0; 4]).await.unwrap().fds, 28);
        let error = fd_error(near.send_with_fds(b"here", &memfds(29)).await.unwrap_err());
        assert_eq!(error, FdError::TooManyToSend { count: 29, limit: 28, space: 136 });
    });
}
