//! Converting sockets into streams and back.

use std::io::ErrorKind;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream as StdUnixStream};

use anchovy::{AnchovyStream, FdError, WAYLAND_SCM_RIGHTS, cmsg_space};
use rustix::io::FdFlags;
use rustix::net::{AddressFamily, ReturnFlags, SocketFlags, SocketType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::harness::*;

#[test]
fn a_blocking_std_stream_becomes_a_stream() {
    run(async {
        let (near, far) = StdUnixStream::pair().unwrap();
        let (mut near, mut far) = (Dbus::new(near).unwrap(), Dbus::new(far).unwrap());
        near.send_with_fds(b"AAAA", &memfds(1)).await.unwrap();
        assert_eq!(far.recv(&mut [0; 8]).await.unwrap().fds, 1);
        // On a blocking socket, this would hang.
        assert!(now(far.read(&mut [0; 8])).await.is_none());
    });
}

#[test]
fn converting_a_read_tokio_stream_keeps_queued_bytes_readable() {
    run(async {
        let (near, mut far) = UnixStream::pair().unwrap();
        let near = near.into_std().unwrap();
        let fd = memfd();
        foreign_send(&near, b"AAAA", &[&[fd.as_fd()]]).unwrap();
        foreign_send(&near, b"BBBB", &[]).unwrap();
        // tokio takes this short read as a sign that the socket is drained, and clears its
        // readiness.
        assert_eq!(far.read(&mut [0; 64]).await.unwrap(), 4);
        let mut far = Dbus::new(far).unwrap();
        assert_eq!(far.read(&mut [0; 64]).await.unwrap(), 4);
    });
}

#[test]
fn a_descriptor_that_is_no_stream_socket_is_refused_and_closed() {
    run(async {
        let (datagram, _other) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        let (packets, _other) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        for fd in [datagram, packets, tcp.into(), memfd(), pipe().0] {
            let error = Dbus::new(StdUnixStream::from(fd)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert_eq!(fd_error(error), FdError::NotAUnixStream);
        }
    });
}

#[test]
#[should_panic(expected = "there is no reactor running")]
fn creating_a_stream_outside_of_a_runtime_panics() {
    guarded(|| {
        let (near, _far) = StdUnixStream::pair().unwrap();
        let _ = Dbus::new(near);
    });
}

#[test]
fn connecting_reaches_a_path_and_an_abstract_name() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let name = format!("\0anchovy {}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name[1..]).unwrap();
        let listeners =
            [UnixListener::bind(&path).unwrap(), UnixListener::bind_addr(&address).unwrap()];

        for (place, listener) in [path.as_os_str(), name.as_ref()].into_iter().zip(&listeners) {
            let mut near = Dbus::connect(place).await.unwrap();
            let (far, _) = listener.accept().unwrap();
            near.send_with_fds(b"AAAA", &memfds(1)).await.unwrap();
            assert_eq!(foreign_receive(&far, 1024).1.len(), 1);
        }
        assert_eq!(
            Dbus::connect(&path).await.unwrap().peer_addr().unwrap().as_pathname(),
            Some(path.as_path())
        );
    });
}

