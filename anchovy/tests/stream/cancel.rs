//! Dropped futures: what they have sent or received by then.

use std::io::IoSlice;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};

use crate::harness::*;

/// Writes until the socket is full, and returns the number of bytes.
async fn fill(stream: &mut Dbus) -> usize {
    stream.writable().await.unwrap();
    let mut filled = 0;
    while let Ok(count) = stream.try_write(&[0; 4096]) {
        filled += count;
    }
    filled
}

#[test]
fn a_dropped_receive_has_received_nothing() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        assert!(now(far.recv(&mut [0; 8])).await.is_none());
        assert!(now(far.read(&mut [0; 8])).await.is_none());
        near.send_with_fds(b"AAAA", &memfds(2)).await.unwrap();
        let received = far.recv(&mut [0; 8]).await.unwrap();
        assert_eq!((received.bytes, received.fds), (4, 2));
    });
}

#[test]
fn a_dropped_borrowed_send_has_sent_nothing() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let filled = fill(&mut near).await;
        let fds = memfds(2);
        assert!(now(near.send_with_fds(b"AAAA", &fds)).await.is_none());
        let slices = [IoSlice::new(b"AAAA")];
        assert!(now(near.send_vectored_with_fds(&slices, &fds)).await.is_none());

        far.read_exact(&mut vec![0; filled]).await.unwrap();
        drop(near);
        assert_eq!(far.recv(&mut [0; 8]).await.unwrap(), Default::default());
    });
}

#[test]
fn a_dropped_write_has_sent_nothing_and_keeps_the_queue() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        let filled = fill(&mut near).await;
        near.write_queue_mut().extend(memfds(2));
        assert!(now(near.write(b"AAAA")).await.is_none());
        assert_eq!(near.write_queue().len(), 2);

        far.read_exact(&mut vec![0; filled]).await.unwrap();
        drop(near);
        assert_eq!(far.recv(&mut [0; 8]).await.unwrap(), Default::default());
    });
}

#[test]
fn an_empty_queue_shows_that_a_dropped_write_all_sent_its_set() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        drive_io().await;
        let fds = memfds(2);
        let expected = identities(&fds);
        near.write_queue_mut().extend(fds);
        assert!(now(near.write_all(&vec![0; 1 << 20])).await.is_none());
        assert!(near.write_queue().is_empty());

        drop(near);
        far.read_to_end(&mut Vec::new()).await.unwrap();
        assert_eq!(identities(far.read_queue()), expected);
    });
}

#[test]
fn a_dropped_read_exact_leaves_its_descriptors_in_the_queue() {
    run(async {
        let (mut near, mut far) = Dbus::pair().unwrap();
        near.send_with_fds(b"AAAA", &memfds(2)).await.unwrap();
        drive_io().await;
        assert!(now(far.read_exact(&mut [0; 8])).await.is_none());
        assert_eq!(far.read_queue().len(), 2);
    });
}

#[test]
fn a_dropped_wait_for_readiness_misses_nothing() {
    run(async {
        let (mut near, far) = Dbus::pair().unwrap();
        assert!(now(far.readable()).await.is_none());
        assert!(now(far.ready(Interest::READABLE)).await.is_none());
        let would_block = || Err::<(), _>(std::io::ErrorKind::WouldBlock.into());
        assert!(now(far.async_io(Interest::READABLE, would_block)).await.is_none());
        near.write_all(b"A").await.unwrap();
        far.readable().await.unwrap();
        assert!(far.ready(Interest::READABLE).await.unwrap().is_readable());

        let filled = fill(&mut near).await;
        assert!(filled > 0 && now(near.writable()).await.is_none());
        let mut far = far;
        far.read_exact(&mut vec![0; filled + 1]).await.unwrap();
        near.writable().await.unwrap();
    });
}

#[test]
fn a_dropped_connect_leaves_no_socket() {
    // The guard of every test counts descriptors.
    run(async {
        let name = format!("\0anchovy cancel {}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name[1..]).unwrap();
        let listener = UnixListener::bind_addr(&address).unwrap();
        let _ = now(Dbus::connect(&name)).await;
        drop(listener);
    });
}
