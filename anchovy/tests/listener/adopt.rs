//! Adopting sockets that are already bound.

use std::fs;
use std::io::Read;
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::Stdio;

use anchovy::ListenError;
use rustix::io::FdFlags;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

use crate::harness::*;

#[test]
fn listeners_of_std_and_tokio_and_descriptors_are_adopted() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        for kind in 0..3 {
            let bound = UnixListener::bind(&path).unwrap();
            rustix::io::fcntl_setfd(&bound, FdFlags::empty()).unwrap();
            let listener = match kind {
                0 => Listener::from_std(bound),
                1 => {
                    bound.set_nonblocking(true).unwrap();
                    Listener::from_tokio(tokio::net::UnixListener::from_std(bound).unwrap())
                }
                _ => Listener::from_fd(bound.into()),
            };
            let listener = listener.unwrap();
            let flags = rustix::io::fcntl_getfd(&listener).unwrap();
            assert!(flags.contains(FdFlags::CLOEXEC), "no child inherits it");
            assert!(now(listener.accept()).await.is_none(), "it does not block");
            assert_eq!(listener.path(), None);
            assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(&*path));

            let mut client = Stream::connect(&path).await.unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            client.send_with_fds(b"here", &memfds(1)).await.unwrap();
            assert_eq!(stream.recv(&mut [0; 8]).await.unwrap().fds, 1);

            drop(listener);
            assert_eq!(names(&directory), ["socket"], "the file is its maker's");
            fs::remove_file(&path).unwrap();
        }
    });
}

#[test]
fn a_descriptor_that_is_no_listening_stream_socket_is_closed() {
    run(async {
        let directory = Directory::new();
        let bound = rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
        let address = SocketAddrUnix::new(directory.join("bound")).unwrap();
        rustix::net::bind(&bound, &address).unwrap();
        let seqpacket =
            rustix::net::socket(AddressFamily::UNIX, SocketType::SEQPACKET, None).unwrap();
        let address = SocketAddrUnix::new(directory.join("seqpacket")).unwrap();
        rustix::net::bind(&seqpacket, &address).unwrap();
        rustix::net::listen(&seqpacket, 1).unwrap();
        let before = descriptors();

        let others: [OwnedFd; 5] = [
            fs::File::open("/dev/null").unwrap().into(),
            UnixStream::pair().unwrap().0.into(),
            UnixDatagram::unbound().unwrap().into(),
            TcpListener::bind("127.0.0.1:0").unwrap().into(),
            bound.try_clone().unwrap(),
        ];
        for other in others.into_iter().chain([seqpacket.try_clone().unwrap()]) {
            let error = Listener::from_fd(other).unwrap_err();
            assert!(matches!(error, ListenError::NotAListener), "{error:?}");
            assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
        }
        assert_eq!(descriptors(), before);
    });
}

#[test]
fn an_adopted_socket_has_the_limits_of_the_builder() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener =
            builder().read_fd_limit(3).build(UnixListener::bind(&path).unwrap()).unwrap();
        let _client = client(&path);
        assert_eq!(listener.accept().await.unwrap().0.read_fd_limit(), 3);
        let refused =
            builder().write_fd_limit(254).build(UnixListener::bind(directory.join("x")).unwrap());
        assert!(matches!(refused, Err(ListenError::Limit(_))), "{refused:?}");
    });
}

#[test]
fn with_unlink_on_drop_the_file_of_an_adopted_socket_is_removed() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let builder = builder().unlink_on_drop(true);
        let listener = builder.build(UnixListener::bind(&path).unwrap()).unwrap();
        assert_eq!(listener.path(), Some(&*path));
        drop(listener);
        assert!(names(&directory).is_empty());

        let bound = UnixListener::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let error = builder.build(bound).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error:?}");
    });
}

#[test]
fn a_runtime_without_timers_panics_when_a_socket_is_adopted() {
    guarded(|| {
        let directory = Directory::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let bound = UnixListener::bind(directory.join("socket")).unwrap();
        let adopt = || runtime.block_on(async { Listener::from_std(bound).map(drop) });
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(adopt)).is_err());
    });
}

#[test]
fn a_socket_of_socket_activation_is_adopted() {
    let name = "adopt::a_socket_of_socket_activation_is_adopted";
    if child_argument().is_some() {
        let mut inherited = listenfd::ListenFd::from_env();
        let listener = inherited.take_unix_listener(0).unwrap().unwrap();
        runtime().block_on(async {
            let listener = Listener::from_std(listener).unwrap();
            let flags = rustix::io::fcntl_getfd(&listener).unwrap();
            assert!(flags.contains(FdFlags::CLOEXEC));
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.send_with_fds(b"served", &[memfd()]).await.unwrap();
        });
        return;
    }
    guarded(|| {
        let directory = Directory::new();
        let path = directory.join("socket");
        let bound = UnixListener::bind(&path).unwrap();
        // As with systemd, the socket is descriptor 3, and a variable contains the id of the
        // process, which is known only after the fork.
        let child = child_command(name, "activated");
        let mut command = std::process::Command::new("sh");
        command.args(["-c", r#"LISTEN_FDS=1 LISTEN_PID=$$ exec "$@" 3<&0 </dev/null"#, "sh"]);
        command.arg(child.get_program()).args(child.get_args());
        for (variable, value) in child.get_envs() {
            command.env(variable, value.unwrap());
        }
        let mut peer = Peer::start(command.stdin(OwnedFd::from(bound)).stdout(Stdio::null()));
        drop(command);
        let mut client = client(&path);
        let mut bytes = [0; 6];
        client.read_exact(&mut bytes).unwrap();
        assert_eq!(&bytes, b"served");
        assert!(peer.wait().success());
    });
}

#[test]
fn another_process_takes_over_a_listener_without_losing_a_client() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let old = Listener::bind(&path).unwrap();
        let mut waiting = Stream::connect(&path).await.unwrap();

        // Sent over a stream, as to another process.
        let (mut near, mut far) = Stream::pair().unwrap();
        near.send_with_fds(b"listener", &[old.as_fd()]).await.unwrap();
        drop(old.into_std().unwrap());
        assert_eq!(names(&directory), ["socket"]);
        far.recv(&mut [0; 8]).await.unwrap();
        let fd = far.read_queue_mut().pop_front().unwrap();
        assert!(fd.as_raw_fd() > 2);
        let new = builder().unlink_on_drop(true).build(fd).unwrap();

        let (mut stream, _) = new.accept().await.unwrap();
        waiting.send_with_fds(b"here", &memfds(1)).await.unwrap();
        assert_eq!(stream.recv(&mut [0; 8]).await.unwrap().fds, 1);
        drop(new);
        assert!(names(&directory).is_empty());
    });
}

#[test]
fn a_listener_has_one_descriptor_and_has_refused_nothing_at_first() {
    run(async {
        let directory = Directory::new();
        let listener = Listener::bind(directory.join("socket")).unwrap();
        assert_eq!(listener.as_raw_fd(), listener.as_fd().as_raw_fd());
        assert_eq!(listener.refused(), 0);
    });
}