#[test]
fn connecting_to_a_missing_socket_is_an_error() {
    run(async {
        let directory = Directory::new();
        let error = Dbus::connect(directory.join("nobody")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        drop(UnixListener::bind(directory.join("closed")).unwrap());
        let error = Dbus::connect(directory.join("closed")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn into_parts_loses_nothing() {
    run(async {
        let (near, far) = StdUnixStream::pair().unwrap();
        let builder =
            Dbus::builder().read_fd_limit(9).read_queue_limit(20).write_fd_limit(7).inq(false);
        let mut near = builder.build(near).unwrap();
        let fds = memfds(2);
        foreign_send(&far, b"AAAA", &[&[fds[0].as_fd(), fds[1].as_fd()]]).unwrap();
        near.read_exact(&mut [0; 4]).await.unwrap();
        foreign_send(&far, b"unread", &[]).unwrap();
        near.write_queue_mut().extend(memfds(3));
        let leaving = identities(near.write_queue());
        let number = near.as_raw_fd();

        let parts = near.into_parts().unwrap();
        assert_eq!(parts.socket.as_raw_fd(), number);
        assert_eq!(identities(&parts.read_queue), identities(&fds));
        assert_eq!(identities(&parts.write_queue), leaving);
        assert_eq!(parts.read_error, None);

        let mut near = Dbus::from_parts(parts).unwrap();
        assert_eq!(identities(near.read_queue()), identities(&fds));
        assert_eq!(identities(near.write_queue()), leaving);
        assert_eq!((near.read_fd_limit(), near.read_queue_limit()), (9, 20));
        assert_eq!(near.write_fd_limit(), 7);
        near.read_exact(&mut [0; 6]).await.unwrap();
        near.write_all(b"out").await.unwrap();
        assert_eq!(foreign_receive(&far, 1024).1.len(), 3);
    });
}

#[test]
fn from_parts_reduces_limits_to_the_new_space() {
    run(async {
        let (near, _far) = Dbus::pair().unwrap();
        let mut near =
            AnchovyStream::<{ cmsg_space!(ScmRights(4)) }>::from_parts(near.into_parts().unwrap())
                .unwrap();
        assert_eq!((near.read_fd_limit(), near.write_fd_limit()), (4, 4));
        let refused = near.set_read_fd_limit(5).unwrap_err();
        assert!(
            matches!(refused, FdError::LimitOutOfRange { most: 4, space: 40, .. }),
            "{refused:?}"
        );
        let near = Dbus::from_parts(near.into_parts().unwrap()).unwrap();
        assert_eq!((near.read_fd_limit(), near.write_fd_limit()), (4, 4));
    });
}

#[test]
fn from_parts_keeps_a_failed_read_side() {
    run(async {
        let (near, far) = StdUnixStream::pair().unwrap();
        let mut near = AnchovyStream::<WAYLAND_SCM_RIGHTS>::new(near).unwrap();
        let fds = memfds(29);
        let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
        foreign_send(&far, b"AAAA", &[&fds]).unwrap();
        let expected = fd_error(near.read(&mut [0; 8]).await.unwrap_err());

        let parts = near.into_parts().unwrap();
        assert_eq!(parts.read_error, Some(expected));
        let mut near = AnchovyStream::<WAYLAND_SCM_RIGHTS>::from_parts(parts).unwrap();
        foreign_send(&far, b"BBBB", &[]).unwrap();
        assert_eq!(fd_error(near.read(&mut [0; 8]).await.unwrap_err()), expected);
    });
}

/// Returns what a foreign `recvmsg` with this control buffer reports for one byte and this number
/// of descriptors.
fn foreign_view(
    to: &StdUnixStream,
    from: &StdUnixStream,
    space: usize,
    count: usize,
) -> (usize, bool) {
    let fds = memfds(count);
    let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
    foreign_send(from, b"x", &[&fds]).unwrap();
    let (_, fds, flags) = foreign_receive(to, space);
    (fds.len(), flags.contains(ReturnFlags::CTRUNC))
}

#[test]
fn into_parts_disables_inq() {
    run(async {
        let exact = cmsg_space!(ScmRights(1)) - size_of::<usize>();
        let (near, far) = with_foreign::<WAYLAND_SCM_RIGHTS>();
        let near = near.into_parts().unwrap().socket;
        assert_eq!(foreign_view(&near, &far, 0, 0), (0, false));
        assert_eq!(foreign_view(&near, &far, exact, 1), (1, false));
    });
}

#[test]
fn inq_can_be_kept_off_for_a_shared_socket() {
    run(async {
        let (near, far) = StdUnixStream::pair().unwrap();
        let shared = near.try_clone().unwrap();
        let builder = AnchovyStream::<WAYLAND_SCM_RIGHTS>::builder().inq(false);
        let near = builder.build(near).unwrap();
        assert_eq!(foreign_view(&shared, &far, 0, 0), (0, false));
        drop(near);
    });
}

#[test]
fn inq_causes_truncation_for_other_readers_of_a_shared_socket() {
    // The reason for the option: if the kernel supports it, it is on after the first descriptors.
    run(async {
        let (mut near, far) = with_foreign::<WAYLAND_SCM_RIGHTS>();
        foreign_send(&far, b"f", &[&[memfd().as_fd()]]).unwrap();
        near.read_exact(&mut [0]).await.unwrap();
        let shared = StdUnixStream::from(near.as_fd().try_clone_to_owned().unwrap());
        assert_eq!(foreign_view(&shared, &far, 0, 0), (0, kernel_is_at_least(6, 17)));
        drop(near);
    });
}

#[test]
fn every_constructor_makes_the_socket_close_on_exec() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let _listener = UnixListener::bind(&path).unwrap();
        let (one, other) = Dbus::pair().unwrap();
        for stream in [one, other, Dbus::connect(&path).await.unwrap()] {
            assert_eq!(rustix::io::fcntl_getfd(&stream).unwrap(), FdFlags::CLOEXEC);
        }
    });
}

#[test]
fn dropping_a_stream_closes_both_queues() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let (received, writer) = pipe();
        far.send_with_fds(b"A", &[&writer]).await.unwrap();
        drop(writer);
        near.read_exact(&mut [0; 1]).await.unwrap();
        let (queued, writer) = pipe();
        near.write_queue_mut().push_back(writer);
        assert!(!is_abandoned(&received) && !is_abandoned(&queued));
        drop(near);
        assert!(is_abandoned(&received) && is_abandoned(&queued));
    });
}

