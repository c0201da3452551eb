//! Ids that are not of the connection, or of the other direction.

use anchovy::exchange::ReceiveError;

use crate::harness::*;

#[test]
fn ids_that_are_swapped_between_two_connections_are_foreign_on_both() {
    run(async {
        let ((mut first, mut first_server), (mut second, mut second_server)) = (pair(), pair());
        let fds = memfds(2);
        let expected = identities(&fds);
        let mut fds = fds.into_iter();
        let first_id = first.fds.send(fds.next().unwrap()).unwrap();
        let second_id = second.fds.send(fds.next().unwrap()).unwrap();
        for (client, server) in [(&mut first, &mut first_server), (&mut second, &mut second_server)]
        {
            client.write(b"request").await;
            server.read(7).await;
        }
        for (server, id) in [(&first_server, second_id), (&second_server, first_id)] {
            let error = now(server.fds.receive(id)).await.unwrap().unwrap_err();
            assert_eq!(error, ReceiveError::ForeignId { id });
        }
        // Neither descriptor was taken or closed.
        let taken = [first_server.take(first_id).await, second_server.take(second_id).await];
        assert_eq!(identities(&taken), expected);
    });
}

#[test]
fn an_id_from_before_a_reconnect_is_foreign_at_once() {
    run(async {
        let (before, _old_server) = pair();
        let id = before.fds.send(memfd()).unwrap();
        drop(before);
        // The new connection sends a request, and no descriptor.
        let (mut after, mut server) = pair();
        after.write(format!("{{\"file\":\"{id}\"}}").as_bytes()).await;
        server.read(1).await;
        let error = now(server.fds.receive(id)).await.unwrap().unwrap_err();
        assert_eq!(error, ReceiveError::ForeignId { id });
    });
}

#[test]
fn a_foreign_id_is_known_as_such_when_the_first_byte_arrives() {
    run(async {
        let (mut near, mut far) = pair();
        let (other, _peer) = pair();
        let id = other.fds.send(memfd()).unwrap();
        let fds = far.fds.clone();
        let waiting = tokio::spawn(async move { fds.receive(id).await });
        drive_io().await;
        assert!(!waiting.is_finished(), "the peer is not known yet");
        near.write(b".").await;
        far.read(1).await;
        assert_eq!(waiting.await.unwrap().unwrap_err(), ReceiveError::ForeignId { id });
    });
}

#[test]
fn an_id_of_this_side_is_foreign() {
    run(async {
        let (mut near, mut far) = pair();
        let id = near.fds.send(memfd()).unwrap();
        let error = now(near.fds.receive(id)).await.unwrap().unwrap_err();
        assert_eq!(error, ReceiveError::ForeignId { id });
        // With the descriptor of the same number of the other direction there, too.
        far.fds.send(memfd()).unwrap();
        far.write(b".").await;
        near.read(1).await;
        let error = now(near.fds.receive(id)).await.unwrap().unwrap_err();
        assert_eq!(error, ReceiveError::ForeignId { id });
        assert_eq!(near.fds.unclaimed(), 1);
    });
}
