//! Messages between a client and a server of this crate: halves, sinks and streams, serials, and
//! canceled sends.

use std::future::poll_fn;
use std::io::Write;
use std::num::NonZeroU32;
use std::pin::Pin;

use anchovy_dbus::auth::Login;
use anchovy_dbus::{CallError, Client, Connection, Limits, Message, SendErrorKind};
use futures_sink::Sink;
use futures_util::{SinkExt, StreamExt};

use crate::foreign::*;
use crate::harness::*;

#[test]
fn a_call_and_its_answer_cross_with_their_descriptors() {
    run(async {
        let (mut client, mut server) = pair().await;
        let fds = memfds(3);
        let expected = identities(&fds);
        let call = Message::method_call("/", "Take").fds(fds).build().unwrap();
        let serial = client.send(call).await.unwrap();

        let mut call = server.receive().await.unwrap().unwrap();
        assert_eq!(call.header().member(), Some("Take"));
        assert_eq!(identities(call.fds()), expected);
        let fds = call.take_fds();
        server.send(Message::method_return(&call).fds(fds).build().unwrap()).await.unwrap();

        let answer = client.receive().await.unwrap().unwrap();
        assert_eq!(answer.header().reply_serial(), Some(serial));
        assert_eq!(identities(answer.fds()), expected);
    });
}

#[test]
fn other_tasks_run_while_many_messages_are_received() {
    /// The budget of a task is 128 (tokio::task::coop), and these are ten times as many.
    const MESSAGES: usize = 1280;
    run(async {
        let (mut connection, mut foreign) = with_foreign_client(&server()).await;
        foreign.write_all(&signal_bytes("A", 0).repeat(MESSAGES)).unwrap();
        drive_io().await;
        let turns = turns_of_another_task(async {
            for _ in 0..MESSAGES {
                connection.receive().await.unwrap().unwrap();
            }
        });
        let turns = turns.await;
        assert!(turns >= 9, "{turns} turns of the other task");
    });
}

#[test]
fn descriptors_of_a_builder_are_added_in_order() {
    guarded(|| {
        let file = std::fs::File::from(memfd());
        let (pair, last) = (memfds(2), memfd());
        let mut expected = vec![identity(&file)];
        expected.extend(identities(&pair));
        expected.push(identity(&last));
        let message = Message::method_call("/", "Take").fd(file).fds(pair).fd(last).build();
        assert_eq!(identities(message.unwrap().fds()), expected);
    });
}

#[test]
fn every_login_works_at_once_and_step_by_step() {
    run(async {
        let uid = rustix::process::geteuid().as_raw();
        for login in [Login::External, Login::ExternalUid(uid), Login::Anonymous] {
            for client in [Client::new(), Client::new().stepwise()] {
                let (client, server) = pair_of(&client.login(login), &server().anonymous()).await;
                assert_eq!((client.guid(), server.guid()), (guid(), guid()));
                assert!(client.unix_fds() && server.unix_fds());
            }
        }
    });
}

fn serial(number: u32) -> NonZeroU32 {
    NonZeroU32::new(number).expect("a serial")
}

#[test]
fn the_halves_work_in_two_tasks_and_can_be_reunited() {
    run_on_threads(async {
        const COUNT: usize = 200;
        let (client, server) = pair().await;
        let (mut client_reads, mut client_writes) = client.into_split();
        let (mut server_reads, mut server_writes) = server.into_split();
        assert_eq!(client_reads.guid(), client_writes.guid());
        assert!(client_reads.unix_fds() && client_writes.unix_fds());
        let uid = rustix::process::geteuid().as_raw();
        assert_eq!((client_reads.peer_cred().uid(), client_writes.peer_cred().uid()), (uid, uid));
        let writer = tokio::spawn(async move {
            for number in 0..COUNT {
                client_writes.send(signal("A", memfds(number % 3))).await.unwrap();
            }
            client_writes
        });
        let echo = tokio::spawn(async move {
            for _ in 0..COUNT {
                let message = server_reads.receive().await.unwrap().unwrap();
                server_writes.send(message).await.unwrap();
            }
            (server_reads, server_writes)
        });
        for number in 0..COUNT {
            let message = client_reads.receive().await.unwrap().unwrap();
            assert_eq!(message.fds().len(), number % 3);
            assert_eq!(message.serial(), Some(serial(number as u32 + 1)));
        }
        let client_writes = writer.await.unwrap();
        let (server_reads, server_writes) = echo.await.unwrap();
        // Halves of two connections do not fit.
        let anchovy::ReuniteError(client_reads, server_writes) =
            client_reads.reunite(server_writes).expect_err("they are of two connections");
        let client = client_reads.reunite(client_writes).expect("they are of one");
        let server = server_reads.reunite(server_writes).expect("they are of one");
        goes_on(&mut (client, server)).await;
    });
}

