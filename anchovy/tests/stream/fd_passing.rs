//! `set_fd_passing`: no descriptor is lost when passing is disabled and enabled again.

use std::os::fd::AsFd;

use anchovy::DBUS_SCM_RIGHTS;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::*;

/// Returns whether this kernel can refuse descriptors.
fn kernel_refuses() -> bool {
    let known = kernel_is_at_least(6, 16);
    if !known {
        eprintln!("skipped: SO_PASSRIGHTS needs Linux 6.16");
    }
    known
}

#[test]
fn descriptors_queued_before_passing_is_disabled_arrive() {
    if !kernel_refuses() {
        return;
    }
    run(async {
        let (mut near, far) = with_foreign::<DBUS_SCM_RIGHTS>();
        let fds = memfds(3);
        let [first, second, third] = [0, 1, 2].map(|index| fds[index].as_fd());
        foreign_send(&far, b"plain", &[]).unwrap();
        foreign_send(&far, b"one", &[&[first]]).unwrap();
        foreign_send(&far, b"two", &[&[second, third]]).unwrap();
        near.set_fd_passing(false).unwrap();
        let mut buf = [0; 64];
        // A part of the bytes, up to the first set, and the second set.
        for (size, bytes, fds) in [(3, "pla", 0), (64, "inone", 1), (64, "two", 2)] {
            let received = near.recv(&mut buf[..size]).await.unwrap();
            assert_eq!((&buf[..received.bytes], received.fds), (bytes.as_bytes(), fds));
        }
        assert_eq!(identities(near.read_queue()), identities(&fds));
        foreign_send(&far, b"refused", &[&[first]]).unwrap_err();
    });
}

#[test]
fn descriptors_sent_after_passing_is_enabled_again_arrive() {
    if !kernel_refuses() {
        return;
    }
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let fds = memfds(2);
        for _ in 0..3 {
            near.set_fd_passing(false).unwrap();
            // From the second read on, the socket was found empty.
            for _ in 0..2 {
                far.write_all(b"plain").await.unwrap();
                near.read_exact(&mut [0; 5]).await.unwrap();
                assert!(now(near.read(&mut [0; 8])).await.is_none());
            }
            near.set_fd_passing(true).unwrap();
            far.send_with_fds(b"passed", &fds).await.unwrap();
            assert_eq!(near.recv(&mut [0; 8]).await.unwrap().fds, 2);
            assert_eq!(identities(near.read_queue_mut().drain(..)), identities(&fds));
        }
    });
}

#[test]
fn a_half_receives_descriptors_after_the_other_one_has_enabled_passing() {
    if !kernel_refuses() {
        return;
    }
    run(async {
        let (near, mut far) = Dbus::pair().unwrap();
        let (mut read, write) = near.into_split();
        write.set_fd_passing(false).unwrap();
        far.write_all(b"plain").await.unwrap();
        read.read_exact(&mut [0; 5]).await.unwrap();
        let waiting = tokio::spawn(async move {
            let mut buf = [0; 8];
            (read.recv(&mut buf).await.unwrap().fds, read)
        });
        drive_io().await;
        write.set_fd_passing(true).unwrap();
        far.send_with_fds(b"passed", &memfds(2)).await.unwrap();
        assert_eq!(waiting.await.unwrap().0, 2);
    });
}