#[test]
fn a_received_descriptor_is_the_only_copy_left() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let (reader, writer) = pipe();
        near.write_queue_mut().push_back(writer);
        near.write_all(b"A").await.unwrap();
        far.read_exact(&mut [0; 1]).await.unwrap();
        let fd: OwnedFd = far.read_queue_mut().pop_front().unwrap();
        assert!(!is_abandoned(&reader));
        drop(fd);
        assert!(is_abandoned(&reader));
    });
}

#[test]
fn local_and_peer_addresses_are_not_confused() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let near = Dbus::connect(&path).await.unwrap();
        let far = Dbus::new(listener.accept().unwrap().0).unwrap();
        assert_eq!(near.peer_addr().unwrap().as_pathname(), Some(&*path));
        assert!(near.local_addr().unwrap().is_unnamed());
        assert_eq!(far.local_addr().unwrap().as_pathname(), Some(&*path));
        assert!(far.peer_addr().unwrap().is_unnamed());
    });
}

#[test]
fn a_pending_error_is_taken_once() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        near.write_all(b"unread").await.unwrap();
        far.write_all(b"A").await.unwrap();
        drop(far);
        let error = near.take_error().unwrap().expect("the peer closed with bytes unread");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert!(near.take_error().unwrap().is_none());
    });
}

#[test]
fn from_parts_enables_inq_again() {
    run(async {
        for inq in [true, false] {
            let (near, far) = StdUnixStream::pair().unwrap();
            let shared = near.try_clone().unwrap();
            let near = Dbus::builder().inq(inq).build(near).unwrap();
            let mut near = Dbus::from_parts(near.into_parts().unwrap()).unwrap();
            // The option is enabled with the first descriptors.
            foreign_send(&far, b"f", &[&[memfd().as_fd()]]).unwrap();
            near.read_exact(&mut [0]).await.unwrap();
            foreign_send(&far, b"x", &[]).unwrap();
            let (_, _, flags) = foreign_receive(&shared, 0);
            let told = inq && kernel_is_at_least(6, 17);
            assert_eq!(flags.contains(ReturnFlags::CTRUNC), told);
            drop(near);
        }
    });
}

#[test]
fn a_builder_without_inq_causes_no_truncation_for_other_readers() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = UnixListener::bind(&path).unwrap();
        let builder = Dbus::builder().inq(false);
        let connected = builder.connect(&path).await.unwrap();
        let accepted = listener.accept().unwrap().0;
        let (one, other) = builder.pair().unwrap();
        let near = [connected, one, other];
        let duplicate =
            |fd: &dyn AsFd| StdUnixStream::from(fd.as_fd().try_clone_to_owned().unwrap());
        let far = [accepted, duplicate(&near[2]), duplicate(&near[1])];
        for (near, far) in near.iter().zip(&far) {
            foreign_send(far, b"x", &[]).unwrap();
            let (bytes, _, flags) = foreign_receive(&duplicate(near), 0);
            assert_eq!((&bytes[..], flags.contains(ReturnFlags::CTRUNC)), (&b"x"[..], false));
        }
    });
}

#[test]
fn converting_between_sizes_keeps_queues_and_a_failed_read_side() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        near.send_with_fds(b"three", &memfds(3)).await.unwrap();
        far.recv(&mut [0; 8]).await.unwrap();
        far.write_queue_mut().extend(memfds(2));
        let (received, queued) = (identities(far.read_queue()), identities(far.write_queue()));
        let mut far = Wayland::new(far).unwrap();
        assert_eq!(identities(far.read_queue()), received);
        assert_eq!(identities(far.write_queue()), queued);
        assert_eq!(far.read_fd_limit(), Wayland::FD_LIMIT);

        near.send_with_fds(b"twenty-nine", &memfds(29)).await.unwrap();
        far.recv(&mut [0; 8]).await.unwrap_err();
        let error = far.read_error();
        assert!(error.is_some());
        assert_eq!(Dbus::new(far).unwrap().read_error(), error);
    });
}