#[test]
fn dropping_the_write_half_ends_the_stream_and_closes_unsent_descriptors() {
    run(async {
        let (client, mut server) = pair().await;
        let (_reads, mut writes) = client.into_split();
        let (reader, writer) = pipe();
        writes.feed(signal("A", vec![writer])).await.unwrap();
        drop(writes);
        assert!(is_abandoned(&reader));
        assert!(server.receive().await.unwrap().is_none());
    });
}

#[test]
fn a_connection_is_a_stream_and_a_sink() {
    run(async {
        let (mut client, mut server) = pair().await;
        let fds = memfds(2);
        let expected = identities(&fds);
        SinkExt::feed(&mut client, signal("P", Vec::new())).await.unwrap();
        SinkExt::feed(&mut client, signal("A", fds)).await.unwrap();
        SinkExt::flush(&mut client).await.unwrap();
        SinkExt::close(&mut client).await.unwrap();
        let came: Vec<_> = server.by_ref().map(|message| told(&message.unwrap())).collect().await;
        assert_eq!(came, [("P".to_owned(), vec![]), ("A".to_owned(), expected)]);
        // The other way goes on.
        let (mut reads, mut writes) = (client.into_split().0, server.into_split().1);
        SinkExt::send(&mut writes, signal("B", Vec::new())).await.unwrap();
        assert_eq!(told(&reads.next().await.unwrap().unwrap()).0, "B");
    });
}

#[test]
fn a_shutdown_sends_what_waits_and_then_ends_the_stream() {
    run(async {
        let (mut client, mut server) = pair().await;
        let fds = memfds(1);
        let expected = identities(&fds);
        client.feed(signal("A", fds)).await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(take(&mut server).await.1, expected);
        assert!(server.receive().await.unwrap().is_none());
        let error = client.send(signal("B", Vec::new())).await.unwrap_err();
        assert!(matches!(error.kind, SendErrorKind::Io(_)), "{error:?}");
    });
}

#[test]
fn serials_count_from_one_and_given_ones_are_kept() {
    run(async {
        let (mut client, mut server) = pair().await;
        assert_eq!(client.send(signal("A", Vec::new())).await.unwrap(), serial(1));
        let mut given = signal("B", Vec::new());
        given.set_serial(serial(77));
        assert_eq!(client.send(given).await.unwrap(), serial(77));
        assert_eq!(client.send(signal("C", Vec::new())).await.unwrap(), serial(2));
        for expected in [1, 77, 2] {
            let message = server.receive().await.unwrap().unwrap();
            assert_eq!(message.serial(), Some(serial(expected)));
        }
    });
}

#[test]
fn a_message_that_is_refused_leaves_no_gap_in_the_serials_and_keeps_none() {
    run(async {
        let (mut client, _server) = pair().await;
        client.send(signal("A", Vec::new())).await.unwrap();
        let error = client.send(signal("B", memfds(17))).await.unwrap_err();
        assert_eq!(error.unsent.unwrap().serial(), None);
        let mut given = signal("B", memfds(17));
        given.set_serial(serial(9));
        let error = client.send(given).await.unwrap_err();
        assert_eq!(error.unsent.unwrap().serial(), Some(serial(9)));
        assert_eq!(client.send(signal("C", Vec::new())).await.unwrap(), serial(2));
    });
}

/// Creates a client whose buffer is full with one descriptor, and whose peer refuses descriptors.
///
/// Returns `None` if this kernel cannot refuse descriptors.
async fn refused_client() -> Option<(Connection, Foreign)> {
    let limits = Limits { max_buffered_fds: 1, ..Limits::client() };
    let client = Client::new().limits(limits);
    let (client, foreign) = Role::Client.meet_with(&client, &server()).await;
    anchovy::set_fd_passing(&foreign.socket, false).ok()?;
    Some((client, foreign))
}

fn is_refused(kind: &SendErrorKind) -> bool {
    matches!(kind, SendErrorKind::FdsRefusedByPeer { count: 1 })
}

