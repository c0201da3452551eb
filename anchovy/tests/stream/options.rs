//! Socket options that the owner of a socket can set, and kernels without newer options.

use std::io::ErrorKind;
use std::os::fd::AsFd;

use anchovy::FdError;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::*;

#[test]
fn credentials_on_every_message_take_no_room_from_descriptors() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        rustix::net::sockopt::set_socket_passcred(&far, true).unwrap();
        for count in [0, 1, 2, 27, 28, 252, 253] {
            let fds = memfds(count);
            near.send_with_fds(b"AAAA", &fds).await.unwrap();
            let received = far.recv(&mut [0; 8]).await.unwrap();
            assert_eq!((received.bytes, received.fds), (4, count));
            assert_eq!(identities(far.read_queue_mut().drain(..)), identities(&fds));
        }
    });
}

#[test]
fn an_exact_limit_is_exact_with_credentials_and_pidfds() {
    run(async {
        let (mut near, mut far) = Wayland::pair().unwrap();
        rustix::net::sockopt::set_socket_passcred(&far, true).unwrap();
        far.set_read_fd_limit(28).unwrap();
        near.send_with_fds(b"AAAA", &memfds(28)).await.unwrap();
        assert_eq!(far.recv(&mut [0; 8]).await.unwrap().fds, 28);
    });
}

#[test]
fn credentials_sent_with_descriptors_do_not_hide_them() {
    run(async {
        let (mut near, far) = with_foreign::<{ anchovy::DBUS_SCM_RIGHTS }>();
        rustix::net::sockopt::set_socket_passcred(&near, true).unwrap();
        let fds = memfds(2);
        let set: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        let mut space = [std::mem::MaybeUninit::uninit(); 256];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let credentials = rustix::net::UCred {
            pid: rustix::process::getpid(),
            uid: rustix::process::getuid(),
            gid: rustix::process::getgid(),
        };
        assert!(control.push(SendAncillaryMessage::ScmCredentials(credentials)));
        assert!(control.push(SendAncillaryMessage::ScmRights(&set)));
        let slices = [std::io::IoSlice::new(b"AAAA")];
        rustix::net::sendmsg(&far, &slices, &mut control, SendFlags::NOSIGNAL).unwrap();
        assert_eq!(near.recv(&mut [0; 8]).await.unwrap().fds, 2);
        assert_eq!(identities(near.read_queue()), identities(&fds));
    });
}

#[test]
fn a_write_to_a_peer_that_refuses_descriptors_keeps_the_queue() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        assert!(far.fd_passing().unwrap());
        far.set_fd_passing(true).unwrap();
        if !kernel_is_at_least(6, 16) {
            assert_eq!(far.set_fd_passing(false).unwrap_err().kind(), ErrorKind::Unsupported);
            return;
        }

        // Descriptors in flight still arrive.
        near.send_with_fds(b"AAAA", &memfds(1)).await.unwrap();
        far.set_fd_passing(false).unwrap();
        assert!(!far.fd_passing().unwrap());
        assert_eq!(far.recv(&mut [0; 8]).await.unwrap().fds, 1);

        near.write_queue_mut().extend(memfds(2));
        let expected = identities(near.write_queue());
        for error in [
            near.write(b"BBBB").await.unwrap_err(),
            near.write_vectored(&[std::io::IoSlice::new(b"BB"); 2]).await.unwrap_err(),
            near.try_write(b"BBBB").unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            assert_eq!(fd_error(error), FdError::RefusedByPeer { count: 2 });
        }
        assert_eq!(identities(near.write_queue()), expected);

        let kept: Vec<_> = near.write_queue_mut().drain(..).collect();
        let error = near.send_with_fds(b"BBBB", &kept).await.unwrap_err();
        assert_eq!(fd_error(error), FdError::RefusedByPeer { count: 2 });
        near.write_all(b"plain").await.unwrap();
        assert_eq!(far.read(&mut [0; 8]).await.unwrap(), 5);

        far.set_fd_passing(true).unwrap();
        near.write_queue_mut().extend(kept);
        near.write_all(b"CCCC").await.unwrap();
        let mut buf = [0; 8];
        let received = far.recv(&mut buf).await.unwrap();
        assert_eq!((&buf[..received.bytes], received.fds), (&b"CCCC"[..], 2));
        assert_eq!(identities(far.read_queue().range(1..)), expected);
    });
}

#[test]
fn the_peer_of_a_pair_is_this_process() {
    run(async {
        let (near, _far) = Dbus::pair().unwrap();
        let peer = near.peer_cred().unwrap();
        assert_eq!(peer.pid(), Some(std::process::id() as i32));
        assert_eq!(peer.uid(), rustix::process::getuid().as_raw());
        assert_eq!(peer.gid(), rustix::process::getgid().as_raw());
    });
}

#[test]
fn a_stream_is_read_on_a_kernel_without_so_inq() {
    on_an_older_kernel(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        for _ in 0..100 {
            near.send_with_fds(b"AAAA", &memfds(1)).await.unwrap();
            near.write_all(b"BBBB").await.unwrap();
            assert_eq!(far.recv(&mut [0; 64]).await.unwrap().bytes, 4);
            assert_eq!(far.recv(&mut [0; 64]).await.unwrap().bytes, 4);
            assert!(now(far.read(&mut [0; 64])).await.is_none());
            far.read_queue_mut().clear();
        }
        let far = far.into_parts().unwrap();
        Dbus::from_parts(far).unwrap();
    });
}

#[test]
fn a_kernel_without_so_passrights_reports_unsupported() {
    on_an_older_kernel(async {
        let (near, _far) = Dbus::pair().unwrap();
        assert!(near.fd_passing().unwrap());
        near.set_fd_passing(true).unwrap();
        assert_eq!(near.set_fd_passing(false).unwrap_err().kind(), ErrorKind::Unsupported);
        assert!(near.fd_passing().unwrap());
    });
}

#[test]
fn a_kernel_without_peer_pidfds_reports_unsupported() {
    on_an_older_kernel(async {
        let (near, _far) = Dbus::pair().unwrap();
        assert_eq!(near.peer_pidfd().unwrap_err().kind(), ErrorKind::Unsupported);
        assert!(near.peer_cred().is_ok());
    });
}

#[test]
fn connections_inherit_disabled_passing_from_the_listener() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        if let Err(error) = anchovy::set_fd_passing(&listener, false) {
            assert!(!kernel_is_at_least(6, 16), "{error}");
            return;
        }
        let mut client = Dbus::connect(&path).await.unwrap();
        let refused = client.send_with_fds(b"here", &memfds(1)).await.unwrap_err();
        assert_eq!(fd_error(refused), FdError::RefusedByPeer { count: 1 });

        let (server, _) = listener.accept().await.unwrap();
        let mut server = Dbus::new(server).unwrap();
        assert!(!server.fd_passing().unwrap());
        server.set_fd_passing(true).unwrap();
        client.send_with_fds(b"here", &memfds(1)).await.unwrap();
        assert_eq!(server.recv(&mut [0; 8]).await.unwrap().fds, 1);
    });
}
