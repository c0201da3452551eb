//! A foreign peer: Python's `socket.send_fds` and `recv_fds`, in a separate process.

use std::io::{Read, Seek, Write};
use std::os::unix::net::UnixStream as StdUnixStream;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::*;

#[test]
fn descriptors_of_python_arrive_with_their_bytes() {
    run(async {
        let (near, far) = StdUnixStream::pair().unwrap();
        let printed = python(
            far.into(),
            "fds = [os.memfd_create(f'{n}') for n in range(3)]\n\
             for n, fd in enumerate(fds): os.write(fd, b'memory %d' % n)\n\
             socket.send_fds(s, [b'three'], fds)\n\
             s.send(b' plain')\n\
             socket.send_fds(s, [b'one'], fds[:1])\n\
             print(*(os.fstat(fd).st_ino for fd in fds))\n",
        );
        let inodes: Vec<u64> =
            printed.split_whitespace().map(|inode| inode.parse().unwrap()).collect();

        let mut near = Dbus::new(near).unwrap();
        let mut buf = [0; 64];
        let received = near.recv(&mut buf).await.unwrap();
        assert_eq!((&buf[..received.bytes], received.fds), (&b"three"[..], 3));
        let received = near.recv(&mut buf).await.unwrap();
        assert_eq!((&buf[..received.bytes], received.fds), (&b" plainone"[..], 1));
        assert_eq!(near.read(&mut buf).await.unwrap(), 0);

        let arrived: Vec<u64> = identities(near.read_queue()).iter().map(|(_, ino)| *ino).collect();
        assert_eq!(arrived, [inodes[0], inodes[1], inodes[2], inodes[0]]);
        for (number, fd) in near.read_queue_mut().drain(..3).enumerate() {
            let mut file = std::fs::File::from(fd);
            file.rewind().unwrap();
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            assert_eq!(text, format!("memory {number}"));
        }
    });
}

#[test]
fn descriptors_arrive_at_python_with_their_bytes() {
    run(async {
        let (near, far) = StdUnixStream::pair().unwrap();
        let mut near = Dbus::new(near).unwrap();
        let mut fds = Vec::new();
        for number in 0..3 {
            let mut file = std::fs::File::from(memfd());
            write!(file, "memory {number}").unwrap();
            fds.push(file);
        }
        near.send_with_fds(b"two", &fds[..2]).await.unwrap();
        near.write_all(b" plain").await.unwrap();
        near.write_queue_mut().push_back(fds[2].try_clone().unwrap().into());
        near.write_all(b"one").await.unwrap();
        near.shutdown().await.unwrap();

        let printed = python(
            far.into(),
            "while True:\n\
             \x20   data, fds, flags, _ = socket.recv_fds(s, 64, 8)\n\
             \x20   if not data: break\n\
             \x20   texts = [os.pread(fd, 64, 0).decode() for fd in fds]\n\
             \x20   print(data.decode(), texts, bool(flags & socket.MSG_CTRUNC))\n",
        );
        assert_eq!(printed, "two ['memory 0', 'memory 1'] False\n plainone ['memory 2'] False\n");
    });
}

#[test]
fn as_many_descriptors_as_the_kernel_carries_go_to_python_and_back() {
    run(async {
        let (near, far) = StdUnixStream::pair().unwrap();
        let mut near = Dbus::new(near).unwrap();
        let fds = memfds(253);
        near.send_with_fds(b"all", &fds).await.unwrap();
        let printed = python(
            far.into(),
            "data, fds, flags, _ = socket.recv_fds(s, 64, 253)\n\
             socket.send_fds(s, [data], fds)\n\
             print(len(fds))\n",
        );
        assert_eq!(printed.trim(), "253");
        assert_eq!(near.recv(&mut [0; 8]).await.unwrap().fds, 253);
        assert_eq!(identities(near.read_queue()), identities(&fds));
    });
}