#[test]
fn a_message_is_returned_if_an_earlier_one_is_refused_while_it_waits() {
    run(async {
        let Some((mut client, foreign)) = refused_client().await else { return };
        let (a, b, c) = (memfds(1), memfds(1), memfds(1));
        let expected = [identities(&a), identities(&b), identities(&c)];
        client.feed(signal("A", a)).await.unwrap();

        let error = client.feed(signal("B", b)).await.unwrap_err();
        assert!(is_refused(&error.kind), "{error:?}");
        let fed = *error.unsent.expect("the message comes back");
        assert_eq!((fed.serial(), identities(fed.fds())), (None, expected[1].clone()));

        let call = Message::method_call("/", "C").fds(c).build().unwrap();
        let error = client.call(call).await.unwrap_err();
        assert!(matches!(&error, CallError::Send(error) if is_refused(&error.kind)), "{error:?}");
        let called = error.into_unsent().expect("the message comes back");
        assert_eq!((called.serial(), identities(called.fds())), (None, expected[2].clone()));

        let refused = client.take_refused().expect("it was not sent");
        assert_eq!(refused.serial(), Some(serial(1)));
        assert_eq!(identities(refused.fds()), expected[0]);
        assert!(client.take_refused().is_none());

        // All of them are whole and can be sent.
        anchovy::set_fd_passing(&foreign.socket, true).unwrap();
        for (message, expected) in [refused, fed, called].into_iter().zip(expected) {
            client.send(message).await.unwrap();
            assert_eq!(identities(&foreign_receive(&foreign.socket, 2048).1), expected);
        }
    });
}

#[test]
fn a_refused_message_that_is_not_taken_back_is_sent_with_the_next_flush() {
    run(async {
        let Some((mut client, foreign)) = refused_client().await else { return };
        let a = memfds(1);
        let expected = identities(&a);
        client.feed(signal("A", a)).await.unwrap();
        let error = client.send(signal("B", Vec::new())).await.unwrap_err();
        assert!(is_refused(&error.kind), "{error:?}");
        anchovy::set_fd_passing(&foreign.socket, true).unwrap();
        client.flush().await.unwrap();
        assert!(client.take_refused().is_none());
        assert_eq!(identities(&foreign_receive(&foreign.socket, 2048).1), expected);
    });
}

#[test]
fn a_sink_that_becomes_ready_returns_the_refused_message() {
    run(async {
        let Some((mut client, _foreign)) = refused_client().await else { return };
        client.feed(signal("A", memfds(1))).await.unwrap();
        let error = poll_fn(|cx| Pin::new(&mut client).poll_ready(cx)).await.unwrap_err();
        assert!(is_refused(&error.kind), "{error:?}");
        assert_eq!(error.unsent.unwrap().header().member(), Some("A"));
        assert!(client.take_refused().is_none());
        client.send(signal("B", Vec::new())).await.unwrap();
    });
}

#[test]
fn refused_messages_are_returned_one_by_one_and_the_others_are_sent() {
    run(async {
        let (mut client, foreign) = Role::Client.connected().await;
        if anchovy::set_fd_passing(&foreign.socket, false).is_err() {
            return; // This kernel cannot refuse.
        }
        let (a, b) = (memfds(1), memfds(2));
        let (first, second) = (identities(&a), identities(&b));
        client.feed(signal("P", Vec::new())).await.unwrap();
        client.feed(signal("A", a)).await.unwrap();
        client.feed(signal("Q", Vec::new())).await.unwrap();
        client.feed(signal("B", b)).await.unwrap();
        client.feed(signal("R", Vec::new())).await.unwrap();
        let mut back = Vec::new();
        for (number, expected) in [(2, first), (4, second)] {
            let error = client.flush().await.unwrap_err();
            let count = expected.len();
            assert!(
                matches!(error.kind, SendErrorKind::FdsRefusedByPeer { count: c } if c == count),
                "{error:?}"
            );
            let message = *error.unsent.expect("the message comes back");
            assert_eq!(identities(message.fds()), expected);
            assert_eq!(message.serial(), Some(serial(number)));
            back.push(message);
        }
        client.flush().await.unwrap();
        let (bytes, fds, _) = foreign_receive(&foreign.socket, 2048);
        assert_eq!((bytes.len(), fds.len()), (3 * message("P", 0, 0).len(), 0));
        // They are whole, and can be sent.
        anchovy::set_fd_passing(&foreign.socket, true).unwrap();
        for message in back {
            let (number, expected) = (message.serial().unwrap(), identities(message.fds()));
            assert_eq!(client.send(message).await.unwrap(), number);
            assert_eq!(identities(foreign_receive(&foreign.socket, 2048).1), expected);
        }
    });
}

#[test]
fn a_receive_that_is_given_up_loses_nothing() {
    run(async {
        for role in ROLES {
            let (mut connection, foreign) = role.connected().await;
            let bytes = message("A", 2, 50);
            let fds = foreign.pipes(2);
            let expected = identities(&fds);
            for (number, byte) in bytes.chunks(7).enumerate() {
                foreign.send_these(byte, if number == 3 { &fds } else { &[] }).unwrap();
                if (number + 1) * 7 < bytes.len() {
                    assert!(at_once(connection.receive()).await.is_none());
                }
            }
            drop(fds);
            assert_eq!(take(&mut connection).await, ("A".to_owned(), expected));
        }
    });
}

