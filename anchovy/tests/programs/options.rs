//! Socket options that another process has set, and what another process sends.

use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use rustix::net::ReturnFlags;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::*;

#[test]
fn a_read_that_ends_at_other_credentials_keeps_the_readiness() {
    run(async {
        for inq in [true, false] {
            let (near, far) = StdUnixStream::pair().unwrap();
            let mut near = Dbus::builder().inq(inq).build(near).unwrap();
            rustix::net::sockopt::set_socket_passcred(&near, true).unwrap();
            foreign_send(&far, b"ours", &[]).unwrap();
            // The kernel never merges bytes of two processes.
            python(far.try_clone().unwrap().into(), "s.send(b'theirs')");
            near.readable().await.unwrap();
            let mut buf = [0; 64];
            let read = now(near.read(&mut buf)).await.expect("bytes are queued").unwrap();
            assert_eq!(&buf[..read], b"ours");
            let read = now(near.read(&mut buf)).await.expect("bytes are queued").unwrap();
            assert_eq!(&buf[..read], b"theirs");
            assert!(near.read_queue().is_empty());
        }
    });
}

#[test]
fn a_read_that_ends_at_other_credentials_keeps_the_readiness_without_passing() {
    if !kernel_is_at_least(6, 16) {
        eprintln!("skipped: SO_PASSRIGHTS needs Linux 6.16");
        return;
    }
    run(async {
        let (near, far) = StdUnixStream::pair().unwrap();
        rustix::net::sockopt::set_socket_passcred(&near, true).unwrap();
        let mut near = Dbus::builder().inq(false).build(near).unwrap();
        near.set_fd_passing(false).unwrap();
        foreign_send(&far, b"first", &[]).unwrap();
        near.read_exact(&mut [0; 5]).await.unwrap();
        let mut buf = [0; 64];
        assert!(now(near.read(&mut buf)).await.is_none());

        foreign_send(&far, b"ours", &[]).unwrap();
        python(far.try_clone().unwrap().into(), "s.send(b'theirs')");
        near.readable().await.unwrap();
        for bytes in ["ours", "theirs"] {
            let read = now(near.read(&mut buf)).await.expect("bytes are queued").unwrap();
            assert_eq!(&buf[..read], bytes.as_bytes());
        }
    });
}

#[test]
fn a_read_that_ends_at_another_pidfd_keeps_the_readiness() {
    run(async {
        for inq in [true, false] {
            let (near, far) = StdUnixStream::pair().unwrap();
            let mut near = Dbus::builder().inq(inq).build(near).unwrap();
            switch_pidfds_on(&near);
            foreign_send(&far, b"ours", &[]).unwrap();
            python(far.try_clone().unwrap().into(), "s.send(b'theirs')");
            near.readable().await.unwrap();
            let mut buf = [0; 64];
            let read = now(near.read(&mut buf)).await.expect("bytes are queued").unwrap();
            assert_eq!(&buf[..read], b"ours");
            let read = now(near.read(&mut buf)).await.expect("bytes are queued").unwrap();
            assert_eq!(&buf[..read], b"theirs");
        }
    });
}

#[test]
fn a_pidfd_on_every_message_is_closed_and_takes_no_room() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        switch_pidfds_on(&far);
        rustix::net::sockopt::set_socket_passcred(&far, true).unwrap();
        let before = descriptors();
        for count in [0, 1, 28, 253, 0, 0, 0] {
            let fds = memfds(count);
            near.send_with_fds(b"AAAA", &fds).await.unwrap();
            let received = far.recv(&mut [0; 8]).await.unwrap();
            assert_eq!((received.bytes, received.fds), (4, count));
            assert_eq!(identities(far.read_queue_mut().drain(..)), identities(&fds));
        }
        assert_eq!(descriptors(), before, "pidfds were leaked");
    });
}

#[test]
fn a_pidfd_of_the_peer_is_that_process_and_close_on_exec() {
    run(async {
        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let script = format!(
            "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect({:?})\nsys.stdin.read()",
            path.display().to_string()
        );
        let mut child = Command::new("python3")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let (socket, _) = listener.accept().unwrap();
        let stream = Dbus::new(socket).unwrap();

        assert_eq!(stream.peer_cred().unwrap().pid(), Some(child.id() as i32));
        match stream.peer_pidfd() {
            Ok(pidfd) => {
                let flags = rustix::io::fcntl_getfd(&pidfd).unwrap();
                assert_eq!(flags, rustix::io::FdFlags::CLOEXEC);
                rustix::process::pidfd_send_signal(&pidfd, rustix::process::Signal::KILL).unwrap();
                assert_eq!(child.wait().unwrap().signal(), Some(9));
            }
            Err(error) => {
                assert!(!kernel_is_at_least(6, 5), "{error}");
                assert_eq!(error.kind(), ErrorKind::Unsupported);
                child.kill().unwrap();
                child.wait().unwrap();
            }
        }
    });
}

#[test]
fn a_pidfd_that_does_not_fit_into_the_table_is_no_loss() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        switch_pidfds_on(&far);
        near.write_all(b"AAAA").await.unwrap();
        let full = FullTable::with_room_for(0);
        let mut buf = [0; 64];
        let received = far.recv(&mut buf).await.unwrap();
        assert_eq!((&buf[..received.bytes], received.fds), (&b"AAAA"[..], 0));
        drop(full);

        // If the descriptors fit but the pidfd does not, all descriptors are received.
        let fds = memfds(3);
        near.send_with_fds(b"BBBB", &fds).await.unwrap();
        let full = FullTable::with_room_for(3);
        let received = far.recv(&mut buf).await.unwrap();
        assert_eq!((&buf[..received.bytes], received.fds), (&b"BBBB"[..], 3));
        drop(full);
        assert_eq!(identities(far.read_queue()), identities(&fds));
    });
}

#[test]
fn options_set_by_the_owner_of_a_socket_stay_set() {
    run(async {
        let (near, far) = StdUnixStream::pair().unwrap();
        // `SO_INQ`, if the kernel supports it.
        python(
            near.try_clone().unwrap().into(),
            "try: s.setsockopt(socket.SOL_SOCKET, 84, 1)\nexcept OSError: pass",
        );
        let near = Dbus::builder().inq(false).build(near).unwrap();
        let near = near.into_parts().unwrap().socket;
        foreign_send(&far, b"x", &[]).unwrap();
        let (_, _, flags) = foreign_receive(&near, 0);
        assert_eq!(flags.contains(ReturnFlags::CTRUNC), kernel_is_at_least(6, 17));
    });
}

#[test]
fn converting_a_stream_applies_the_inq_option_of_the_builder() {
    if !kernel_is_at_least(6, 17) {
        eprintln!("skipped: SO_INQ needs Linux 6.17");
        return;
    }
    run(async {
        let (near, mut far) = Dbus::pair().unwrap();
        let mut near = Some(near);
        for inq in [true, false, false, true] {
            let mut stream = Dbus::builder().inq(inq).build(near.take().unwrap()).unwrap();
            // The option is enabled with the first descriptors.
            far.send_with_fds(b"f", &memfds(1)).await.unwrap();
            stream.read_exact(&mut [0]).await.unwrap();
            far.write_all(b"bytes").await.unwrap();
            // The option adds a control message to every receive, and this buffer has no room for
            // it.
            let said = python(
                stream.as_fd().try_clone_to_owned().unwrap(),
                "print(bool(s.recvmsg(9)[2] & socket.MSG_CTRUNC))",
            );
            assert_eq!(said.trim(), if inq { "True" } else { "False" });
            near = Some(stream);
        }
    });
}
