//! The option `spread_fds`: a large write queue is sent with the first bytes of a write, in
//! several messages.

use std::io::{ErrorKind, IoSlice};
use std::os::unix::net::UnixStream as StdUnixStream;

use anchovy::{AnchovyListener, AnchovyStream, Budget, FdError, WAYLAND_SCM_RIGHTS};
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::*;

/// Returns a stream with `spread_fds`, and one without.
fn pair() -> (Wayland, Wayland) {
    let (near, far) = StdUnixStream::pair().unwrap();
    (Wayland::builder().spread_fds(true).build(near).unwrap(), Wayland::new(far).unwrap())
}

/// Receives until nothing is left. Returns the numbers of bytes and descriptors of each receive.
async fn receives(stream: &mut Wayland) -> Vec<(usize, usize)> {
    drive_io().await;
    let mut receives = Vec::new();
    while let Some(received) = now(stream.recv(&mut [0; 64])).await {
        let received = received.unwrap();
        receives.push((received.bytes, received.fds));
    }
    receives
}

/// Reduces the send buffer, so that a few messages fill it.
fn narrow(stream: &Wayland) {
    set_socket_send_buffer_size(stream, 1).unwrap();
}

#[test]
fn each_full_set_is_sent_with_one_of_the_first_bytes() {
    run(async {
        let (mut near, mut far) = pair();
        let fds = memfds(60);
        let expected = identities(&fds);
        near.write_queue_mut().extend(fds);
        assert_eq!(near.write(b"a header").await.unwrap(), 8);
        assert!(near.write_queue().is_empty());
        assert_eq!(receives(&mut far).await, [(1, 28), (1, 28), (6, 4)]);
        assert_eq!(identities(far.read_queue()), expected);

        // Descriptors that fit into one message are not spread.
        near.write_queue_mut().extend(memfds(28));
        near.write_all(b"a header").await.unwrap();
        assert_eq!(receives(&mut far).await, [(8, 28)]);
    });
}

#[test]
fn a_full_last_set_needs_a_byte_of_its_own() {
    run(async {
        let (mut near, mut far) = pair();
        near.write_queue_mut().extend(memfds(84));
        near.writable().await.unwrap();
        assert_eq!(near.try_write(b"abc").unwrap(), 3);
        assert_eq!(receives(&mut far).await, [(1, 28), (1, 28), (1, 28)]);
    });
}

#[test]
fn too_few_bytes_are_refused_before_anything_is_sent() {
    run(async {
        let (mut near, mut far) = pair();
        let fds = memfds(57);
        let expected = identities(&fds);
        near.write_queue_mut().extend(fds);
        let refused = FdError::FdsWithoutBytes { count: 1 };
        let error = near.write(b"AB").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_eq!(fd_error(error), refused);
        assert_eq!(fd_error(near.try_write(b"AB").unwrap_err()), refused);
        let slices = [IoSlice::new(b"A"), IoSlice::new(b""), IoSlice::new(b"B")];
        assert_eq!(fd_error(near.write_vectored(&slices).await.unwrap_err()), refused);
        assert_eq!(near.write(b"").await.unwrap(), 0);
        assert_eq!(identities(near.write_queue()), expected);

        // Nothing was sent, so the next byte is the first that the peer receives.
        near.write_all(b"now").await.unwrap();
        let mut bytes = [0; 3];
        far.read_exact(&mut bytes).await.unwrap();
        assert_eq!((&bytes, identities(far.read_queue())), (b"now", expected));
    });
}

#[test]
fn a_queue_is_not_spread_by_default_or_with_a_limit_of_zero() {
    run(async {
        let (mut near, mut far) = pair();
        far.write_queue_mut().extend(memfds(29));
        let error = fd_error(far.write(b"a header").await.unwrap_err());
        assert_eq!(error, FdError::TooManyToSend { count: 29, limit: 28, space: 136 });

        near.set_write_fd_limit(0).unwrap();
        near.write_queue_mut().extend(memfds(1));
        let error = fd_error(near.write(b"a header").await.unwrap_err());
        assert_eq!(error, FdError::TooManyToSend { count: 1, limit: 0, space: 136 });
        assert_eq!(receives(&mut far).await, []);
    });
}

