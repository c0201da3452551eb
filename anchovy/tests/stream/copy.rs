//! Copies from one stream to another, bytes and descriptors.

use std::io::ErrorKind;

use anchovy::{Budget, Copier, FdError, copy, copy_bidirectional};
use rustix::net::sockopt::set_socket_send_buffer_size;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::*;

/// Client and server with two streams between them, for a copy to join: `client, front, back, server`.
fn chain() -> (Dbus, Dbus, Dbus, Dbus) {
    let ((client, front), (back, server)) = (Dbus::pair().unwrap(), Dbus::pair().unwrap());
    (client, front, back, server)
}

/// Receives so many bytes, and whatever descriptors come with them.
async fn receive(stream: &mut Dbus, bytes: usize) -> (Vec<u8>, Vec<Identity>) {
    let mut buf = vec![0; bytes];
    stream.read_exact(&mut buf).await.unwrap();
    let fds: Vec<_> = stream.read_queue_mut().drain(..).collect();
    (buf, identities(&fds))
}

#[test]
fn bytes_and_descriptors_arrive_unchanged_in_order() {
    run(async {
        let (mut client, mut front, mut back, mut server) = chain();
        let mut expected = (Vec::new(), Vec::new());
        let send = async {
            for round in 0..200_usize {
                let bytes = vec![round as u8; 1 + round * 97 % 12_000];
                let fds = memfds(round % 5);
                expected.0.extend_from_slice(&bytes);
                expected.1.extend(identities(&fds));
                client.write_queue_mut().extend(fds);
                client.write_all(&bytes).await.unwrap();
            }
            client.shutdown().await.unwrap();
        };
        let receive = async {
            let (mut bytes, mut fds) = (Vec::new(), Vec::new());
            let mut buf = vec![0; 5000];
            loop {
                let received = server.recv(&mut buf).await.unwrap();
                if received.bytes == 0 {
                    return (bytes, identities(&fds));
                }
                bytes.extend_from_slice(&buf[..received.bytes]);
                fds.extend(server.read_queue_mut().drain(..));
            }
        };
        let ((), arrived, copied) = tokio::join!(send, receive, copy(&mut front, &mut back));
        let copied = copied.unwrap();
        assert!(arrived == expected, "{} and {} bytes", arrived.0.len(), expected.0.len());
        assert_eq!((copied.bytes, copied.fds), (expected.0.len() as u64, expected.1.len() as u64));
    });
}

#[test]
fn the_end_of_one_direction_leaves_the_other_open() {
    run(async {
        let (mut client, mut front, mut back, mut server) = chain();
        let work = async {
            client.send_with_fds(b"last words", &memfds(1)).await.unwrap();
            client.shutdown().await.unwrap();
            let mut all = Vec::new();
            server.read_to_end(&mut all).await.unwrap();
            assert_eq!((&all[..], server.read_queue().len()), (&b"last words"[..], 1));

            server.send_with_fds(b"reply", &memfds(2)).await.unwrap();
            assert_eq!(receive(&mut client, 5).await.1.len(), 2);
            drop(server);
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
        };
        let (copied, ()) = tokio::join!(copy_bidirectional(&mut front, &mut back), work);
        let (there, back) = copied.unwrap();
        assert_eq!((there.bytes, there.fds, back.bytes, back.fds), (10, 1, 5, 2));
    });
}

#[test]
fn a_destination_that_does_not_read_stops_the_source() {
    run(async {
        let (mut client, mut front, mut back, mut server) = chain();
        let mut copier = Copier::new();
        // What the sockets and the copier hold is bounded, so a write has to wait.
        let mut written = 0;
        loop {
            let wrote = now(client.write(&[7; 4096])).await;
            assert!(now(copier.copy(&mut front, &mut back)).await.is_none());
            match wrote {
                Some(count) => written += count.unwrap(),
                None => break,
            }
        }
        assert!(written < 2 << 20, "{written}");
        drop(client);
        let mut all = Vec::new();
        let (copied, read) =
            tokio::join!(copier.copy(&mut front, &mut back), server.read_to_end(&mut all));
        assert_eq!((copied.unwrap().bytes, read.unwrap()), (written as u64, written));
    });
}

#[test]
fn one_direction_goes_on_while_the_other_waits() {
    run(async {
        let (mut client, mut front, mut back, mut server) = chain();
        let work = async {
            // Nobody reads at the server, so this direction comes to a stop.
            while now(client.write(&[7; 4096])).await.is_some() {
                drive_io().await;
            }
            server.send_with_fds(b"reply", &memfds(1)).await.unwrap();
            assert_eq!(receive(&mut client, 5).await.1.len(), 1);
        };
        tokio::select! {
            copied = copy_bidirectional(&mut front, &mut back) => panic!("it ended: {copied:?}"),
            () = work => {}
        }
    });
}

