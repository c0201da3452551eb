//! The other end speaks to the kernel without this crate.

use std::os::fd::AsFd;

use anchovy_dbus::Client;

use crate::harness::*;

#[test]
fn what_a_foreign_client_sends_arrives_with_its_descriptors() {
    run(async {
        let (mut connection, far) = with_foreign_client(&server()).await;
        let fds = memfds(2);
        let set = [fds[0].as_fd(), fds[1].as_fd()];
        foreign_send(&far, &signal_bytes("Two", 2), &[&set]).unwrap();
        let message = connection.receive().await.unwrap().unwrap();
        assert_eq!(message.header().member(), Some("Two"));
        assert_eq!(identities(message.fds()), identities(&fds));
        drop(far);
        assert!(connection.receive().await.unwrap().is_none());
    });
}

#[test]
fn a_foreign_server_gets_each_message_with_descriptors_in_one_sendmsg() {
    run(async {
        let (mut connection, far) = with_foreign_server(&Client::new()).await;
        let space = anchovy::DBUS_SCM_RIGHTS;
        let expected: Vec<_> = [0, 2, 0, 0, 1].map(memfds).into();
        let identity: Vec<_> = expected.iter().map(identities).collect();
        for fds in expected {
            connection.feed(signal("Some", fds)).await.unwrap();
        }
        connection.flush().await.unwrap();

        let plain = signal_bytes("Some", 0).len();
        let declaring = signal_bytes("Some", 1).len();
        // Linux joins the received data before a set to it, and ends a read after it.
        for (bytes, set) in [(plain + declaring, 1), (2 * plain + declaring, 4)] {
            let (read, fds, _) = foreign_receive(&far, space);
            assert_eq!((read.len(), identities(fds)), (bytes, identity[set].clone()));
        }
    });
}

#[test]
fn a_pipelined_client_is_connected_after_one_round_trip() {
    run(async {
        let (near, far) = tokio::net::UnixStream::pair().unwrap();
        let answer = async {
            far.readable().await.unwrap();
            let mut said = [0; 256];
            let count = far.try_read(&mut said).unwrap();
            assert_eq!(
                &said[..count],
                b"\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n"
            );
            far.try_write(format!("DATA\r\nOK {}\r\nAGREE_UNIX_FD\r\n", guid()).as_bytes()).unwrap()
        };
        let client = Client::new();
        let (connection, _) = tokio::join!(client.handshake(near), answer);
        assert!(connection.unwrap().unix_fds());
    });
}