#[test]
fn a_borrowed_send_is_never_spread() {
    run(async {
        let (mut near, _far) = pair();
        let error = fd_error(near.send_with_fds(b"a header", &memfds(29)).await.unwrap_err());
        assert_eq!(error, FdError::TooManyToSend { count: 29, limit: 28, space: 136 });
    });
}

#[test]
fn a_vectored_write_spreads_over_several_buffers() {
    run(async {
        let (mut near, mut far) = pair();
        let fds = memfds(90);
        let expected = identities(&fds);
        near.write_queue_mut().extend(fds);
        let slices =
            ["", "a", "", "bc", "", "defgh", "body"].map(|text| IoSlice::new(text.as_bytes()));
        let sent = near.write_vectored(&slices).await.unwrap();
        assert!(near.write_queue().is_empty());
        near.write_all(&b"abcdefghbody"[sent..]).await.unwrap();

        let mut bytes = [0; 12];
        let received = far.recv(&mut bytes).await.unwrap();
        assert_eq!((received.bytes, received.fds), (1, 28));
        far.read_exact(&mut bytes[1..]).await.unwrap();
        assert_eq!((&bytes, identities(far.read_queue())), (b"abcdefghbody", expected));
    });
}

#[test]
fn a_full_socket_between_two_sets_keeps_the_rest_queued() {
    run(async {
        let (mut near, mut far) = pair();
        narrow(&near);
        let fds = memfds(300); // 11 sets
        let expected = identities(&fds);
        near.write_queue_mut().extend(fds);

        let message = b"a message, longer than the sets";
        let sent = near.write(message).await.unwrap();
        assert!((1..10).contains(&sent), "{sent}");
        assert_eq!(identities(near.write_queue()), expected[28 * sent..]);
        assert!(now(near.write(&message[sent..])).await.is_none());
        let error = near.try_write(&message[sent..]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert_eq!(identities(near.write_queue()), expected[28 * sent..]);

        let mut bytes = [0; 31];
        let (written, read) =
            tokio::join!(near.write_all(&message[sent..]), far.read_exact(&mut bytes[..11]));
        assert_eq!((written.unwrap(), read.unwrap()), ((), 11));
        // All descriptors arrived with the first bytes.
        assert_eq!(identities(far.read_queue()), expected);
        far.read_exact(&mut bytes[11..]).await.unwrap();
        assert_eq!(&bytes, message);
    });
}

#[test]
fn a_write_dropped_between_two_sets_sends_no_descriptor_twice() {
    run(async {
        let (mut near, mut far) = pair();
        narrow(&near);
        let fds = memfds(300);
        let expected = identities(&fds);
        near.write_queue_mut().extend(fds);
        let message = b"a message, longer than the sets";
        assert!(now(near.write_all(message)).await.is_none());
        let left = (300 - near.write_queue().len()) / 28;
        assert_eq!(identities(near.write_queue()), expected[28 * left..]);

        // More can be queued meanwhile. They are sent after the others.
        let more = memfds(20);
        let expected = [expected, identities(&more)].concat();
        near.write_queue_mut().extend(more);
        let (mut bytes, rest) = ([0; 31], &message[left..]);
        let (written, read) = tokio::join!(near.write_all(rest), far.read_exact(&mut bytes));
        assert_eq!((written.unwrap(), read.unwrap()), ((), 31));
        assert_eq!((&bytes, identities(far.read_queue())), (message, expected));
    });
}

#[test]
fn refused_sets_stay_in_the_queue_and_sent_bytes_are_counted() {
    run(async {
        let budget = Budget::default();
        let (mut near, mut far) = pair();
        near.set_account(budget.account(1));
        if far.set_fd_passing(false).is_err() {
            return; // A kernel that cannot refuse.
        }
        let fds = memfds(60);
        let expected = identities(&fds);
        near.write_queue_mut().extend(fds);
        let refused = FdError::RefusedByPeer { count: 28 };
        assert_eq!(fd_error(near.write(b"a header").await.unwrap_err()), refused);
        assert_eq!(fd_error(near.try_write(b"a header").unwrap_err()), refused);
        assert_eq!(identities(near.write_queue()), expected);
        assert_eq!(budget.usage_of(1).fds_in_flight, 0);

        far.set_fd_passing(true).unwrap();
        near.write_all(b"a header").await.unwrap();
        assert_eq!(receives(&mut far).await, [(1, 28), (1, 28), (6, 4)]);
    });
}

#[test]
fn a_peer_closed_between_two_sets_fails_the_next_write() {
    run(async {
        let (mut near, far) = pair();
        narrow(&near);
        near.write_queue_mut().extend(memfds(300));
        let sent = near.write(b"a message, longer than the sets").await.unwrap();
        drop(far);
        assert_eq!(near.write_queue().len(), 300 - 28 * sent);
        for _ in 0..2 {
            assert!(near.write(b"a message, longer than the sets").await.is_err());
            assert_eq!(near.write_queue().len(), 300 - 28 * sent);
        }
    });
}

#[test]
fn each_set_is_charged_separately_and_waits_for_the_budget() {
    run(async {
        // A single account may hold 10.
        let budget = Budget::builder().fds_in_flight(20).build();
        let (mut near, mut far) = pair();
        near.set_account(budget.account(1));
        near.set_write_fd_limit(4).unwrap();
        let fds = memfds(14);
        let expected = identities(&fds);
        near.write_queue_mut().extend(fds);

        assert_eq!(near.write(b"a header").await.unwrap(), 2);
        assert_eq!((near.write_queue().len(), budget.usage_of(1).fds_in_flight), (6, 8));
        assert!(now(near.write(b"header")).await.is_none());
        let error = near.try_write(b"header").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert_eq!((near.write_queue().len(), budget.usage_of(1).fds_in_flight), (6, 8));

        let mut bytes = [0; 8];
        let (written, read) = tokio::join!(near.write_all(b"header"), far.read_exact(&mut bytes));
        assert_eq!((written.unwrap(), read.unwrap()), ((), 8));
        assert_eq!(identities(far.read_queue()), expected);
        assert_eq!(budget.usage_of(1).fds_in_flight, 6);

        // A set that the account can never hold is an error, without a wait.
        near.set_write_fd_limit(11).unwrap();
        near.write_queue_mut().extend(memfds(12));
        let error = fd_error(near.write(b"a header").await.unwrap_err());
        assert_eq!(error, FdError::TooManyInFlight { count: 11 });
        assert_eq!(near.write_queue().len(), 12);
    });
}

#[test]
fn halves_parts_and_accepted_streams_keep_spread_fds() {
    run(async {
        let (mut near, mut far) = pair();
        near.write_queue_mut().extend(memfds(29));
        near.split().1.write_all(b"AA").await.unwrap();
        let near = AnchovyStream::from_parts(near.into_parts().unwrap()).unwrap();
        let (read, mut write): (_, anchovy::OwnedWriteHalf<WAYLAND_SCM_RIGHTS>) = near.into_split();
        write.write_queue_mut().extend(memfds(29));
        write.write_all(b"BB").await.unwrap();
        let mut near = read.reunite(write).unwrap();
        near.write_queue_mut().extend(memfds(29));
        near.write_all(b"CC").await.unwrap();
        let expected = [(1, 28), (1, 1), (1, 28), (1, 1), (1, 28), (1, 1)];
        assert_eq!(receives(&mut far).await, expected);

        let directory = Directory::new();
        let path = directory.join("socket");
        let listener = AnchovyListener::builder().spread_fds(true).bind(&path).unwrap();
        let mut client = Wayland::connect(&path).await.unwrap();
        let (mut server, _): (Wayland, _) = listener.accept().await.unwrap();
        assert!(format!("{server:?}").contains("spread_fds: true"));
        server.write_queue_mut().extend(memfds(29));
        server.write_all(b"AA").await.unwrap();
        assert_eq!(receives(&mut client).await, [(1, 28), (1, 1)]);
    });
}