#[test]
fn a_copier_goes_on_after_its_future_was_dropped() {
    run(async {
        let (mut client, mut front, mut back, mut server) = chain();
        set_socket_send_buffer_size(&back, 1).unwrap();
        let fds = memfds(3);
        client.send_with_fds(&[7; 60_000], &fds).await.unwrap();
        client.shutdown().await.unwrap();
        drive_io().await;

        let mut copier = Copier::new();
        let mut bytes = Vec::new();
        let mut buf = [0; 512];
        let mut drops = 0;
        let copied = loop {
            // Polled once, and dropped.
            match now(copier.copy(&mut front, &mut back)).await {
                Some(copied) => break copied.unwrap(),
                None => drops += 1,
            }
            drive_io().await;
            while let Ok(read) = server.try_read(&mut buf) {
                bytes.extend_from_slice(&buf[..read]);
            }
            drive_io().await;
        };
        server.read_to_end(&mut bytes).await.unwrap();
        assert!(drops > 1, "the destination took all of it at once");
        assert_eq!((copied.bytes, copied.fds), (60_000, 3));
        assert!(bytes == [7; 60_000]);
        assert_eq!(identities(server.read_queue()), identities(&fds));
    });
}

#[test]
fn a_copy_that_select_polls_by_reference_loses_nothing() {
    run(async {
        let (mut client, mut front, mut back, mut server) = chain();
        let mut copying = Box::pin(copy(&mut front, &mut back));
        for round in 0..10_u8 {
            client.send_with_fds(&[round], &memfds(1)).await.unwrap();
            let mut buf = [0];
            tokio::select! {
                copied = &mut copying => panic!("it ended: {copied:?}"),
                read = server.read(&mut buf) => assert_eq!(read.unwrap(), 1),
            }
            assert_eq!((buf, server.read_queue().len()), ([round], usize::from(round) + 1));
        }
        client.shutdown().await.unwrap();
        assert_eq!(copying.await.unwrap().fds, 10);
    });
}

#[test]
fn what_was_read_and_not_written_can_be_taken_out() {
    run(async {
        let (mut client, mut front, mut back, mut server) = chain();
        back.set_write_fd_limit(1).unwrap();
        let fds = memfds(2);
        client.send_with_fds(b"two", &fds).await.unwrap();
        let mut copier = Copier::new();
        let error = copier.copy(&mut front, &mut back).await.unwrap_err();
        assert!(matches!(fd_error(error), FdError::TooManyToSend { count: 2, limit: 1, .. }));
        assert_eq!(copier.copied().bytes, 0);
        drive_io().await;
        assert_eq!(server.try_read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);

        let unsent = copier.into_parts();
        assert_eq!(unsent.bytes, b"two");
        assert_eq!(identities(&unsent.fds), identities(&fds));
        assert!(back.write_queue().is_empty() && front.read_queue().is_empty());
    });
}

#[test]
fn a_set_over_the_limit_of_the_destination_leaves_once_the_limit_is_raised() {
    run(async {
        let (mut client, mut front, mut back, mut server) = chain();
        back.set_write_fd_limit(1).unwrap();
        let fds = memfds(2);
        client.send_with_fds(b"two", &fds).await.unwrap();
        client.shutdown().await.unwrap();
        let mut copier = Copier::new();
        copier.copy(&mut front, &mut back).await.unwrap_err();

        back.set_write_fd_limit(2).unwrap();
        let copied = copier.copy(&mut front, &mut back).await.unwrap();
        assert_eq!((copied.bytes, copied.fds), (3, 2));
        assert_eq!(receive(&mut server, 3).await, (b"two".to_vec(), identities(&fds)));
    });
}

#[test]
fn a_destination_that_spreads_takes_a_set_over_its_limit() {
    run(async {
        let (mut client, mut front) = Dbus::pair().unwrap();
        let (back, server) = std::os::unix::net::UnixStream::pair().unwrap();
        let mut back = Wayland::builder().spread_fds(true).build(back).unwrap();
        let mut server = Wayland::new(server).unwrap();
        let fds = memfds(60);
        client.send_with_fds(b"a header", &fds).await.unwrap();
        client.shutdown().await.unwrap();

        let copied = copy(&mut front, &mut back).await.unwrap();
        assert_eq!((copied.bytes, copied.fds), (8, 60));
        server.read_exact(&mut [0; 8]).await.unwrap();
        assert_eq!(identities(server.read_queue()), identities(&fds));
    });
}

#[test]
fn descriptors_queued_at_the_destination_are_refused_and_stay_there() {
    run(async {
        let (mut client, mut front, mut back, _server) = chain();
        back.write_queue_mut().extend(memfds(1));
        client.send_with_fds(b"one", &memfds(1)).await.unwrap();
        client.shutdown().await.unwrap();
        let mut copier = Copier::new();
        let error = copier.copy(&mut front, &mut back).await.unwrap_err();
        assert!(matches!(fd_error(error), FdError::WriteQueueNotEmpty { queued: 1 }));
        assert_eq!(back.write_queue().len(), 1);

        back.write_queue_mut().clear();
        assert_eq!(copier.copy(&mut front, &mut back).await.unwrap().fds, 1);
    });
}