#[test]
fn a_flush_that_is_given_up_goes_on_with_the_next() {
    run(async {
        let (mut client, mut server) = pair().await;
        let fds = memfds(2);
        let expected = identities(&fds);
        let long = Message::signal("/", "org.example.Test", "A").body("ay", vec![7; 4 << 20]);
        client.feed(long.fds(fds).build().unwrap()).await.unwrap();
        for _ in 0..10 {
            assert!(now(client.flush()).await.is_none(), "there is no room for all of it");
        }
        let (sent, came) = tokio::join!(client.flush(), server.receive());
        sent.unwrap();
        assert_eq!(told(&came.unwrap().unwrap()), ("A".to_owned(), expected));
    });
}

#[test]
fn a_send_that_is_given_up_has_sent_its_message_or_closes_it() {
    run(async {
        let (mut client, mut server) = pair().await;
        // There is room: it is taken, and leaves with the next flush.
        let long = Message::signal("/", "org.example.Test", "A").body("ay", vec![7; 4 << 20]);
        assert!(now(client.send(long.build().unwrap())).await.is_none());
        // There is none before that: it is not taken.
        let (reader, writer) = pipe();
        assert!(now(client.send(signal("B", vec![writer]))).await.is_none());
        assert!(is_abandoned(&reader));
        let (reader, writer) = pipe();
        assert!(now(client.feed(signal("C", vec![writer]))).await.is_none());
        assert!(is_abandoned(&reader));
        let (sent, came) = tokio::join!(client.flush(), server.receive());
        sent.unwrap();
        assert_eq!(told(&came.unwrap().unwrap()).0, "A");
        assert_eq!(client.send(signal("D", Vec::new())).await.unwrap(), serial(2), "no gap");
        assert_eq!(take(&mut server).await.0, "D");
    });
}

#[test]
fn a_buffer_full_of_descriptors_accepts_no_message() {
    run(async {
        let limits = Limits { max_buffered_fds: 4, ..Limits::client() };
        let (mut client, mut server) = pair_of(&Client::new().limits(limits), &server()).await;
        let mut expected = Vec::new();
        for _ in 0..4 {
            let fds = memfds(3);
            expected.push(identities(&fds));
            client.feed(signal("A", fds)).await.unwrap();
        }
        // Two wait, at most: the others have left on their way in.
        for fds in &expected[..2] {
            assert_eq!(&take(&mut server).await.1, fds);
        }
        client.flush().await.unwrap();
        for fds in &expected[2..] {
            assert_eq!(&take(&mut server).await.1, fds);
        }
    });
}

#[test]
fn a_connection_that_is_taken_apart_hands_over_all_that_waits() {
    run(async {
        let (mut connection, foreign) = Role::Client.connected().await;
        let bytes = [message("A", 1, 0), message("B", 2, 3)].concat();
        let fds = foreign.send(&bytes, 3);
        assert_eq!(take(&mut connection).await, ("A".to_owned(), fds[..1].to_vec()));
        let unsent = memfds(2);
        let expected = identities(&unsent);
        connection.feed(signal("P", Vec::new())).await.unwrap();
        connection.feed(signal("C", unsent)).await.unwrap();

        let parts = connection.into_parts();
        assert!(parts.unix_fds);
        let b = message("B", 2, 3);
        assert_eq!(parts.read_buffer, b);
        let [set] = &parts.read_sets[..] else { panic!("{:?}", parts.read_sets) };
        assert_eq!((set.range.clone(), identities(&set.fds)), (0..b.len(), fds[1..].to_vec()));
        let (p, c) = (message("P", 0, 0).len(), message("C", 2, 0).len());
        assert_eq!(parts.write_buffer.len(), p + c);
        let [set] = &parts.write_sets[..] else { panic!("{:?}", parts.write_sets) };
        assert_eq!((set.range.clone(), identities(&set.fds)), (p..p + c, expected));
        drop(parts);
        assert_eq!(foreign.open(), 0);
    });
}

/// Of the peer's own doing: it closes before it has read.
#[test]
fn a_peer_that_is_gone_is_an_error_of_the_socket_and_closes_nothing_twice() {
    run(async {
        let (mut connection, foreign) = Role::Client.connected().await;
        drop(foreign);
        let (reader, writer) = pipe();
        let error = connection.send(signal("A", vec![writer])).await.unwrap_err();
        assert!(matches!(error.kind, SendErrorKind::Io(_)), "{error:?}");
        drop(connection);
        assert!(is_abandoned(&reader));
    });
}
