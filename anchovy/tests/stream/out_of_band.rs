//! Out-of-band bytes (`MSG_OOB`, unix(7)), which arrive in order like other bytes, with their
//! descriptors.

use std::io::{IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;

use anchovy::{AnchovyListener, AnchovyStream, DBUS_SCM_RIGHTS, FdError};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use tokio::io::AsyncReadExt;

use crate::harness::*;

/// Sends bytes, the last one out-of-band, and descriptors with the first one.
fn send(far: &StdUnixStream, bytes: &[u8], fds: &[OwnedFd]) {
    let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(fds.is_empty() || control.push(SendAncillaryMessage::ScmRights(&fds)));
    let flags = SendFlags::OOB | SendFlags::NOSIGNAL;
    let sent = rustix::net::sendmsg(far, &[IoSlice::new(bytes)], &mut control, flags);
    assert_eq!(sent, Ok(bytes.len()));
}

/// Returns pairs of a stream and a foreign peer, with and without `SO_INQ`.
fn pairs() -> impl Iterator<Item = (Dbus, StdUnixStream)> {
    [true, false].into_iter().map(|inq| {
        let (near, far) = StdUnixStream::pair().unwrap();
        (Dbus::builder().inq(inq).build(near).unwrap(), far)
    })
}

/// Reads `count` bytes without waiting for another event of the socket. Returns them and the
/// number of descriptors of each read.
async fn read_now(near: &mut Dbus, count: usize) -> (String, Vec<usize>) {
    near.readable().await.unwrap();
    let (mut bytes, mut fds) = (Vec::new(), Vec::new());
    while bytes.len() < count {
        let mut buf = [0; 64];
        let received = now(near.recv(&mut buf)).await;
        let received = received.unwrap_or_else(|| panic!("waits after {bytes:?}")).unwrap();
        assert_ne!(received.bytes, 0, "the end of the stream after {bytes:?}");
        bytes.extend_from_slice(&buf[..received.bytes]);
        fds.push(received.fds);
    }
    (String::from_utf8(bytes).unwrap(), fds)
}

/// Returns the pairs, and one whose kernel refuses descriptors, so that `recv` receives its bytes.
async fn pairs_for_bytes() -> Vec<(Dbus, StdUnixStream)> {
    let (near, far) = StdUnixStream::pair().unwrap();
    let mut near = Dbus::new(near).unwrap();
    if near.set_fd_passing(false).is_ok() {
        foreign_send(&far, b"plain", &[]).unwrap();
        near.read_exact(&mut [0; 5]).await.unwrap();
        assert!(now(near.read(&mut [0; 8])).await.is_none());
    }
    pairs().chain([(near, far)]).collect()
}

async fn bytes_around_it_arrive() {
    for (mut near, far) in pairs_for_bytes().await {
        foreign_send(&far, b"AAAA", &[]).unwrap();
        send(&far, b"!", &[]);
        foreign_send(&far, b"BBBB", &[]).unwrap();
        assert_eq!(read_now(&mut near, 9).await, ("AAAA!BBBB".into(), vec![0, 0]));
        assert!(now(near.read(&mut [0; 64])).await.is_none(), "nothing is left");
        foreign_send(&far, b"CCCC", &[]).unwrap();
        assert_eq!(read_now(&mut near, 4).await.0, "CCCC");
    }
}

#[test]
fn descriptors_of_an_unannounced_byte_arrive_after_passing_is_disabled() {
    if !kernel_is_at_least(6, 16) {
        return;
    }
    run(async {
        let (near, far) = StdUnixStream::pair().unwrap();
        let mut near = Dbus::new(near).unwrap();
        foreign_send(&far, b"AAAA", &[]).unwrap();
        near.readable().await.unwrap();
        // The runtime has not looked for events since, and the read ends before this byte.
        let fds = memfds(1);
        send(&far, b"!", &fds);
        near.set_fd_passing(false).unwrap();
        let mut buf = [0; 64];
        assert_eq!(now(near.recv(&mut buf)).await.unwrap().unwrap().bytes, 4);
        let received = near.recv(&mut buf).await.unwrap();
        assert_eq!((&buf[..received.bytes], received.fds), (&b"!"[..], 1));
        assert_eq!(identities(near.read_queue()), identities(&fds));
    });
}

/// A read ends before the byte without any sign, so the stream relies on this event.
#[test]
#[cfg(target_os = "linux")]
fn an_event_announces_an_out_of_band_byte_with_the_bytes_before_it() {
    use tokio::io::Interest;

    run(async {
        for (near, far) in pairs() {
            foreign_send(&far, b"AAAA", &[]).unwrap();
            let ready = near.ready(Interest::READABLE | Interest::PRIORITY).await.unwrap();
            assert!(ready.is_readable() && !ready.is_priority(), "{ready:?}");
            send(&far, b"!", &[]);
            let ready = near.ready(Interest::PRIORITY).await.unwrap();
            assert!(ready.is_priority(), "{ready:?}");
        }
    });
}

#[test]
fn bytes_before_at_and_after_the_mark_arrive_without_another_send() {
    run(bytes_around_it_arrive());
}

#[test]
fn bytes_before_at_and_after_the_mark_arrive_on_an_older_kernel() {
    on_an_older_kernel(bytes_around_it_arrive());
}

async fn several_arrive() {
    for (mut near, far) in pairs_for_bytes().await {
        send(&far, b"first!", &[]);
        send(&far, b"?", &[]);
        foreign_send(&far, b"between", &[]).unwrap();
        send(&far, b"last.", &[]);
        assert_eq!(read_now(&mut near, 19).await.0, "first!?betweenlast.");
        assert!(now(near.read(&mut [0; 64])).await.is_none(), "nothing is left");
        // The mark can also be the first queued byte.
        send(&far, b"!", &[]);
        assert_eq!(read_now(&mut near, 1).await.0, "!");
        drop(far);
        assert_eq!(near.read(&mut [0; 64]).await.unwrap(), 0);
    }
}

#[test]
fn several_out_of_band_bytes_arrive_in_order() {
    run(several_arrive());
}

#[test]
fn several_out_of_band_bytes_arrive_in_order_on_an_older_kernel() {
    on_an_older_kernel(several_arrive());
}

async fn descriptors_arrive() {
    for (mut near, far) in pairs() {
        let fds = memfds(3);
        foreign_send(&far, b"AAAA", &[]).unwrap();
        send(&far, b"!", &fds);
        foreign_send(&far, b"BBBB", &[]).unwrap();
        assert_eq!(read_now(&mut near, 9).await, ("AAAA!BBBB".into(), vec![0, 3, 0]));
        assert_eq!(identities(near.read_queue_mut().drain(..)), identities(&fds));
        // Also with the last byte of the stream.
        send(&far, b"end", &fds);
        drop(far);
        assert_eq!(read_now(&mut near, 3).await, ("end".into(), vec![3, 0]));
        assert_eq!(identities(near.read_queue_mut().drain(..)), identities(&fds));
    }
}

#[test]
fn descriptors_with_an_out_of_band_byte_are_received_with_it() {
    run(descriptors_arrive());
}

#[test]
fn descriptors_with_an_out_of_band_byte_are_received_on_an_older_kernel() {
    on_an_older_kernel(descriptors_arrive());
}

#[test]
fn descriptors_with_an_out_of_band_byte_count_against_the_limit() {
    run(async {
        for (mut near, far) in pairs() {
            near.set_read_fd_limit(1).unwrap();
            foreign_send(&far, b"AAAA", &[]).unwrap();
            send(&far, b"!", &memfds(2));
            foreign_send(&far, b"BBBB", &[]).unwrap();
            assert_eq!(read_now(&mut near, 4).await.0, "AAAA");
            let error = fd_error(now(near.read(&mut [0; 64])).await.unwrap().unwrap_err());
            assert!(matches!(error, FdError::TooManyReceived { count: 2, limit: 1, .. }));
            assert!(near.read_queue().is_empty());
        }
    });
}

#[test]
fn an_out_of_band_byte_wakes_a_reader_and_is_read_into_several_buffers() {
    run(async {
        for (near, far) in pairs() {
            // In a separate task, so that only the socket wakes it.
            let reading = tokio::spawn(async move {
                near.readable().await.unwrap();
                (near, ())
            });
            drive_io().await;
            send(&far, b"!", &[]);
            foreign_send(&far, b"AAAA", &[]).unwrap();
            let (mut near, ()) = reading.await.unwrap();
            let (mut first, mut second) = ([0; 2], [0; 8]);
            let bufs =
                &mut [std::io::IoSliceMut::new(&mut first), std::io::IoSliceMut::new(&mut second)];
            assert_eq!(near.try_read_vectored(bufs).unwrap(), 5);
            assert_eq!((&first, &second[..3]), (b"!A", &b"AAA"[..]));
        }
    });
}

#[test]
fn an_out_of_band_byte_sent_before_the_conversion_arrives() {
    run(async {
        // The client sends before it is accepted.
        let directory = Directory::new();
        let path = directory.join("socket");
        let fds = memfds(2);
        for inq in [true, false] {
            let listener = AnchovyListener::<DBUS_SCM_RIGHTS>::builder()
                .inq(inq)
                .replace_stale(true)
                .bind(&path)
                .unwrap();
            let client = StdUnixStream::connect(&path).unwrap();
            send(&client, b"!", &fds);
            foreign_send(&client, b"AAAA", &[]).unwrap();
            let (mut stream, _) = listener.accept().await.unwrap();
            assert_eq!(read_now(&mut stream, 5).await, ("!AAAA".into(), vec![2, 0]));
            stream.read_queue_mut().clear();
        }

        let listener = std::os::unix::net::UnixListener::bind(directory.join("other")).unwrap();
        let mut near = Dbus::connect(directory.join("other")).await.unwrap();
        let far = listener.accept().unwrap().0;
        send(&far, b"!", &[]);
        foreign_send(&far, b"AAAA", &[]).unwrap();
        assert_eq!(read_now(&mut near, 5).await.0, "!AAAA");
    });
}

#[test]
fn an_out_of_band_byte_stays_in_order_for_the_next_owner() {
    run(async {
        for (near, far) in pairs() {
            foreign_send(&far, b"AA", &[]).unwrap();
            send(&far, b"!", &[]);
            foreign_send(&far, b"BB", &[]).unwrap();
            drop(far);
            let mut all = String::new();
            let mut socket = near.into_parts().unwrap().socket;
            socket.set_nonblocking(false).unwrap();
            socket.read_to_string(&mut all).unwrap();
            assert_eq!(all, "AA!BB");
        }
    });
}

#[test]
fn halves_receive_out_of_band_bytes() {
    run(async {
        for (near, far) in pairs() {
            let (mut read, write) = near.into_split();
            foreign_send(&far, b"AA", &[]).unwrap();
            send(&far, b"!", &memfds(1));
            foreign_send(&far, b"BB", &[]).unwrap();
            read.readable().await.unwrap();
            let mut all = [0; 5];
            now(read.read_exact(&mut all)).await.expect("bytes are queued").unwrap();
            assert_eq!((&all, read.read_queue().len()), (b"AA!BB", 1));
            drop::<AnchovyStream<DBUS_SCM_RIGHTS>>(read.reunite(write).unwrap());
        }
    });
}