#[test]
fn descriptors_of_earlier_reads_stay_in_the_read_queue() {
    run(async {
        let (mut client, mut front, mut back, mut server) = chain();
        let (read, copied) = (memfds(1), memfds(2));
        client.send_with_fds(b"read", &read).await.unwrap();
        front.recv(&mut [0; 4]).await.unwrap();
        client.send_with_fds(b"copied", &copied).await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(copy(&mut front, &mut back).await.unwrap().fds, 2);
        assert_eq!(identities(front.read_queue()), identities(&read));
        assert_eq!(receive(&mut server, 6).await.1, identities(&copied));
    });
}

#[test]
fn descriptors_that_the_far_peer_refuses_stay_in_the_copier() {
    run(async {
        let (mut client, mut front, mut back, server) = chain();
        server.set_fd_passing(false).expect("Linux 6.16");
        client.send_with_fds(b"one", &memfds(1)).await.unwrap();
        let mut copier = Copier::new();
        let error = copier.copy(&mut front, &mut back).await.unwrap_err();
        assert!(matches!(fd_error(error), FdError::RefusedByPeer { count: 1, .. }));
        assert_eq!(copier.into_parts().fds.len(), 1);
    });
}

#[test]
fn a_far_side_that_is_gone_is_an_error_and_closes_what_was_read() {
    run(async {
        let (mut client, mut front, mut back, server) = chain();
        drop(server);
        let (reader, writer) = pipe();
        client.send_with_fds(b"one", &[&writer]).await.unwrap();
        drop(writer);
        let error = copy(&mut front, &mut back).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
        assert!(is_abandoned(&reader));
    });
}

#[test]
fn a_far_side_that_is_gone_ends_its_copy_and_no_other() {
    run(async {
        let (mut client, mut front, mut back, mut server) = chain();
        let (mut other_client, mut other_front, mut other_back, mut other_server) = chain();
        let work = async {
            // The server disconnects with its last message and a descriptor on their way.
            let last = memfds(1);
            server.send_with_fds(b"last", &last).await.unwrap();
            drop(server);
            assert_eq!(receive(&mut client, 4).await.1, identities(&last));
            assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
            let (reader, writer) = pipe();
            client.send_with_fds(b"request", &[&writer]).await.unwrap();
            reader
        };
        let other_work = async {
            for round in 0..3 {
                let fds = memfds(round);
                other_client.send_with_fds(b"request", &fds).await.unwrap();
                assert_eq!(receive(&mut other_server, 7).await.1, identities(&fds));
                other_server.send_with_fds(b"reply", &fds).await.unwrap();
                assert_eq!(receive(&mut other_client, 5).await.1, identities(&fds));
            }
        };
        let mut other = Box::pin(copy_bidirectional(&mut other_front, &mut other_back));
        let failed = async { tokio::join!(copy_bidirectional(&mut front, &mut back), work) };
        let (outcome, reader) = tokio::select! {
            copied = &mut other => panic!("it ended: {copied:?}"),
            failed = failed => failed,
        };
        assert_eq!(outcome.unwrap_err().kind(), ErrorKind::BrokenPipe);
        assert!(is_abandoned(&reader));
        tokio::select! {
            copied = &mut other => panic!("it ended: {copied:?}"),
            () = other_work => {}
        }
    });
}

#[test]
fn descriptors_count_against_their_sender_until_they_are_written() {
    run(async {
        let budget = Budget::builder().held_fds(1000).build();
        let (mut client, mut front, mut back, mut server) = chain();
        front.set_account(budget.account(1));
        while now(back.write(&[7; 4096])).await.is_some() {}
        client.send_with_fds(b"three", &memfds(3)).await.unwrap();
        let mut copier = Copier::new();
        drive_io().await;
        assert!(now(copier.copy(&mut front, &mut back)).await.is_none());
        assert_eq!(budget.usage_of(1).held_fds, 3);

        let mut buf = vec![0; 1 << 20];
        while server.try_read(&mut buf).is_ok() {}
        drive_io().await;
        assert!(now(copier.copy(&mut front, &mut back)).await.is_none());
        assert_eq!((copier.copied().fds, budget.usage_of(1).held_fds), (3, 0));
    });
}

#[test]
fn halves_are_copied_like_whole_streams() {
    run(async {
        let (mut client, front, back, mut server) = chain();
        let ((mut front, _), (_, mut back)) = (front.into_split(), back.into_split());
        client.send_with_fds(b"one", &memfds(1)).await.unwrap();
        client.shutdown().await.unwrap();
        let copied = copy(&mut front, &mut back).await.unwrap();
        assert_eq!((copied.bytes, copied.fds), (3, 1));
        assert_eq!(receive(&mut server, 3).await.1.len(), 1);
    });
}
